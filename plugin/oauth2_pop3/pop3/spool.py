"""A message as it comes from the server: in memory where it is small, else in a temporary file without a name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO

from oauth2_pop3.errors import OAuth2Pop3Error

IN_MEMORY = 1 << 20
"""Octets of a message that is held in memory; what is larger is held in a file, and only there."""


class Spool:
    """write() is given pieces that do not end between CR and LF. octets: how many came.

    line_feeds: keep LF where CRLF came. has_bare_cr: whether another CR than those was among it then. watch: is told
    the octets after every piece.
    """

    def __init__(self, *, line_feeds: bool = False, watch: Callable[[int], object] = int) -> None:
        self.octets = 0
        self.has_bare_cr = False
        self._line_feeds, self._watch = line_feeds, watch
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None

    def write(self, piece: bytes) -> None:
        """Take a piece. Raises OAuth2Pop3Error where there is no room for it."""
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
        """To take every CR out takes half as long as to look for each CRLF, and most messages have no CR but those."""
        without = piece.replace(b"\r", b"")
        if len(piece) - len(without) == piece.count(b"\r\n"):
            return without
        self.has_bare_cr = True
        return piece.replace(b"\r\n", b"\n")

    def file(self) -> IO[bytes] | None:
        """The file, at its beginning; None where the message is in memory."""
        if self._file is not None:
            self._file.seek(0)
        return self._file

    def content(self) -> bytes:
        """All of it."""
        file = self.file()
        return b"".join(self._pieces) if file is None else file.read()
