"""A message as it comes from the server: in memory if it is small, else in a temporary file without a name."""

from __future__ import annotations

import mmap
import re
import tempfile
from collections.abc import Callable
from typing import IO

from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.pop3.responses import is_refusal, is_success

IN_MEMORY = 1 << 20
"""Octets of the largest message that is held in memory. A larger one is held only in a file."""


class Spool:
    """Takes one message in pieces, none of which ends between CR and LF.

    line_feeds: whether to turn each CRLF into LF.
    watch: is called after each piece with the octets so far.
    octets: how many octets have come, as the server sent them.
    has_bare_cr: with line_feeds, whether there was a CR without LF.
    begins_like_a_response: whether the first line is one with which a server responds. No message begins so.
    """

    def __init__(self, *, line_feeds: bool = False, watch: Callable[[int], object] | None = None) -> None:
        self.octets = 0
        self.has_bare_cr = False
        self.begins_like_a_response = False
        self._line_feeds = line_feeds
        self._watch = watch or _ignore
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises OAuth2Pop3Error if the disk has no room for it."""
        if not self.octets:
            self.begins_like_a_response = is_success(piece) or is_refusal(piece)
        self.octets += len(piece)
        self._watch(self.octets)
        if self._line_feeds:
            piece = self._with_line_feeds(piece)
        if self._file is None and self.octets <= IN_MEMORY:
            self._pieces.append(piece)
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it closes with the spool
                self._file.writelines(self._pieces)
                self._pieces.clear()
            self._file.write(piece)
        except OSError as error:
            raise OAuth2Pop3Error(
                f"cannot write a large message to a temporary file: {error.strerror or error}",
                hint="Make room, or set TMPDIR to a directory that has more.",
            ) from error

    def _with_line_feeds(self, piece: bytes) -> bytes:
        """The piece with LF for CRLF. Removing every CR is twice as fast, and right unless there is a bare CR."""
        without = piece.replace(b"\r", b"")
        if len(piece) - len(without) == piece.count(b"\r\n"):
            return without
        self.has_bare_cr = True
        return piece.replace(b"\r\n", b"\n")

    def file(self) -> IO[bytes] | None:
        """The file, at its beginning; None if the message is in memory."""
        if self._file is not None:
            self._file.seek(0)
        return self._file

    def contains(self, pattern: re.Pattern[bytes]) -> bool:
        """Whether the pattern is found anywhere in the message."""
        file = self.file()
        if file is None:
            return pattern.search(b"".join(self._pieces)) is not None
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            return pattern.search(octets) is not None

    def content(self) -> bytes:
        """The whole message."""
        file = self.file()
        return b"".join(self._pieces) if file is None else file.read()


def _ignore(_octets: int) -> None:
    """Watch nothing."""
