"""The wire below the POP3 session: a socket, its TLS, lines and multi-line answers (RFC 1939 section 3).

Reads in blocks and bounds everything: a line, an answer, and the time in which the server brings nothing.
"""

from __future__ import annotations

import socket
import ssl
import time

from oauth2_pop3 import tls
from oauth2_pop3.errors import ConfigError, NetworkError, Pop3Error

LINE_LIMIT = 65536
"""Octets of a response line: RFC 2449 allows 512, and nobody needs more than this."""
MULTILINE_LIMIT = 2 << 30
"""Octets of a multi-line answer: no message is larger."""

_BLOCK = 65536
_LEAST_PER_TIMEOUT = 1024  # octets in each `timeout` seconds; a server that drips more slowly than this has stalled
_END = b"\r\n.\r\n"


class Connection:
    """A socket to a POP3 server. Every method raises NetworkError where it fails.

    host: as it is named in messages. peer: address and port at the other end.
    """

    def __init__(self, connected: socket.socket, host: str) -> None:
        self.host = host
        self.peer: tuple[str, int] = connected.getpeername()[:2]
        self._socket = connected
        self._buffer = bytearray()
        self._timeout = connected.gettimeout() or 180.0

    @classmethod
    def open(cls, host: str, port: int, timeout: float) -> Connection:
        """Connect. timeout: seconds of silence that are borne. Raises ConfigError where the address is none."""
        try:
            connected = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise NetworkError(f"no connection to the POP3 server {host}:{port}: {_reason(error)}") from error
        except (UnicodeError, OverflowError) as error:
            raise ConfigError(f"{host}:{port} cannot be the address of a POP3 server") from error
        try:
            return cls(connected, host)
        except OSError as error:  # reset at once
            connected.close()
            raise NetworkError(f"no connection to the POP3 server {host}:{port}: {_reason(error)}") from error

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, with its TLS, and what has been read ahead."""
        return self._socket, bytes(self._buffer)

    @property
    def has_more(self) -> bool:
        """Whether something has come that nobody has read."""
        return bool(self._buffer)

    def start_tls(self, context: ssl.SSLContext, name: str, fingerprints: tuple[str, ...]) -> None:
        """Shake hands; the certificate must have the name and, if there are any, one of the SHA-256 fingerprints."""
        try:
            secured = context.wrap_socket(self._socket, server_hostname=name)
        except ssl.SSLEOFError as error:
            raise NetworkError(f"the POP3 server {name} closed the connection in the TLS handshake") from error
        except ssl.SSLError as error:
            message, hint = tls.explain(error, name)
            raise Pop3Error(message, hint=hint) from error
        except OSError as error:
            raise NetworkError(f"no TLS connection to {name}: {_reason(error)}") from error
        except ValueError as error:
            raise ConfigError(f"{name} cannot be the name in a certificate") from error
        self._socket = secured
        if fingerprints and not tls.fingerprint_matches(secured.getpeercert(binary_form=True) or b"", fingerprints):
            raise Pop3Error(
                f"the TLS certificate of {name} has none of the expected fingerprints",
                hint="Nothing was sent. If the server has a new certificate, put its SHA-256 into the configuration.",
            )

    def send(self, line: bytes) -> None:
        """Send a line."""
        try:
            self._socket.sendall(line + b"\r\n")
        except OSError as error:
            raise NetworkError(f"the connection to {self.host} broke: {_reason(error)}") from error

    def line(self) -> bytes:
        """Read a line, without its end."""
        pace = _Pace(self._timeout)
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise Pop3Error(f"the POP3 server {self.host} sent a line without an end")
            self._fill(pace)
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def multiline(self, limit: int) -> bytes:
        """Read the lines after +OK up to the one with a single dot, with CRLF and without stuffed dots."""
        pace = _Pace(self._timeout)
        # The answer may be empty: then its end is the very first line, so look as if a CRLF stood before it.
        data, self._buffer = bytearray(b"\r\n") + self._buffer, bytearray()
        searched = 0
        while (end := data.find(_END, searched)) < 0:
            searched = max(0, len(data) - len(_END) + 1)
            if len(data) > limit:
                raise Pop3Error(f"the POP3 server {self.host} sent an answer of more than {limit} octets")
            self._fill(pace)
            data += self._buffer
            self._buffer.clear()
        self._buffer = data[end + len(_END) :]
        del data[end + 2 :]
        return bytes(memoryview(data.replace(b"\r\n.", b"\r\n"))[2:])

    def _fill(self, pace: _Pace) -> None:
        """Read a block into the buffer."""
        try:
            block = self._socket.recv(_BLOCK)
        except TimeoutError:
            raise NetworkError(f"the POP3 server {self.host} was silent for {self._timeout:.0f} seconds") from None
        except OSError as error:
            raise NetworkError(f"the connection to {self.host} broke: {_reason(error)}") from error
        if not block:
            raise NetworkError(f"the POP3 server {self.host} closed the connection")
        if not pace.keeps_up(len(block)):
            raise NetworkError(f"the POP3 server {self.host} sends too slowly")
        self._buffer += block


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
