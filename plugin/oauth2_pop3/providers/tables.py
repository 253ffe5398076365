"""Tables of TOML and JSON become dataclasses, or an error. For TOML it names the file, the line and the key."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, TypeVar, get_type_hints

from oauth2_pop3.errors import ConfigError

Row = TypeVar("Row")
_KINDS: dict[object, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    tuple[str, ...]: "a list of strings",
    Mapping[str, str]: "a table of strings",
}


@cache
def _hints(row: Hashable) -> dict[str, Any]:
    """The types of a class's fields. Working them out takes nearly all the time that build does."""
    return get_type_hints(row)


@dataclass(frozen=True)
class TableLocation:
    """Where a table stands: the file's name and text, and the table's dotted header."""

    file: str
    text: str
    header: str
    header_pattern: ClassVar[re.Pattern[str]] = re.compile(r"^\s*\[(?P<name>[^\[\]]*)\]", re.MULTILINE)

    def error(self, key: str, message: str, hint: str = "") -> ConfigError:
        """An error about one key of the table, with its line if it can be found."""
        line = self._line(key)
        where = f"{self.file}:{line}" if line else self.file
        return ConfigError(f"{where}: [{self.header}] {message}", hint=hint)

    def _line(self, key: str) -> int:
        wanted = re.sub(r"[\"'\s]", "", self.header).lower()
        for match in self.header_pattern.finditer(self.text):
            if re.sub(r"[\"'\s]", "", match["name"]).lower() == wanted:
                end = self.header_pattern.search(self.text, match.end())
                body = self.text[match.end() : end.start() if end else None]
                found = re.search(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", body, re.MULTILINE)
                offset = match.end() + (found.start() + len(found[0]) if found else 0)
                return self.text.count("\n", 0, offset) + 1
        return 0


def build(
    row: type[Row], table: Mapping[str, object], location: TableLocation, beside: Sequence[str] = (), **given: object
) -> Row:
    """Make a dataclass of a table: every key known, every value of its field's type. Raises ConfigError.

    beside: keys that the table may have as well, for somebody else. given: fields that do not come from the table.
    """
    hints = _hints(row)  # type: ignore[arg-type]  # mypy takes a class for unhashable
    keys = [f.name for f in fields(row) if f.name not in given]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in keys:
            import difflib

            near = difflib.get_close_matches(key, [*keys, *beside], n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(sorted([*keys, *beside]))}."
            raise location.error(key, f"has an unknown key {key}", hint)
        try:
            values[key] = _converted(value, hints[key])
        except TypeError as error:
            raise location.error(key, f"{key} {error}") from None
    return row(**given, **values)


def restore(row: type[Row], record: object) -> Row:
    """Make a dataclass of the JSON object in which it was stored. Members that are not fields are ignored.

    Raises TypeError if it is not an object, a field without a default is missing, or a value is not of its field's
    type.
    """
    if not isinstance(record, Mapping):
        raise TypeError("must be an object")
    hints = _hints(row)  # type: ignore[arg-type]  # mypy takes a class for unhashable
    return row(**{name: _converted(record[name], kind) for name, kind in hints.items() if name in record})


def _converted(value: object, kind: object) -> object:
    """Return the value as a field of this type holds it. Raises TypeError, whose text ends a sentence."""
    if kind == tuple[str, ...]:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif kind == Mapping[str, str]:
        if isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
            return dict(value)
    elif type(value) is kind:
        return value
    raise TypeError(f"must be {_KINDS[kind]}")
