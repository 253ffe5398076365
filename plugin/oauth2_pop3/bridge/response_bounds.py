"""Finds where the responses of a POP3 server begin and end, in octets that come in blocks of any size.

A line that is a single dot ends a multi-line response (RFC 1939 section 3), whether lines end in CRLF or in LF alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from oauth2_pop3.errors import Pop3Error
from oauth2_pop3.pop3.connection import END_OF_LINES, LINE_LIMIT

_BEGUN = (b"\n.\r", b"\n.", b"\n")  # what may turn out to be the end; the longest first


class Part(NamedTuple):
    """Of a response. is_first_line: whether it is the first line, which comes whole. is_end: whether lines end here."""

    data: bytes
    is_first_line: bool
    is_end: bool = False


class ResponseBounds:
    """Follows the stream from response to response."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._in_lines = False
        self._begun = b""

    def parts(self, data: bytes) -> Iterator[Part]:
        """Divide what has come. Raises Pop3Error for a first line without an end."""
        at = 0
        while at < len(data):
            if self._in_lines:
                end, is_end = self._end_of_lines(data, at)
                self._in_lines = not is_end
                yield Part(data[at:end] if at or end < len(data) else data, False, is_end)
            else:
                end = data.find(b"\n", at) + 1 or len(data)
                self._line += data[at:end]
                if self._line.endswith(b"\n"):
                    yield Part(self.unfinished(), True)
                elif len(self._line) > LINE_LIMIT:
                    raise Pop3Error("the POP3 server sent a line without an end")
            at = end

    def lines_follow(self) -> None:
        """Note that the response goes on after its first line."""
        self._in_lines = True
        self._begun = b"\n"  # there may be no lines at all: then the end comes at once

    @property
    def has_begun(self) -> bool:
        """Whether a part of a first line has come that is neither empty nor -ERR."""
        return bool(self._line) and self._line[:1] not in b"-\r\n"

    def unfinished(self) -> bytes:
        """Take what has come of a first line."""
        line = bytes(self._line)
        self._line.clear()
        return line

    def _end_of_lines(self, data: bytes, at: int) -> tuple[int, bool]:
        """How far the data belongs to the response, and whether that is all of it."""
        begun = self._begun
        if begun and (found := END_OF_LINES.match(begun + data[at : at + 3])):
            return at + found.end() - len(begun), True
        if found := END_OF_LINES.search(data, at):
            return found.end(), True
        last = (begun + data[at:] if len(data) - at < 3 else data[-3:])[-3:]
        self._begun = next((end for end in _BEGUN if last.endswith(end)), b"")
        return len(data), False
