"""Commands and their responses, in order, on one connection to a POP3 server (RFC 1939 section 3, RFC 2449, RFC 3206).

If the server says PIPELINING, commands may be sent before the responses to earlier ones were read. session.py knows
what the commands mean, and connection.py sends and reads the octets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OutOfStep
from oauth2_pop3.pop3.connection import MULTILINE_LIMIT, Connection
from oauth2_pop3.pop3.refusals import response_error
from oauth2_pop3.pop3.responses import text_of

WINDOW = 256
"""Commands that may wait for their responses at once, about 3 KiB.

They must fit into the buffers of the two systems even if the server does not read because it waits for us to read (RFC
2449 section 6.6). Otherwise both would wait for ever."""


@dataclass(eq=False, slots=True)
class Command:
    """A command line, and whether more lines follow if the response to it is +OK."""

    line: str
    multiline: bool = False


class Dialogue:
    """The commands that wait for their responses. pipelining: whether there may be more than one of them."""

    def __init__(self, wire: Connection) -> None:
        self.host = wire.host
        self.pipelining = False
        self._wire = wire
        self._sent: deque[Command] = deque()

    def send(self, *commands: Command) -> None:
        """Send commands together. Raises OutOfStep if the server has sent something unasked."""
        if not self._sent and self._wire.has_more:
            line = self._wire.line()
            self._wire.close()
            if line.startswith(b"-ERR"):  # it ends the session: idle for too long, or the server is shutting down
                raise NetworkError(f"the POP3 server {self.host} ended the session: {text_of(line)}")
            raise OutOfStep(f"the POP3 server {self.host} sent something that was not asked for: {text_of(line)!r}")
        if len(self._sent) + len(commands) > (WINDOW if self.pipelining else 1):
            raise ValueError("too many commands would wait for their responses")
        self._sent.extend(commands)
        self._wire.send(*(command.line.encode() for command in commands))

    def response(self, command: Command, write: Callable[[bytes], object] | None = None) -> str:
        """Read the response to a command that was sent, and return the text after +OK.

        Responses to commands before it are thrown away. write: gets the lines that follow, as from Connection.stream.
        Raises Pop3Error for -ERR, after which the dialogue can continue, and OutOfStep for anything but +OK and -ERR.
        """
        try:
            while self._sent and self._sent[0] is not command:
                self._throw_away()
            text = self.expect_ok(command.line, self._status())
            if command.multiline:
                self._wire.stream(write or _ignore, MULTILINE_LIMIT)
        except OAuth2Pop3Error:
            raise
        except BaseException:  # including a signal: part of the response may have been read
            self._wire.close()
            raise
        return text

    def _throw_away(self) -> None:
        multiline = self._sent[0].multiline
        if self._status().startswith(b"+OK") and multiline:
            self._wire.stream(_ignore, MULTILINE_LIMIT)

    def _status(self) -> bytes:
        """The first line of the response to the command that was sent first."""
        command = self._sent.popleft()
        line = self._wire.line()
        if line.startswith(b"+OK"):
            return line
        if not line.startswith(b"-ERR"):
            self._wire.close()
            raise OutOfStep(f"the POP3 server {self.host} responded to {command.line} with {text_of(line)!r}")
        if command.line != "QUIT" and self._wire.has_ended():  # this ends the session rather than refuse the command
            raise NetworkError(f"the POP3 server {self.host} ended the session: {text_of(line)}")
        return line

    def exchange(self, commands: Sequence[Command]) -> Iterator[Command]:
        """Send commands, as many at once as allowed; yields each when its response must be read."""
        sent, window = 0, WINDOW if self.pipelining else 1
        for number, command in enumerate(commands):
            if sent - number <= window // 2:
                batch = commands[sent : number + window]
                if batch:
                    self.send(*batch)
                sent += len(batch)
            yield command

    def expect_ok(self, command: str, line: bytes) -> str:
        """Return the text after +OK. Raises the error that any other line means."""
        if not line.startswith(b"+OK"):
            raise response_error(self.host, command, line)
        return text_of(line[3:])


def _ignore(_piece: bytes) -> None:
    """Throw a piece of a response away."""
