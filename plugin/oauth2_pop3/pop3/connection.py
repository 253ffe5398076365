"""The connection below a POP3 session: a socket, its TLS, lines and multi-line responses (RFC 1939 section 3).

It reads in blocks and limits everything: the length of a line and of a response, and how long the server may send
nothing. One block may hold many responses, and one response may fill many blocks, without extra copying.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
from collections.abc import Callable

from oauth2_pop3.errors import ConfigError, NetworkError, OutOfStep, Pop3Error
from oauth2_pop3.net import tls
from oauth2_pop3.pop3.pace import Pace
from oauth2_pop3.pop3.socket import Socket, Wait, reason_of, wait

LINE_LIMIT = 65536
"""Octets of a response line. RFC 2449 allows 512."""
MULTILINE_LIMIT = 2 << 30
"""Octets of a multi-line response. No message is larger."""
COLLECTED_LIMIT = 64 << 20
"""Octets of a multi-line response that is not a message: the UIDL of 800,000 messages with the longest unique-ids."""
END_OF_LINES = re.compile(rb"\n\.\r?\n")
"""The end of a multi-line response. Many servers and messages have LF for CRLF; other clients split lines at LF too."""

_BUFFER = 262144
_ROOM = 65536  # octets of free space at the end; if there is less, what is unread moves to the front
_PIECE = _BUFFER - _ROOM  # octets of a response that are handed on before the rest has come
_STUFFED = re.compile(rb"\n\.")
_END_LENGTH = 4  # octets, at most
_CR = 0x0D


class Silent(NetworkError):
    """The server has sent nothing for as long as it may stay silent."""


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
            raise NetworkError(f"no connection to the POP3 server {host}:{port}: {reason_of(error)}") from error
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

    def unasked(self) -> bytes:
        """Take a line that has come before anything was sent for it; b"" if there is none. Empty lines are skipped."""
        while not self.has_ended() and self.has_more:
            end = self._buffer.find(b"\n", self._start, self._end)
            whole = end >= 0
            line = bytes(self._view[self._start : end if whole else self._end]).strip()
            if not whole and b"-ERR".startswith(line[:4]):
                return self.line() if line else b""  # the rest of the server's last words is on its way
            self._start = end + 1 if whole else self._end
            if line:
                return line
        return b""

    def has_ended(self) -> bool:
        """Whether the server has closed the connection, as far as can be told without waiting."""
        if self.has_more:
            return False
        try:
            octets = self._socket.at_once(_PIECE)
        except OSError:
            return True
        if octets:
            self._start, self._end = 0, len(octets)
            self._view[: self._end] = octets
        return octets == b""

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

    def line(self, *, within: float = math.inf) -> bytes:
        """Read the first line of a response and return it without its line end. Empty lines before it are skipped.

        within: seconds the server may stay silent, if they are fewer than usual.
        Raises OutOfStep for a line without an end.
        """
        self._step()
        pace, octets = Pace(min(within, self._socket.timeout)), 0
        while True:
            searched = self._start
            while (end := self._buffer.find(b"\n", searched, self._end)) < 0:
                waiting = self._end - self._start
                if waiting > LINE_LIMIT:
                    raise OutOfStep(f"the POP3 server {self.host} sent a line without an end")
                self._fill(pace)
                searched = self._start + waiting
            line = bytes(self._view[self._start : end]).rstrip(b"\r")
            octets += end + 1 - self._start
            self._start = end + 1
            if line and not line.isspace():
                break
            if octets > LINE_LIMIT:
                raise OutOfStep(f"the POP3 server {self.host} sent nothing but empty lines")
        self._in_step = True
        return line

    def multiline(self, limit: int) -> bytes:
        """Read the lines after +OK, up to the line with a single dot; returns them with dots unstuffed."""
        pieces: list[bytes] = []
        self.stream(pieces.append, limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stream(self, write: Callable[[bytes], object], limit: int) -> int:
        """Read a multi-line response as multiline() does, but give it to `write` in pieces. Returns its octets.

        It follows the line that line() has read. No piece ends between CR and LF. A response that is not large comes
        in one piece. Raises OutOfStep for more than `limit` octets.
        """
        self._step()
        pace = Pace(self._socket.timeout)
        self._start -= 1  # the LF of the line before: the response may be empty, or begin with a dot
        octets, before, searched = 0, 1, self._start
        while (end := END_OF_LINES.search(self._buffer, searched, self._end)) is None:
            waiting = self._end - self._start
            if octets + waiting > limit:
                raise OutOfStep(f"the POP3 server {self.host} sent a response of more than {limit} octets")
            if waiting >= _PIECE:
                octets += self._hand_on(write, before, self._border())
                before, waiting = 0, self._end - self._start
            searched = max(0, waiting - _END_LENGTH + 1)
            self._fill(pace)
            searched += self._start
        octets += self._hand_on(write, before, end.start() + 1)
        self._start = end.end()
        self._in_step = True
        return octets

    def _border(self) -> int:
        """How far the buffer can be handed on: what may turn out to be the end, or a stuffed dot, stays."""
        border = self._buffer.rfind(b"\n", self._end - _END_LENGTH + 1, self._end)
        if border < 0:
            border = self._end
        return border - 1 if self._buffer[border - 1] == _CR else border

    def _hand_on(self, write: Callable[[bytes], object], before: int, end: int) -> int:
        """Hand on what is unread up to `end`, but for the `before` octets that are not the response's own."""
        piece = bytes(self._view[self._start : end])
        if _STUFFED.search(piece):  # half the time of replacing nothing
            piece = piece.replace(b"\n.", b"\n")
        piece = piece[before:]
        self._start = end
        if piece:
            write(piece)
        return len(piece)

    def _fill(self, pace: Pace) -> None:
        """Read a block into the buffer."""
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._buffer) - self._end < _ROOM and self._start:
            waiting = self._end - self._start
            self._view[:waiting] = self._view[self._start : self._end]
            self._start, self._end = 0, waiting
        try:
            octets = self._socket.receive_into(self._view[self._end :], pace.seconds)
        except TimeoutError:
            raise Silent(f"the POP3 server {self.host} was silent for {pace.seconds:.0f} seconds") from None
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
        return NetworkError(f"the connection to {self.host} broke: {reason_of(error)}")

    def _step(self) -> None:
        """Begin to send or to read; the caller sets _in_step again when it is done.

        If an error or a signal interrupts it, the connection cannot be used any further. What comes next would be taken
        for something else: a message for a response, or one message for another.
        """
        if not self._in_step:
            raise NetworkError(f"the connection to {self.host} was left in the middle of a response")
        self._in_step = False
