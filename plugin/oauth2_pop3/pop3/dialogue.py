"""Commands and their responses, in order, on one connection to a POP3 server (RFC 1939 section 3, RFC 2449, RFC 3206).

If the server says PIPELINING, commands may be sent before the responses to earlier ones were read. session.py knows
what the commands mean, and connection.py sends and reads the octets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OutOfStep
from oauth2_pop3.pop3.connection import LINE_LIMIT, MULTILINE_LIMIT, Connection, Silent
from oauth2_pop3.pop3.refusals import response_error
from oauth2_pop3.pop3.responses import is_refusal, is_success, text_of

WINDOW = 256
"""Messages or deletions that may wait for their responses at once; with a check before each message, about 5 KiB.

They must fit into the buffers of the two systems even if the server does not read because it waits for us to read (RFC
2449 section 6.6). Otherwise both would wait for ever."""

_SOON = 5.0  # seconds within which a response comes after a stray line


@dataclass(eq=False, slots=True)
class Command:
    """A command line, and whether more lines follow if the response to it is +OK.

    limit: octets of these lines; 0 for as many as any message may have.
    skips: whether lines before the response that are no response are skipped. The caller must then find out, from the
    response itself, whether it is the right one, or it must not matter.
    """

    line: str
    multiline: bool = False
    limit: int = 0
    skips: bool = False


class Dialogue:
    """The commands that wait for their responses. pipelining: whether there may be more than one of them."""

    def __init__(self, wire: Connection) -> None:
        self.host = wire.host
        self.pipelining = False
        self._wire = wire
        self._sent: deque[Command] = deque()

    def send(self, *commands: Command) -> None:
        """Send commands together.

        Raises OutOfStep if the server has sent something unasked, and NetworkError if that was -ERR, with which it ends
        the session, or if the connection fails.
        """
        if not self._sent:
            self._heed_unasked(commands[0])
        if len(self._sent) + len(commands) > (2 * WINDOW if self.pipelining else 1):
            raise ValueError("too many commands would wait for their responses")
        self._sent.extend(commands)
        self._wire.send(*(command.line.encode() for command in commands))

    def _heed_unasked(self, command: Command) -> None:
        """Read what the server has sent before it was asked anything."""
        skipped = 0
        while line := self._wire.unasked():
            if is_refusal(line) and (not command.skips or self._wire.has_ended()):
                self._wire.close()  # it ends the session: idle for too long, or the server is shutting down
                raise NetworkError(f"the POP3 server {self.host} ended the session: {text_of(line)}")
            skipped += len(line)
            if not command.skips or skipped > LINE_LIMIT:
                self._wire.close()
                raise OutOfStep(f"the POP3 server {self.host} sent something that was not asked for: {text_of(line)!r}")

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
                self._wire.stream(write or _ignore, command.limit or MULTILINE_LIMIT)
        except OutOfStep:
            self._wire.close()
            raise
        except OAuth2Pop3Error:
            raise
        except BaseException:  # including a signal: part of the response may have been read
            self._wire.close()
            raise
        return text

    def _throw_away(self) -> None:
        command = self._sent[0]
        if is_success(self._status()) and command.multiline:
            self._wire.stream(_ignore, command.limit or MULTILINE_LIMIT)

    def _status(self) -> bytes:
        """The first line of the response to the command that was sent first."""
        if not self._sent:
            raise OutOfStep(f"the POP3 server {self.host} was not asked for the response that is due")
        command = self._sent.popleft()
        line = self.first_line(command)
        # -ERR and the end of the connection end the session rather than refuse the command.
        if is_refusal(line) and command.line != "QUIT" and self._wire.has_ended():
            raise NetworkError(f"the POP3 server {self.host} ended the session: {text_of(line)}")
        return line

    def first_line(self, command: Command) -> bytes:
        """Read the first line of the response to a command. Raises OutOfStep if it is neither +OK nor -ERR."""
        stray = line = self._wire.line()
        skipped = 0
        while not is_success(line) and not is_refusal(line):
            skipped += len(line)
            try:
                if command.skips and skipped <= LINE_LIMIT:
                    line = self._wire.line(within=_SOON)
                    continue
            except Silent:
                pass
            raise OutOfStep(f"the POP3 server {self.host} responded to {command.line} with {text_of(stray)!r}")
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
        if not is_success(line):
            raise response_error(self.host, command, line)
        return text_of(line[3:])


def _ignore(_piece: bytes) -> None:
    """Throw a piece of a response away."""
