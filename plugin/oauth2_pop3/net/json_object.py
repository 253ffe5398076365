"""JSON that a stranger wrote: what can be read of it is read, and no input raises."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress

_LONGEST_INTEGER = 300  # digits: Python refuses to read 4,301, and no float holds more than 309


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False)


def json_object(content: bytes | str) -> dict[str, object]:
    """Read a JSON object; {} if there is none.

    An octet that is not of the encoding, a line end inside a string, and something behind the object are passed over.
    An integer that is too long for Python becomes a float.
    """
    try:
        value, _ = _DECODER.raw_decode(_text(content))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def whole_strings(content: bytes | str, names: Sequence[str]) -> dict[str, object]:
    """The members of these names whose values are strings, of an object that was cut off or is nested too deeply."""
    found: dict[str, object] = {}
    text = _text(content)
    if not text.startswith("{"):
        return found
    for match in re.finditer(rf'"({"|".join(names)})"\s*:\s*("(?:[^"\\]|\\.)*")', text):
        if match[1] not in found:
            with suppress(ValueError):
                found[match[1]] = _DECODER.decode(match[2])
    return found


def _text(content: bytes | str) -> str:
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), "replace")
    return text.lstrip(" \t\r\n\ufeff")
