"""The wire below the POP3 session: a socket, its TLS, lines and multi-line responses (RFC 1939 section 3).

Reads in blocks and bounds everything: a line, a response, and the time in which the server brings nothing. Many
responses may lie in one block, and one may be larger than many blocks: nothing is moved or copied again for that.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from oauth2_pop3.errors import ConfigError, NetworkError, Pop3Error
from oauth2_pop3.net import tls
from oauth2_pop3.pop3.socket import Socket, Wait, wait

LINE_LIMIT = 65536
"""Octets of a response line: RFC 2449 allows 512, and nobody needs more than this."""
MULTILINE_LIMIT = 2 << 30
"""Octets of a multi-line response: no message is larger."""

_BUFFER = 262144
_ROOM = 65536  # octets: where less than this is left behind what came, what nobody has read moves to the front
_PIECE = _BUFFER - _ROOM  # octets of a response after which what is there is handed on, whatever is still to come
_LEAST_PER_TIMEOUT = 1024  # octets in each `timeout` seconds; a server that drips more slowly than this has stalled
_END = b"\r\n.\r\n"
_CR, _DOT = b"\r."


class Connection:
    """A socket to a POP3 server. Every method raises NetworkError where it fails.

    host: as it is named in messages. peer: address and port at the other end.
    """

    def __init__(self, connected: Socket, host: str) -> None:
        self.host = host
        self.peer = connected.peer
        self._socket = connected
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # what has come and nobody has read
        self._in_step = True

    @classmethod
    def open(cls, host: str, port: int, timeout: float, wait: Wait = wait) -> Connection:
        """Connect. timeout: seconds of silence that are borne. Raises ConfigError where the address is none."""
        try:
            connected = Socket.open(host, port, timeout, wait)
            try:
                return cls(connected, host)
            except OSError:  # reset at once
                connected.close()
                raise
        except OSError as error:
            raise NetworkError(f"no connection to the POP3 server {host}:{port}: {_reason(error)}") from error
        except (UnicodeError, OverflowError) as error:
            raise ConfigError(f"{host}:{port} cannot be the address of a POP3 server") from error

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, with its TLS, and what has been read ahead."""
        return self._socket.release(), bytes(self._view[self._start : self._end])

    @property
    def has_more(self) -> bool:
        """Whether something has come that nobody has read."""
        return self._start < self._end

    def has_ended(self) -> bool:
        """Whether the server has closed the connection, as far as that is known without waiting."""
        if self.has_more:
            return False
        try:
            octet = self._socket.at_once()
        except OSError:
            return True
        if octet:
            self._buffer[:1] = octet
            self._start, self._end = 0, 1
        return octet == b""

    def start_tls(self, context: ssl.SSLContext, name: str, fingerprints: tuple[str, ...]) -> None:
        """Shake hands; the certificate must have the name and, if there are any, one of the SHA-256 fingerprints."""
        try:
            certificate = self._socket.start_tls(context, name)
        except ssl.SSLEOFError as error:
            raise NetworkError(f"the POP3 server {name} closed the connection in the TLS handshake") from error
        except ssl.SSLError as error:
            message, hint = tls.explain(error, name)
            raise Pop3Error(message, hint=hint) from error
        except OSError as error:
            raise NetworkError(f"no TLS connection to {name}: {_reason(error)}") from error
        except ValueError as error:
            raise ConfigError(f"{name} cannot be the name in a certificate") from error
        if fingerprints and not tls.fingerprint_matches(certificate, fingerprints):
            raise Pop3Error(
                f"the TLS certificate of {name} has none of the expected fingerprints",
                hint="Nothing was sent. If the server has a new certificate, put its SHA-256 into the configuration.",
            )

    def send(self, *lines: bytes) -> None:
        """Send lines, together."""
        self._step()
        try:
            self._socket.send(b"".join(line + b"\r\n" for line in lines))
        except OSError as error:
            raise NetworkError(f"the connection to {self.host} broke: {_reason(error)}") from error
        self._in_step = True

    def line(self) -> bytes:
        """Read a line, without its end."""
        self._step()
        pace = _Pace(self._socket.timeout)
        searched = self._start
        while (end := self._buffer.find(b"\n", searched, self._end)) < 0:
            waiting = self._end - self._start
            if waiting > LINE_LIMIT:
                raise Pop3Error(f"the POP3 server {self.host} sent a line without an end")
            self._fill(pace)
            searched = self._start + waiting
        line = bytes(self._view[self._start : end]).rstrip(b"\r")
        self._start = end + 1
        self._in_step = True
        return line

    def multiline(self, limit: int) -> bytes:
        """Read the lines after +OK up to the one with a single dot, with CRLF and without stuffed dots."""
        pieces: list[bytes] = []
        self.stream(pieces.append, limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stream(self, write: Callable[[bytes], object], limit: int, *, stuffed: bool = False) -> int:
        """The same in pieces, none of which ends between CR and LF: one, where it is not large. Returns the octets.

        stuffed: as the server sent it, with its stuffed dots, but without the line that ends it.
        """
        self._step()
        pace = _Pace(self._socket.timeout)
        while self._end - self._start < 3:  # the shortest response there is: ".\r\n"
            self._fill(pace)
        if self._buffer.startswith(_END[2:], self._start, self._end):
            self._start += 3
            self._in_step = True
            return 0
        if not stuffed and self._buffer[self._start] == _DOT:
            self._start += 1
        octets, searched = 0, self._start
        while (end := self._buffer.find(_END, searched, self._end)) < 0:
            waiting = self._end - self._start
            if octets + waiting > limit:
                raise Pop3Error(f"the POP3 server {self.host} sent a response of more than {limit} octets")
            if waiting >= _PIECE:
                octets += self._hand_on(write, self._border(), stuffed)
                waiting = self._end - self._start
            searched = self._start + max(0, waiting - len(_END) + 1)
            before = self._start
            self._fill(pace)
            searched += self._start - before
        octets += self._hand_on(write, end + 2, stuffed)
        self._start = end + len(_END)
        self._in_step = True
        return octets

    def _border(self) -> int:
        """How far what has come can be handed on: what may turn out to be the end, or a stuffed dot, stays."""
        border = self._end - len(_END) + 1
        if self._buffer[border - 1] == _CR:
            return border - 1
        return border - 2 if self._buffer[border - 2 : border] == b"\r\n" else border

    def _hand_on(self, write: Callable[[bytes], object], end: int, stuffed: bool) -> int:
        piece = bytes(self._view[self._start : end])
        self._start = end
        if not stuffed:
            piece = piece.replace(b"\r\n.", b"\r\n")
        write(piece)
        return len(piece)

    def _fill(self, pace: _Pace) -> None:
        """Read a block into the buffer."""
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._buffer) - self._end < _ROOM and self._start:
            waiting = self._end - self._start
            self._view[:waiting] = self._view[self._start : self._end]
            self._start, self._end = 0, waiting
        try:
            octets = self._socket.receive_into(self._view[self._end :])
        except TimeoutError:
            raise NetworkError(
                f"the POP3 server {self.host} was silent for {self._socket.timeout:.0f} seconds"
            ) from None
        except OSError as error:
            raise NetworkError(f"the connection to {self.host} broke: {_reason(error)}") from error
        if not octets:
            raise NetworkError(f"the POP3 server {self.host} closed the connection")
        if not pace.keeps_up(octets):
            raise NetworkError(f"the POP3 server {self.host} sends too slowly")
        self._end += octets

    def _step(self) -> None:
        """Begin to send or to read; _in_step says that it came to its end.

        What was left off in the middle, by a fault or by a signal, leaves a connection that nobody can go on with: what
        comes next would be taken for something that it is not, a message for a response, or one message for another.
        """
        if not self._in_step:
            raise NetworkError(f"the connection to {self.host} was left in the middle of a response")
        self._in_step = False


class _Pace:
    """Watches that a server goes on: silence ends a read by itself, dripping octet by octet would not."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._received = 0

    def keeps_up(self, octets: int) -> bool:
        """Count what came; False where the last `seconds` brought less than _LEAST_PER_TIMEOUT."""
        self._received += octets
        now = time.monotonic()
        if now - self._began <= self._seconds:
            return True
        enough = self._received >= _LEAST_PER_TIMEOUT
        self._began, self._received = now, 0
        return enough


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__
