"""JSON that a stranger wrote: what can be read of it is read, and no input raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from urllib.parse import parse_qsl

_BEGINNINGS = 10  # braces at which an object may begin
_NO_OBJECT = 200  # characters after which a brace that is not JSON has shown it
_PLACES = 50  # objects, and members of a list, that are looked at
_FIELDS = 50  # of a form
_FORM = re.compile(r"[\w.~%+*/:-]+=[\w.~%+*/:=&-]*", re.ASCII)
_PAGE = re.compile(
    r"<(?:!doctype|html|head|title|body|script|style|meta|link|div|pre|p|h\d|form|textarea)\b", re.IGNORECASE
)
_PAGE_LIMIT = 65536  # characters in which a page shows that it is one
_LONGEST_INTEGER = 300  # digits: Python refuses to read 4,301, and no float holds more than 309


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object, in which of a name that comes twice the last value counts that is one."""
    members: dict[str, object] = {}
    for name, value in pairs:
        if name not in members or value not in (None, ""):
            members[name] = value
    return members


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False, object_pairs_hook=_members)


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


def object_within(content: bytes | str, names: Sequence[str], strings: Sequence[str]) -> dict[str, object]:
    """Find an object with one of these names: in another object, a list, a string, behind other text, or as a form.

    names: what marks it. The members of the object that it is in are added. An object that has no mark and no mark in
        it is returned if it stands alone. {} if there is none: in a page of HTML, whatever it quotes.
    strings: what is worth having of an object that was cut off, if the string is whole.
    """
    for text in _readings(content):
        if text.startswith('"'):
            with suppress(ValueError, RecursionError):
                inner, _ = _DECODER.raw_decode(text)
                text = _text(inner)
        if _is_page(text):
            return {}
        if found := _within(text, names):
            return found
        if _FORM.fullmatch(text.strip()):
            with suppress(ValueError):
                fields = _members([*parse_qsl(text.strip(), max_num_fields=_FIELDS)])
                if any(fields.get(name) for name in names):
                    return fields
        if found := whole_strings(text, strings):
            return found
    return {}


def whole_strings(content: bytes | str, names: Sequence[str]) -> dict[str, object]:
    """The members of these names whose values are strings, of an object that was cut off or is nested too deeply."""
    found: dict[str, object] = {}
    text = _text(content)
    if _is_page(text):
        return found
    for match in re.finditer(rf'"({"|".join(names)})"\s*:\s*("(?:[^"\\]|\\.)*")', text.partition("{")[2]):
        if match[1] not in found:
            with suppress(ValueError):
                found[match[1]] = _DECODER.decode(match[2])
    return found


def _is_page(text: str) -> bool:
    """Whether HTML comes before the first brace; a warning of PHP's has only <b> and <br>."""
    return _PAGE.search(text.partition("{")[0], 0, _PAGE_LIMIT) is not None


def _within(text: str, names: Sequence[str]) -> dict[str, object]:
    """The object that stands alone or in a list. Behind other text, the first one that has one of these names."""
    alone = text.startswith(("{", "["))
    for match in islice(re.finditer("{", text), 1 if alone else _BEGINNINGS):
        try:
            value, _ = _DECODER.raw_decode(text, match.start())
        except json.JSONDecodeError as error:
            if error.pos - match.start() > _NO_OBJECT:
                break  # it is one, and was cut off: what is in it is not the response
            continue
        except RecursionError:
            break
        for place in _places(value):
            if any(place.get(name) for name in names):
                return value if place is value else _members([*value.items(), *place.items()])
        if alone:
            return dict(value)
    return {}


def _places(value: object) -> Iterator[dict[str, object]]:
    """An object and those in it, the outer ones first."""
    values = [value]
    for place in islice(values, _PLACES):
        if isinstance(place, dict):
            yield place
        inner = list(place.values()) if isinstance(place, dict) else place
        values += [item for item in inner[:_PLACES] if isinstance(item, dict | list)] if isinstance(inner, list) else []


def _readings(content: bytes | str) -> Iterator[str]:
    """The text, and what it is in UTF-8 if its beginning only looks like another encoding."""
    text = _text(content)
    yield text
    if isinstance(content, bytes) and b"\0" in content[:4]:
        yield _text(content.decode("utf-8", "replace").lstrip("\0"))


def _text(content: bytes | str) -> str:
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), "replace")
    return text.lstrip(" \t\r\n\ufeff")
