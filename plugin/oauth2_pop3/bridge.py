"""A POP3 server for one client on one connection, which signs in to the real one with OAuth 2.0.

For clients that can do USER and PASS alone, fetchmail first of all: it greets, takes USER and PASS (or AUTH PLAIN),
signs in upstream with the token of the account that USER named, and from then on passes octets on in both directions,
so that every command after the sign-in is between the client and the real server.
"""

from __future__ import annotations

import base64
import binascii
import os
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

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

IDLE = 1800.0
"""Seconds without an octet in either direction, after which both ends are let go: servers do so after 600."""
AFTER_QUIT = 60.0
"""Seconds that the server is given to delete what was marked, once the client has said QUIT and gone."""

_LINE_LIMIT = 65536
_BUFFER = 262144  # octets in each direction
_BLOCK = 65536
_Result = TypeVar("_Result")
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
            _Relay(self._client, connected, received).run()


def _code(error: OAuth2Pop3Error) -> str:
    """The response code that makes a host do the right thing (RFC 2449 section 8, RFC 3206)."""
    if isinstance(error, AuthenticationRejected | AuthorizationRequired | TokenNotFound):
        return "AUTH"
    if isinstance(error, MaildropLocked):
        return "LOGIN-DELAY" if "LOGIN-DELAY" in error.message else "IN-USE"
    return "SYS/TEMP" if isinstance(error, NetworkError) else "SYS/PERM"


class _Relay:
    """Passes octets on in both directions, each with a buffer of its own that does not grow."""

    def __init__(self, client: Client, server: socket.socket, received: bytes) -> None:
        self._client = client
        self._server = server
        self._to_client = bytearray(received)
        self._to_server = bytearray(client.buffer)
        self._sent = bytearray()  # the last octets that the client sent: whether it has said QUIT
        self._client_is_done = False
        self._server_is_done = False

    def run(self) -> None:
        self._server.setblocking(False)
        os.set_blocking(self._client.read_from, False)
        os.set_blocking(self._client.write_to, False)
        self._note(self._to_server)
        deadline = time.monotonic() + IDLE
        while self._goes_on():
            moved = self._read_server() | self._read_client() | self._write_server() | self._write_client()
            if moved:
                wait = AFTER_QUIT if self._client_is_done else IDLE
                deadline = time.monotonic() + wait
            elif time.monotonic() > deadline:
                return
            else:
                self._wait(deadline - time.monotonic())

    def _goes_on(self) -> bool:
        if self._server_is_done:
            return bool(self._to_client)
        if not self._client_is_done:
            return True
        return bool(self._to_server) or self._has_quit

    @property
    def _has_quit(self) -> bool:
        return bytes(self._sent).upper().endswith((b"QUIT\r\n", b"QUIT\n"))

    def _note(self, data: bytes | bytearray) -> None:
        self._sent = (self._sent + data)[-8:]

    def _wait(self, seconds: float) -> None:
        """Until one of the two has something, or can take something."""
        with selectors.DefaultSelector() as selector:
            wanted: dict[int, int] = {}
            server = self._server.fileno()
            if not self._server_is_done and len(self._to_client) < _BUFFER:
                wanted[server] = selectors.EVENT_READ
            if self._to_server and not self._server_is_done:
                wanted[server] = wanted.get(server, 0) | selectors.EVENT_WRITE
            if not self._client_is_done and len(self._to_server) < _BUFFER:
                wanted[self._client.read_from] = selectors.EVENT_READ
            if self._to_client:
                out = self._client.write_to
                wanted[out] = wanted.get(out, 0) | selectors.EVENT_WRITE
            for descriptor, events in wanted.items():
                selector.register(descriptor, events)
            selector.select(max(0.0, seconds))

    def _read_server(self) -> bool:
        if self._server_is_done or len(self._to_client) >= _BUFFER:
            return False
        block = self._attempt(lambda: self._server.recv(_BLOCK))
        if block is None:
            return False
        if block:
            self._to_client += block
        else:
            self._server_is_done = True
        return True

    def _read_client(self) -> bool:
        if self._client_is_done or len(self._to_server) >= _BUFFER:
            return False
        try:
            block = os.read(self._client.read_from, _BLOCK)
        except BlockingIOError:
            return False
        except OSError:
            block = b""
        if block:
            self._to_server += block
            self._note(block)
        else:
            self._client_is_done = True
        return True

    def _write_server(self) -> bool:
        if not self._to_server or self._server_is_done:
            return False
        # A write that TLS could not finish must be made again with the same octets: they stay in the buffer.
        sent = self._attempt(lambda: self._server.send(bytes(self._to_server[:_BLOCK])))
        if sent:
            del self._to_server[:sent]
        return bool(sent)

    def _write_client(self) -> bool:
        if not self._to_client:
            return False
        try:
            sent = os.write(self._client.write_to, self._to_client[:_BLOCK])
        except BlockingIOError:
            return False
        except OSError:  # the client has gone
            self._to_client.clear()
            self._client_is_done = self._server_is_done = True
            return True
        del self._to_client[:sent]
        return True

    def _attempt(self, call: Callable[[], _Result]) -> _Result | None:
        """Read or write at the server; None where it would have to wait. A connection that breaks is at its end."""
        try:
            return call()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            print(f"oauth2-pop3: the connection to the POP3 server broke: {error}", file=sys.stderr)  # noqa: T201
            self._server_is_done = True
            return None
