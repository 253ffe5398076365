"""The connection below a POP3 session of the sandbox: lines in and out, TLS, and what the sessions share."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler
from typing import TYPE_CHECKING, Any

from oauth2_pop3.sandbox.foundation.loopback_server import LoopbackServer
from oauth2_pop3.sandbox.pop3_server.maildrops import Maildrops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oauth2_pop3.sandbox.foundation.acts import Act

COMMAND_LIMIT = 255  # RFC 2449 section 4
RESPONSE_LIMIT = 12288  # RFC 4954 section 4 demands it of SMTP; RFC 5034 gives no number


@dataclass
class Faults:
    """What goes wrong until a test sets it back.

    refuse_tokens_from: from this session on, counted from 1, every token is refused.
    sign_in_response: the text of an -ERR to a good token, such as "[SYS/TEMP] Try later." or "[IN-USE] ...".
    uidl: "missing" or "duplicate".
    drop_in_retr: the number of a message in the middle of which the connection breaks.
    stall_at: the name of a command to which the server responds stall_seconds late.
    long_line: octets of a line that RETR adds to every message.
    """

    close_on_connect: bool = False
    refuse_tokens_from: int | None = None
    sign_in_response: str = ""
    uidl: str = ""
    drop_in_retr: int | None = None
    stall_at: str = ""
    stall_seconds: float = 60
    long_line: int = 0


@dataclass
class Pop3State:
    """What the sessions of a server share. commands: what clients sent, without secrets."""

    act: Act
    account_of: Callable[[str], str | None]
    tls: ssl.SSLContext
    issuer: str
    maildrops: Maildrops = field(default_factory=Maildrops)
    faults: Faults = field(default_factory=Faults)
    commands: deque[str] = field(default_factory=lambda: deque(maxlen=100_000))
    sessions: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class SessionEnded(Exception):
    """The session is over; it does not matter who ended it."""


class Pop3Connection(StreamRequestHandler):
    """A client's connection, read and written line by line."""

    timeout = 600  # RFC 1939 section 3: ten minutes at least

    def __init__(self, request: Any, client_address: Any, server: Any, *, state: Pop3State) -> None:
        self.state = state
        self.act = state.act
        super().__init__(request, client_address, server)

    def send(self, line: str) -> None:
        """Send one line."""
        self.wfile.write(line.encode() + b"\r\n")

    def ok(self, text: str = "") -> None:
        """Send +OK."""
        self.send(f"+OK {text}".rstrip())

    def error(self, text: str) -> None:
        """Send -ERR."""
        self.send(f"-ERR {text}")

    def send_lines(self, lines: Iterable[str]) -> None:
        """Send the lines of a multi-line response after its +OK."""
        self.wfile.write("".join(f"{line}\r\n" for line in [*lines, "."]).encode())

    def protocol_error(self) -> None:
        """Respond to a line that cannot be understood, as the act does."""
        self.error(self.act.protocol_error)
        if self.act.closes_on_protocol_error:
            raise SessionEnded

    def read_line(self, limit: int) -> str:
        """Read a line of at most `limit` octets, or of as many as the act allows in an AUTH line.

        A longer line is read to its end, and "XXX..." is returned in its place: one octet more than allowed.
        """
        octets = max(limit, self.act.initial_response_limit) if limit == COMMAND_LIMIT else limit
        line = self.rfile.readline(octets + 1)
        if not line:
            raise SessionEnded
        if not line.endswith(b"\n"):
            while (rest := self.rfile.readline(65536)) and not rest.endswith(b"\n"):
                pass
            if not rest:
                raise SessionEnded
        return line.decode("utf-8", "replace").rstrip("\r\n") if line.endswith(b"\n") else "X" * (octets + 1)

    @property
    def secure(self) -> bool:
        """True if TLS protects the connection."""
        return isinstance(self.connection, ssl.SSLSocket)

    def start_tls(self) -> None:
        """Continue under TLS."""
        # New files: what was sent in plain text after STLS is discarded with the old ones (RFC 2595 section 2.5).
        self.connection = self.state.tls.wrap_socket(self.connection, server_side=True)
        self.request = self.connection
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        if isinstance(self.server, LoopbackServer):
            self.server.adopt(self.connection)

    def finish(self) -> None:
        """Close the files, and the TLS socket after STLS, which the server did not accept itself."""
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()


def stuff_dots(content: bytes) -> bytes:
    """Double each dot that begins a line (RFC 1939 section 3), also after a bare LF: most clients split lines there."""
    return (b"\n" + content).replace(b"\n.", b"\n..")[1:]
