"""A POP3 server for one client on one connection, which signs in to the real one with OAuth 2.0.

For clients that can do USER and PASS alone, fetchmail first of all: it greets, takes USER and PASS (or AUTH PLAIN),
signs in upstream with the token of the account that USER named, and from then on passes octets on in both directions,
so that every command after the sign-in is between the client and the real server.
"""

from __future__ import annotations

import base64
import binascii
import os
import sys
from dataclasses import dataclass, field, replace

from oauth2_pop3 import access, accounts
from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    TokenNotFound,
    UsageError,
)
from oauth2_pop3.maildrop import Pop3Server, open_maildrop
from oauth2_pop3.pop3 import Session
from oauth2_pop3.relay import Relay

_LINE_LIMIT = 65536
_BLOCK = 65536
_TAKEN_OVER = frozenset(("SASL", "STLS", "USER", "IMPLEMENTATION"))


@dataclass
class Client:
    """The client's end: what it sends is read from one descriptor, what it gets is written to another."""

    read_from: int
    write_to: int
    buffer: bytearray = field(default_factory=bytearray)

    def line(self) -> bytes | None:
        """The next line without its end; None at the end of what it sends. Raises UsageError for one without an end."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > _LINE_LIMIT:
                raise UsageError("the client sent a line without an end")
            try:
                block = os.read(self.read_from, _BLOCK)
            except ConnectionError:
                return None
            if not block:
                return None
            self.buffer += block
        line = bytes(self.buffer[:end]).rstrip(b"\r")
        del self.buffer[: end + 1]
        return line

    def send(self, *lines: str) -> None:
        """Send lines."""
        data = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self.write_to, data) :]


class Bridge:
    """One connection. account: whose token opens USER's mailbox, if it is not USER's own (a shared mailbox)."""

    def __init__(self, client: Client, server: Pop3Server, *, account: str = "") -> None:
        self._client = client
        self._server = server
        self._account = account
        self._session: Session | None = None

    def run(self) -> None:
        """Serve the client to its end.

        Raises what connecting raises, before anything was said to the client: a host takes an end without a greeting
        for a passing fault (fetchmail: exit code 2).
        """
        self._session = self._server.connect()
        try:
            self._client.send("+OK oauth2-pop3 at your service")
            if self._signed_in():
                self._pass_on()
        except BrokenPipeError:
            pass  # the client has gone, and nobody is there to be told
        finally:
            if self._session is not None:
                self._session.close()

    # -- before the sign-in

    def _signed_in(self) -> bool:
        """Answer the client until it has signed in; False where it leaves."""
        user = ""
        while (line := self._client.line()) is not None:
            command, _, argument = line.decode("utf-8", "surrogateescape").partition(" ")
            match command.upper():
                case "CAPA":
                    self._client.send("+OK", *self._capabilities(), ".")
                case "USER" if argument.strip():
                    user = argument.strip()
                    self._client.send("+OK")
                case "PASS" if user:
                    if self._sign_in(user):
                        return True
                case "AUTH":
                    if (user := self._plain(argument)) and self._sign_in(user):
                        return True
                case "QUIT":
                    self._client.send("+OK")
                    return False
                case _:
                    self._client.send("-ERR USER and PASS are expected")
        return False

    def _capabilities(self) -> list[str]:
        """What the client may rely on: the server's own, but for what is taken over here."""
        known = self._session.capabilities if self._session else {}
        lines = [" ".join((name, *words)) for name, words in known.items() if name not in _TAKEN_OVER]
        codes = [code for code in ("RESP-CODES", "AUTH-RESP-CODE") if code not in known]
        return ["USER", "SASL PLAIN", *codes, *lines]

    def _plain(self, argument: str) -> str:
        """The user of AUTH PLAIN (RFC 4616, RFC 5034); "" where there is none, and the client has been told so."""
        mechanism, _, response = argument.partition(" ")
        if mechanism.upper() != "PLAIN":
            self._client.send("-ERR PLAIN is the only mechanism here")
            return ""
        if not response:
            self._client.send("+ ")
            response = (self._client.line() or b"*").decode("ascii", "replace")
        try:
            authzid, authcid, _ = base64.b64decode(response, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            self._client.send("-ERR that is no PLAIN message")
            return ""
        if not (authzid or authcid):
            self._client.send("-ERR it names no user")
        return authzid or authcid

    def _sign_in(self, user: str) -> bool:
        """Sign in upstream and tell the client; a fault goes to standard error too, as some hosts show only that."""
        person = self._account or user
        mailbox = "" if person.lower() == user.lower() else user

        def token(refused: str) -> str:
            return access.access_token(person, mailbox=mailbox, refused=refused)

        connected, self._session = self._session, None
        try:
            provider = accounts.load(person).provider
            server = replace(self._server, preferred=provider.mechanisms, initial_response=provider.initial_response)
            self._session = open_maildrop(server, user, token, connected=connected)
        except OAuth2Pop3Error as error:
            if connected is not None:
                connected.close()
            print(f"oauth2-pop3: {error}", file=sys.stderr, flush=True)  # noqa: T201
            self._client.send(f"-ERR [{_code(error)}] {error}"[:500])
            return False
        self._client.send("+OK")
        return True

    # -- after it

    def _pass_on(self) -> None:
        if self._session is None:
            return
        connected, received = self._session.release()
        self._session = None
        with connected:
            client = self._client
            Relay(connected, client.read_from, client.write_to, received, bytes(client.buffer)).run()


def _code(error: OAuth2Pop3Error) -> str:
    """The response code that makes a host do the right thing (RFC 2449 section 8, RFC 3206)."""
    if isinstance(error, AuthenticationRejected | AuthorizationRequired | TokenNotFound):
        return "AUTH"
    if isinstance(error, MaildropLocked):
        return "LOGIN-DELAY" if "LOGIN-DELAY" in error.message else "IN-USE"
    return "SYS/TEMP" if isinstance(error, NetworkError) else "SYS/PERM"
