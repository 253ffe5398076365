"""The commands of a client that reads ahead may be for: its lines, and which of them are about one message."""

from __future__ import annotations

import re
from typing import NamedTuple

from oauth2_pop3.pop3.connection import LINE_LIMIT

# Written in any other way, a number may mean something else to the server, or nothing.
_OF_A_MESSAGE = re.compile(
    rb"((?:RETR|DELE|LIST) )([1-9][0-9]{0,8})()|(TOP )([1-9][0-9]{0,8})( [0-9]{1,9})", re.IGNORECASE
)


class OfAMessage(NamedTuple):
    """A command about one message. before, after: what stands around the number, as the client writes it."""

    verb: bytes
    number: int
    before: bytes
    after: bytes


def of_a_message(line: bytes) -> OfAMessage | None:
    """Read RETR, TOP, DELE or LIST with its arguments; None if it is something else."""
    if not (found := _OF_A_MESSAGE.fullmatch(line)):
        return None
    before, number, after = (group for group in found.groups() if group is not None)
    return OfAMessage(before[:-1].upper(), int(number), before, after)


class CommandLines:
    """What a client has sent and nobody has taken."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._at = 0  # what is before was taken
        self._searched = 0  # and in what is between the two there is no line end

    def __len__(self) -> int:
        return len(self._received) - self._at

    def add(self, data: bytes) -> None:
        """Add octets that have come."""
        del self._received[: self._at]
        self._searched -= self._at
        self._at = 0
        self._received += data

    def peek(self) -> bytes | None:
        """The next line, without its line end; None if there is no whole one."""
        end = self._received.find(b"\n", max(self._searched, self._at))
        self._searched = len(self._received) if end < 0 else end
        return None if end < 0 else bytes(self._received[self._at : end]).removesuffix(b"\r")

    def skip(self) -> None:
        """Take the line that peek() has given."""
        self._at = self._searched = self._searched + 1

    @property
    def is_endless(self) -> bool:
        """Whether the next line is too long to be a command."""
        return len(self) >= LINE_LIMIT and self.peek() is None

    def rest(self) -> bytes:
        """Take everything."""
        rest = bytes(self._received[self._at :])
        self._received.clear()
        self._at = self._searched = 0
        return rest
