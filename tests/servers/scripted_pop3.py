"""A POP3 server that does what a test tells it to, for what no real server can be made to do.

It is a plain POP3 server (RFC 1939) until the test's function responds in its place. It has a port with TLS, which the
product wants, and one without for the hosts beside it, which have a password.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from servers.certificates import Certificates

PASSWORD = "a-password"
CAPABILITIES = ("TOP", "UIDL", "RESP-CODES", "PIPELINING", "USER", "SASL PLAIN XOAUTH2 OAUTHBEARER")
SIGN_IN = "(sign-in)"
"""What a test's function gets once a token or a password has come, before it is accepted."""


class EndConnection(Exception):
    """Raised by a test's function: close the connection without a response."""


@dataclass
class Pop3Connection:
    """One client's connection. number: 1 for the server's first, then 2, ..."""

    server: ScriptedPop3
    number: int
    signed_in: bool = False
    deleted: set[int] = field(default_factory=set)


Respond = Callable[[Pop3Connection, str], bytes | None]
"""Takes a command line, "" for the greeting, and returns octets to send as they are; None for the usual response."""


def multiline(first: str, lines: bytes) -> bytes:
    """A multi-line response: lines end with CRLF already, and their dots are stuffed here."""
    stuffed = b"".join(b"." + line if line.startswith(b".") else line for line in lines.splitlines(keepends=True))
    return first.encode() + b"\r\n" + stuffed + b".\r\n"


class ScriptedPop3:
    """messages: by number, with CRLF; None is one that was deleted. unique_ids: of the messages, in their order.

    commands: every line that came, of all connections; a token or a password is left out.
    port, tls_port: without TLS, and with it from the first octet.
    in_handshake: gets the connection of a client of tls_port, before anything is read from it. Then it is closed.
    """

    def __init__(
        self,
        certificates: Certificates,
        messages: Iterable[bytes],
        respond: Respond,
        *,
        unique_ids: Iterable[str] = (),
        capabilities: Iterable[str] = CAPABILITIES,
        in_handshake: Callable[[socket.socket], None] | None = None,
    ) -> None:
        self._in_handshake = in_handshake
        self.capabilities = tuple(capabilities)
        self.messages: dict[str, bytes] = {}
        self.commands: list[str] = []
        given = list(messages)
        names = [*unique_ids] or [f"uid-{number}" for number in range(1, len(given) + 1)]
        self.unique_ids = names
        self._contents: dict[int, bytes] = dict(enumerate(given, 1))
        self._respond = respond
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificates.pem(), certificates.key())
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, self.tls_port = (listener.getsockname()[1] for listener in self._listeners)
        self._connections = count(1)

    @property
    def left(self) -> list[str]:
        """The unique-ids of the messages that are on the server still."""
        return [self.unique_ids[number - 1] for number in self._contents]

    @contextmanager
    def running(self) -> Iterator[ScriptedPop3]:
        """Accept connections until the end of the block."""
        for listener, serve in zip(self._listeners, (self._serve, self._serve_tls), strict=True):
            threading.Thread(target=self._accept, args=(listener, serve), daemon=True).start()
        try:
            yield self
        finally:
            for listener in self._listeners:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()

    @staticmethod
    def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        with contextlib.suppress(OSError, EndConnection), connection:
            self._session(connection)

    def _serve_tls(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        with contextlib.suppress(OSError, EndConnection), connection:
            if self._in_handshake:
                self._in_handshake(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._session(secured)

    def _session(self, connection: socket.socket) -> None:
        client = Pop3Connection(self, next(self._connections))
        greeting = self._respond(client, "")
        connection.sendall(b"+OK ready\r\n" if greeting is None else greeting)
        with connection.makefile("rb") as lines:
            for octets in lines:
                line = octets.decode("utf-8", "replace").rstrip("\r\n")
                words = line.split(" ") or [""]
                verb = words[0].upper()
                self.commands.append(
                    line if verb not in ("PASS", "AUTH") else " ".join(words[:2]) if verb == "AUTH" else verb
                )
                response = self._respond(client, line)
                if response is None:
                    response = self._usual(client, verb, words[1:], connection, lines)
                connection.sendall(response)
                if verb == "QUIT":
                    return

    def _usual(
        self, client: Pop3Connection, verb: str, arguments: list[str], connection: socket.socket, lines: Iterator[bytes]
    ) -> bytes:
        """What a POP3 server responds that has nothing odd about it."""
        if verb == "CAPA":
            return multiline("+OK", "".join(f"{name}\r\n" for name in self.capabilities).encode())
        if verb == "AUTH" and len(arguments) < 2:
            connection.sendall(b"+ \r\n")
            next(lines)
        if verb in ("AUTH", "PASS"):
            if (response := self._respond(client, SIGN_IN)) is not None:
                return response
            client.signed_in = True
            return b"+OK signed in\r\n"
        if verb == "USER":
            return b"+OK\r\n"
        if verb == "QUIT":
            for number in client.deleted:
                self._contents.pop(number, None)
            return b"+OK bye\r\n"
        if not client.signed_in:
            return b"-ERR not signed in\r\n"
        if verb == "RSET":
            client.deleted.clear()
            return b"+OK\r\n"
        if verb == "NOOP":
            return b"+OK\r\n"
        return self._of_messages(client, verb, arguments)

    def _of_messages(self, client: Pop3Connection, verb: str, arguments: list[str]) -> bytes:
        there = {number: text for number, text in self._contents.items() if number not in client.deleted}
        if verb == "STAT":
            return f"+OK {len(there)} {sum(map(len, there.values()))}\r\n".encode()
        values = {number: len(text) for number, text in there.items()}
        names = {number: self.unique_ids[number - 1] for number in there}
        if verb in ("LIST", "UIDL") and not arguments:
            table = (values if verb == "LIST" else names).items()
            return multiline("+OK", "".join(f"{number} {value}\r\n" for number, value in table).encode())
        number = int(arguments[0]) if arguments and arguments[0].isdigit() else 0
        if number not in there:
            return b"-ERR no such message\r\n"
        if verb in ("LIST", "UIDL"):
            return f"+OK {number} {(values if verb == 'LIST' else names)[number]}\r\n".encode()
        if verb == "RETR":
            return multiline("+OK", there[number])
        if verb == "TOP":
            head, _, body = there[number].partition(b"\r\n\r\n")
            some = b"".join(body.splitlines(keepends=True)[: int(arguments[1])])
            return multiline("+OK", head + b"\r\n\r\n" + some)
        if verb == "DELE":
            client.deleted.add(number)
            return b"+OK\r\n"
        return b"-ERR unknown command\r\n"
