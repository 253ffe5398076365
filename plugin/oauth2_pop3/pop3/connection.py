"""The connection below a POP3 session: a socket, its TLS, lines and multi-line responses (RFC 1939 section 3).

It reads in blocks and limits everything: the length of a line and of a response, and how long the server may send
nothing. One block may hold many responses, and one response may fill many blocks, without extra copying.
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
"""Octets of a response line. RFC 2449 allows 512."""
MULTILINE_LIMIT = 2 << 30
"""Octets of a multi-line response. No message is larger."""

_BUFFER = 262144
_ROOM = 65536  # octets of free space at the end; if there is less, what is unread moves to the front
_PIECE = _BUFFER - _ROOM  # octets of a response that are handed on before the rest has come
_LEAST_PER_TIMEOUT = 1024  # octets in each `timeout` seconds; a slower server has stalled
_END = b"\r\n.\r\n"
_CR, _DOT = b"\r."


class Connection:
    """A socket to a POP3 server. Every method raises NetworkError if the connection fails.

    host: the server's name in messages.
    peer: address and port at the other end.
    """

    def __init__(self, connected: Socket, host: str) -> None:
        self.host = host
        self.peer = connected.peer
        self._socket = connected
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start, self._end = 0, 0  # the part of the buffer that is unread
        self._in_step = True

    @classmethod
    def open(cls, host: str, port: int, timeout: float, wait: Wait = wait) -> Connection:
        """Connect. timeout: seconds the server may stay silent. Raises ConfigError if the address is not valid."""
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
            raise ConfigError(f"{host}:{port} is not a valid address of a POP3 server") from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, with its TLS, and what has come that nobody has read."""
        return self._socket.release(), bytes(self._view[self._start : self._end])

    @property
    def has_more(self) -> bool:
        """Whether something has come that nobody has read yet."""
        return self._start < self._end

    def has_ended(self) -> bool:
        """Whether the server has closed the connection, as far as can be told without waiting."""
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
        """Start TLS. The certificate must have the name and, if any are given, one of the SHA-256 fingerprints."""
        try:
            certificate = self._socket.start_tls(context, name)
        except OSError as error:
            message, hint = tls.explain(error, name)
            kind = NetworkError if tls.is_temporary(error) else Pop3Error
            raise kind(message, hint=hint) from error
        except ValueError as error:
            raise ConfigError(f"{name} is not a valid name for a certificate") from error
        if fingerprints and not tls.fingerprint_matches(certificate, fingerprints):
            raise Pop3Error(
                f"the TLS certificate of {name} has none of the expected fingerprints",
                hint="Nothing was sent. If the server has a new certificate, configure its SHA-256 fingerprint.",
            )

    def send(self, *lines: bytes) -> None:
        """Send lines in one write."""
        self._step()
        try:
            self._socket.send(b"".join(line + b"\r\n" for line in lines))
        except OSError as error:
            raise self._broken(error) from error
        self._in_step = True

    def line(self) -> bytes:
        """Read a line and return it without its line end."""
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
        """Read the lines after +OK, up to the line with a single dot; returns them with CRLF, and dots unstuffed."""
        pieces: list[bytes] = []
        self.stream(pieces.append, limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stream(self, write: Callable[[bytes], object], limit: int) -> int:
        """Read a multi-line response as multiline() does, but give it to `write` in pieces. Returns its octets.

        No piece ends between CR and LF. A response that is not large comes in one piece.
        """
        self._step()
        pace = _Pace(self._socket.timeout)
        while self._end - self._start < 3:  # the shortest possible response is ".\r\n"
            self._fill(pace)
        if self._buffer.startswith(_END[2:], self._start, self._end):
            self._start += 3
            self._in_step = True
            return 0
        if self._buffer[self._start] == _DOT:
            self._start += 1
        octets, searched = 0, self._start
        while (end := self._buffer.find(_END, searched, self._end)) < 0:
            waiting = self._end - self._start
            if octets + waiting > limit:
                raise Pop3Error(f"the POP3 server {self.host} sent a response of more than {limit} octets")
            if waiting >= _PIECE:
                octets += self._hand_on(write, self._border())
                waiting = self._end - self._start
            searched = self._start + max(0, waiting - len(_END) + 1)
            before = self._start
            self._fill(pace)
            searched += self._start - before
        octets += self._hand_on(write, end + 2)
        self._start = end + len(_END)
        self._in_step = True
        return octets

    def _border(self) -> int:
        """How far the buffer can be handed on: what may turn out to be the end, or a stuffed dot, stays."""
        border = self._end - len(_END) + 1
        if self._buffer[border - 1] == _CR:
            return border - 1
        return border - 2 if self._buffer[border - 2 : border] == b"\r\n" else border

    def _hand_on(self, write: Callable[[bytes], object], end: int) -> int:
        piece = bytes(self._view[self._start : end]).replace(b"\r\n.", b"\r\n")
        self._start = end
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
            raise self._broken(error) from error
        if not octets:
            raise NetworkError(f"the POP3 server {self.host} closed the connection")
        if not pace.keeps_up(octets):
            raise NetworkError(f"the POP3 server {self.host} sends too slowly")
        self._end += octets

    def _broken(self, error: OSError) -> NetworkError | Pop3Error:
        """The error for a connection that broke. In TLS 1.3 a server refuses the client's certificate only now."""
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "") and not tls.is_temporary(error):
            message, hint = tls.explain(error, self.host)
            return Pop3Error(message, hint=hint)
        return NetworkError(f"the connection to {self.host} broke: {_reason(error)}")

    def _step(self) -> None:
        """Begin to send or to read; the caller sets _in_step again when it is done.

        If an error or a signal interrupts it, the connection cannot be used any further. What comes next would be taken
        for something else: a message for a response, or one message for another.
        """
        if not self._in_step:
            raise NetworkError(f"the connection to {self.host} was left in the middle of a response")
        self._in_step = False


class _Pace:
    """Notices a server that sends octet by octet: the timeout of a single read does not."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._received = 0

    def keeps_up(self, octets: int) -> bool:
        """Count what came; False if the last `seconds` brought less than _LEAST_PER_TIMEOUT."""
        self._received += octets
        now = time.monotonic()
        if now - self._began <= self._seconds:
            return True
        enough = self._received >= _LEAST_PER_TIMEOUT
        self._began, self._received = now, 0
        return enough


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no response in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error) or type(error).__name__
