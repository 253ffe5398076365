"""The sandbox's POP3 server: POP3S on loopback, STLS on a second port on request, maildrops in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from oauth2_pop3.sandbox.foundation.loopback_server import HOST, LoopbackServer
from oauth2_pop3.sandbox.pop3_server.connection import Faults, Pop3State
from oauth2_pop3.sandbox.pop3_server.session import Pop3Session

if TYPE_CHECKING:
    import ssl

    from oauth2_pop3.sandbox.foundation.acts import Act


class SandboxPop3Server:
    """A POP3 server (RFC 1939) that acts a part. `account_of` tells it whose maildrop an access token opens.

    host, port: where POP3S is.
    stls_port: the plain port with STLS (RFC 2595), or None.
    maildrops: the mailboxes by address, with their messages and settings.
    """

    def __init__(
        self,
        act: Act,
        account_of: Callable[[str], str | None],
        tls: ssl.SSLContext,
        *,
        issuer: str = "",
        stls: bool = False,
    ) -> None:
        self._state = Pop3State(act, account_of, tls, issuer)
        self.maildrops = self._state.maildrops
        handler = partial(Pop3Session, state=self._state)
        self._pop3s = LoopbackServer(handler, tls)
        self._pop3 = LoopbackServer(handler, None) if stls else None
        self.host = HOST
        self.port = self._pop3s.port
        self.stls_port = self._pop3.port if self._pop3 else None

    def start(self) -> None:
        """Start serving sessions."""
        self._pop3s.start()
        if self._pop3:
            self._pop3.start()

    def close(self) -> None:
        """Stop serving, and end all sessions."""
        self._state.stopping.set()
        self._pop3s.close()
        if self._pop3:
            self._pop3.close()

    @property
    def faults(self) -> Faults:
        """What goes wrong: set its members, or set it to Faults() to heal everything."""
        return self._state.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._state.faults = faults

    @property
    def commands(self) -> list[str]:
        """What clients sent so far, in order and without secrets: `AUTH XOAUTH2`, `RETR 1`, `response: AQ==`."""
        return list(self._state.commands)

    @property
    def sessions(self) -> int:
        """How many connections there have been."""
        return self._state.sessions

    def deliver(self, address: str, message: bytes) -> None:
        """Put a message into a maildrop."""
        self.maildrops.deliver(address, message)

    def messages(self, address: str) -> list[bytes]:
        """What is in a maildrop now."""
        return [message.content for message in self.maildrops[address].messages]

    def share(self, address: str, account: str) -> None:
        """Let this account's tokens open that maildrop: a shared mailbox."""
        self.maildrops[address].members.add(account.lower())
