"""What discovery finds: what one source says, which sources were tried, and the provider that comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from oauth2_pop3.errors import ConfigError, OAuthError, one_line
from oauth2_pop3.providers.provider import Provider, authority

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TEXT_LIMIT = 500


@dataclass(frozen=True)
class Finding:
    """What one source says about a domain's POP3 server and authorization server.

    It comes from strangers, so it is checked: the constructor raises OAuthError if a host, a port, a URL or a text is
    not valid.

    source: the name of the source, for a person.
    trust: who says so, and how far that was verified.
    issuer: the authorization server (RFC 8414); "" if the source names none.
    scope: what to ask for, space-separated; "" if the source does not say.
    username: the user name for POP3; "" if the source does not say.
    note: what else a person should know.
    authorization_endpoint, token_endpoint: "" if the source does not name them. They are used if the issuer has no
        metadata.
    client_id: a client that everybody may use; "" if there is none.
    """

    source: str
    trust: str
    pop3_host: str
    pop3_port: int
    starttls: bool
    issuer: str
    scope: str = ""
    username: str = ""
    note: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    client_id: str = ""

    def __post_init__(self) -> None:
        if not is_host_name(self.pop3_host):
            host = one_line(self.pop3_host, 100)
            raise OAuthError(f"{self.source} names a POP3 server {host!r}, which is not a host name")
        if not 0 < self.pop3_port < 65536:
            raise OAuthError(f"{self.source} names the POP3 port {self.pop3_port}, which is not a port")
        for key in ("issuer", "authorization_endpoint", "token_endpoint"):
            url = getattr(self, key)
            usable = url.startswith("https://") and authority(url)  # only https is ever followed
            # RFC 8414 section 2: an issuer has neither query nor fragment.
            if url and (not usable or "#" in url or (key == "issuer" and "?" in url)):
                raise OAuthError(f"{self.source} names the {key} {one_line(url, 100)!r}, which is not an https:// URL")
        for key in ("scope", "username", "note", "issuer", "authorization_endpoint", "token_endpoint", "client_id"):
            if len(text := getattr(self, key)) > _TEXT_LIMIT or not text.isprintable():
                raise OAuthError(
                    f"{self.source} gives a {key} that is too long or has unprintable characters: "
                    f"{one_line(text, 100)!r}"
                )


@dataclass(frozen=True)
class Attempt:
    """One source that was tried.

    outcome: "found", "absent" or "fault".
    detail: what the source said, or what went wrong, on one line.
    """

    name: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class FoundProvider:
    """The provider of an address: what to sign in with, and why to believe it.

    provider: its row, which names the POP3 server too.
    known: the row exists already, in the config, in the built-in table or in a plugin.
    source, trust: who says so, and what was verified.
    values: the row for Config.save_provider; empty if it is known.
    username: the user name for POP3 by the source; "" if it does not say.
    tried: every source that was asked, in order.
    """

    address: str
    provider: Provider
    known: bool
    source: str
    trust: str
    values: Mapping[str, object] = field(default_factory=dict)
    username: str = ""
    note: str = ""
    tried: tuple[Attempt, ...] = ()


def is_host_name(text: str) -> bool:
    """Tell whether a text is a host name in ASCII and lower case (RFC 1123 section 2.1)."""
    return len(text) < 254 and _HOST_NAME.fullmatch(text) is not None


def ascii_domain(domain: str) -> str:
    """The form of a mail domain for the DNS and for URLs (RFC 5890). Raises ConfigError if it has none."""
    try:
        name = domain.encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if not is_host_name(name):
        raise ConfigError(f"{domain!r} is not a domain that can be looked up", hint="Name a provider with --provider.")
    return name
