"""A URL as a QR code for the terminal, if the package segno is installed (the extra `qr`)."""

from __future__ import annotations

import io
import os
import shutil
import sys

_BLOCKS = "▀▄█"
_BORDER = 2  # modules; the standard says 4, but cameras read it with 2 on a dark terminal


def qr_code(url: str) -> str:
    """The code as lines of half blocks, two modules in each character, with no line end after the last.

    It is "" if it cannot be drawn: there is no URL or it is too long, segno is missing, or the terminal at standard
    error is too narrow or its encoding has no blocks.
    """
    if not url:
        return ""
    try:
        import segno

        _BLOCKS.encode(getattr(sys.stderr, "encoding", None) or "ascii")
        code = segno.make_qr(url, error="L", boost_error=False)
    except (ImportError, UnicodeError, LookupError, ValueError):  # ValueError: the URL is too long for any QR code
        return ""
    width, _ = code.symbol_size(border=_BORDER)
    if width > _columns():
        return ""
    lines = io.StringIO()
    code.terminal(lines, border=_BORDER, compact=True)
    return lines.getvalue().rstrip("\n")


def _columns() -> int:
    """The width of the terminal at standard error. shutil would look at standard output, which may be a pipe."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return shutil.get_terminal_size().columns
