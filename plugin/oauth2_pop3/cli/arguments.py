"""Types of arguments that several commands share."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path


def absolute_path(text: str) -> str:
    """A path as config.toml needs it: it must lead to the same file from any directory. "" stays ""."""
    return str(Path(text).expanduser().absolute()) if text else ""


def port(text: str) -> int:
    """A TCP port."""
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text[:6]) < 65536:
        raise ArgumentTypeError(f"{text!r} is not a port")
    return int(text[:6])


def whole_number(text: str) -> int:
    """A whole number that is not negative, of up to nine digits."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
