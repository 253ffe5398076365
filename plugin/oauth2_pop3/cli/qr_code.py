"""A URL as a QR code for the terminal, where the library segno is installed (the extra `qr`)."""

from __future__ import annotations

import io
import os
import shutil
import sys

_BLOCKS = "▀▄█"
_BORDER = 2  # modules; the standard has 4, and cameras read it with 2 on a dark terminal


def qr_code(url: str) -> str:
    """Lines of half blocks, two modules in each character, without a line end behind the last.

    "" where there is nothing to draw or no way to: no URL or too long a one, no segno, a terminal (standard error,
    where it is to be shown) whose encoding has no blocks or that is too narrow.
    """
    if not url:
        return ""
    try:
        import segno

        _BLOCKS.encode(getattr(sys.stderr, "encoding", None) or "ascii")
        code = segno.make_qr(url, error="L", boost_error=False)
    except (ImportError, UnicodeError, LookupError, ValueError):  # ValueError: longer than the largest QR code holds
        return ""
    width, _ = code.symbol_size(border=_BORDER)
    if width > _columns():
        return ""
    lines = io.StringIO()
    code.terminal(lines, border=_BORDER, compact=True)
    return lines.getvalue().rstrip("\n")


def _columns() -> int:
    """Of standard error's terminal; shutil would ask standard output, which may be a pipe."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return shutil.get_terminal_size().columns
