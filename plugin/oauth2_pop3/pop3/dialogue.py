"""Commands and their responses, in order, on one connection to a POP3 server (RFC 1939 section 3, RFC 2449, RFC 3206).

Where the server says PIPELINING, commands may be sent before the responses to earlier ones were read. pop3.py has what
the commands mean; connection.py is the wire.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from oauth2_pop3.errors import (
    AuthenticationRejected,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    OutOfStep,
    Pop3Error,
    one_line,
)
from oauth2_pop3.pop3.connection import MULTILINE_LIMIT, Connection

WINDOW = 256
"""Commands that may be on their way at once, some 3 KiB: so few that they fit into the buffers of the two systems, even
where the server does not read because it waits for us to read (RFC 2449 section 6.6). Else both would wait for ever."""


@dataclass(eq=False, slots=True)
class Command:
    """A command line, and whether lines up to a single dot follow the +OK in response to it."""

    line: str
    multiline: bool = False


class Dialogue:
    """What was sent and waits for its response. pipelining: whether more than one command may."""

    def __init__(self, wire: Connection) -> None:
        self.host = wire.host
        self.pipelining = False
        self._wire = wire
        self._sent: deque[Command] = deque()

    def send(self, *commands: Command) -> None:
        """Send commands together. Raises OutOfStep where something has come that nobody has asked for."""
        if not self._sent and self._wire.has_more:
            line = self._wire.line()
            self._wire.close()
            if line.startswith(b"-ERR"):  # a farewell: idle for too long, or the server goes down
                raise NetworkError(f"the POP3 server {self.host} ended the session: {text_of(line)}")
            raise OutOfStep(f"the POP3 server {self.host} sent what it was not asked for: {text_of(line)!r}")
        if len(self._sent) + len(commands) > (WINDOW if self.pipelining else 1):
            raise ValueError("more commands than may be on their way at once")
        self._sent.extend(commands)
        self._wire.send(*(command.line.encode() for command in commands))

    def response(
        self, command: Command, write: Callable[[bytes], object] | None = None, *, stuffed: bool = False
    ) -> str:
        """Read the response to a command that was sent, and return the text behind +OK.

        Responses to commands before it are thrown away. write: gets the lines that follow, as Connection.stream has
        it. Raises Pop3Error for -ERR, and the dialogue goes on; OutOfStep for what is neither that nor +OK.
        """
        try:
            while self._sent and self._sent[0] is not command:
                self._throw_away()
            text = self.expect_ok(command.line, self._status())
            if command.multiline:
                self._wire.stream(write or _forget, MULTILINE_LIMIT, stuffed=stuffed)
        except OAuth2Pop3Error:
            raise
        except BaseException:  # a signal among them: nobody knows how much of the response was read
            self._wire.close()
            raise
        return text

    def _throw_away(self) -> None:
        multiline = self._sent[0].multiline
        if self._status().startswith(b"+OK") and multiline:
            self._wire.stream(_forget, MULTILINE_LIMIT)

    def _status(self) -> bytes:
        """The first line of the response to the command that was sent first."""
        command = self._sent.popleft()
        line = self._wire.line()
        if line.startswith(b"+OK"):
            return line
        if not line.startswith(b"-ERR"):
            self._wire.close()
            raise OutOfStep(f"the POP3 server {self.host} answered {command.line} with {text_of(line)!r}")
        if command.line != "QUIT" and self._wire.has_ended():  # not a refusal but a farewell
            raise NetworkError(f"the POP3 server {self.host} ended the session: {text_of(line)}")
        return line

    def exchange(self, commands: Sequence[Command]) -> Iterator[Command]:
        """Send commands, as many ahead as may be; yields each when its response is to be read."""
        sent, window = 0, WINDOW if self.pipelining else 1
        for number, command in enumerate(commands):
            if sent - number <= window // 2:
                batch = commands[sent : number + window]
                if batch:
                    self.send(*batch)
                sent += len(batch)
            yield command

    # -- what a refusal means

    def expect_ok(self, command: str, line: bytes) -> str:
        """The text behind +OK; else the error that the line means."""
        if not line.startswith(b"+OK"):
            raise self.error(command, line)
        return text_of(line[3:])

    def error(self, command: str, line: bytes) -> Pop3Error | NetworkError:
        """Make an error of a line that is not +OK, by its response code (RFC 2449 section 8, RFC 3206)."""
        said = f"the POP3 server {self.host} answered {command} with {text_of(line)!r}"
        match response_code(line):
            case "IN-USE":
                return MaildropLocked(f"another session has the maildrop open ({said})", hint="The next run will do.")
            case "LOGIN-DELAY":
                return MaildropLocked(f"the server wants a pause between sign-ins ({said})", hint="Run less often.")
            case "SYS/TEMP":
                return NetworkError(f"the server has a passing fault ({said})")
            case "SYS/PERM":
                return Pop3Error(f"the server has a lasting fault ({said})")
            case "AUTH":
                return AuthenticationRejected(f"the sign-in was refused ({said})")
        if b"AccessTokenExpired" in line:  # Exchange, in the middle of a session
            return AuthenticationRejected(f"the access token has ended ({said})")
        return Pop3Error(said)


def response_code(line: bytes) -> str:
    """The code in brackets that may follow -ERR, in capitals, without its lower levels; "" where there is none."""
    text = line.decode("ascii", "replace").upper()
    code = text[6:].partition("]")[0] if text.startswith("-ERR [") else ""
    return "/".join(code.split("/")[: 2 if code.startswith("SYS/") else 1])


def text_of(line: bytes) -> str:
    """What the server said, fit for a message."""
    return one_line(line.decode("utf-8", "backslashreplace"), 300)


def _forget(_piece: bytes) -> None:
    """Write nowhere."""
