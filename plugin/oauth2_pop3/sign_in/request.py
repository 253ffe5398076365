"""SignInRequest: what a person asked for when they signed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SignInRequest:
    """What `login` was asked for, beyond what config.toml says already.

    address: who signs in.
    provider: a provider's name; "" to find it.
    settings: keys of the account that are written to config.toml once it has signed in, such as client_id.
    grant: "" to choose it.
    also: protocols beside POP3 to ask for; () for none any more, None to leave them as they are.
    mailbox: a shared mailbox that the token must open.
    screen: whether a browser can be shown on this machine.
    no_browser: whether the person does not want one here.
    check: whether to try the token at the POP3 server.
    """

    address: str
    provider: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    grant: str = ""
    also: tuple[str, ...] | None = None
    mailbox: str = ""
    screen: bool = False
    no_browser: bool = False
    check: bool = True

    @property
    def names_client(self) -> bool:
        """Whether it says with which client to sign in."""
        return "client_id" in self.settings
