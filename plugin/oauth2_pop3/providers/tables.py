"""Tables of TOML and JSON become dataclasses, or an error. For TOML it names the file, the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Hashable, Iterable, Mapping, Sequence
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
_DEEPEST = 64
"""Tables and lists within each other. What is deeper has no meaning here, and ends the recursion of who reads it."""
_LARGEST = 1 << 63
"""TOML 1.0 has integers of 64 bits. Python reads larger ones, and cannot always print them."""
_LONG_KEY = re.compile(r"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){500}", re.ASCII)
_QUOTE = "Put it between quotes, if it is a name or a secret and not a number."
_LONG_INTEGER = re.compile(r"[0-9_]{4300}")


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
    header_pattern: ClassVar[re.Pattern[str]] = re.compile(r"^[ \t]*\[(?P<name>[^\[\]\n]*)\]", re.MULTILINE)

    def error(self, key: str, message: str, hint: str = "") -> ConfigError:
        """An error about one key of the table, with its line if it can be found."""
        return ConfigError(f"{self.place(key)}: [{self.header}] {message}", hint=hint)

    def place(self, key: str) -> str:
        """The file, with the line of a key of the table if it can be found."""
        line = self._line(key)
        return f"{self.file}:{line}" if line else self.file

    def _line(self, key: str) -> int:
        wanted = re.sub(r"[\"'\s]", "", self.header).lower()
        for match in self.header_pattern.finditer(self.text):
            if re.sub(r"[\"'\s]", "", match["name"]).lower() == wanted:
                end = self.header_pattern.search(self.text, match.end())
                body = self.text[match.end() : end.start() if end else None]
                found = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.]", body, re.MULTILINE)
                offset = match.end() + (found.start() + len(found[0]) if found else 0)
                return self.text.count("\n", 0, offset) + 1
        return 0


def parse_toml(text: str, file: str) -> dict[str, object]:
    """The tables of a TOML file, none of which is beyond all use. Raises ConfigError. file: its name, for messages.

    tomllib itself takes any depth up to Python's own limit and integers of any size, and needs seconds for a dotted key
    of thousands of parts.
    """
    if found := _LONG_KEY.search(text):
        raise _error_at(text, found, file, "the key has too many parts", "Put a name that has dots between quotes.")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    except ValueError as error:
        raise _error_at(text, _LONG_INTEGER.search(text), file, "the number has too many digits", _QUOTE) from error
    except RecursionError:
        raise _too_deep(file) from None
    values: list[tuple[tuple[str, ...], object]] = [((), document)]
    while values:
        path, value = values.pop()
        if isinstance(value, dict | list):
            if len(path) > _DEEPEST:
                raise _too_deep(file)
            items = value.items() if isinstance(value, dict) else enumerate(value)
            values += [((*path, str(key)), item) for key, item in items]
        elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            *table, key = path
            where = TableLocation(file, text, ".".join(table)).place(key) if table else file
            raise ConfigError(f"{where}: {key} is too large a number", hint=_QUOTE)
    return document


def _error_at(text: str, found: re.Match[str] | None, file: str, message: str, hint: str) -> ConfigError:
    where = f"{file}:{text.count(chr(10), 0, found.start()) + 1}" if found else file
    return ConfigError(f"{where}: {message}", hint=hint)


def _too_deep(file: str) -> ConfigError:
    return ConfigError(
        f"{file}: lists or tables are nested in each other more than {_DEEPEST} times", hint="Is a bracket missing?"
    )


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
            values[key] = _without_nul(_converted(value, hints[key]))
        except TypeError as error:
            raise location.error(key, f"{key} {error}") from None
    return row(**given, **values)


def restore(row: type[Row], record: object) -> Row:
    """Make a dataclass of the JSON object in which it was stored. Members that are not fields are ignored.

    A string may hold a NUL, as a server's token may: what was stored can be read again.

    Raises TypeError if it is not an object, a field without a default is missing, or a value is not of its field's
    type.
    """
    if not isinstance(record, Mapping):
        raise TypeError("must be an object")
    hints = _hints(row)  # type: ignore[arg-type]  # mypy takes a class for unhashable
    return row(**{name: _converted(record[name], kind) for name, kind in hints.items() if name in record})


def _converted(value: object, kind: object) -> object:
    """Return the value as a field of this type holds it. Raises TypeError, whose text ends a sentence."""
    strings: Iterable[object] = ()
    if kind == tuple[str, ...] and isinstance(value, list | tuple):
        strings = value = tuple(value)
    elif kind == Mapping[str, str] and isinstance(value, Mapping):
        strings, value = value.values(), dict(value)
    elif type(value) is not kind:
        raise TypeError(f"must be {_KINDS[kind]}")
    elif kind is str:
        strings = (value,)
    for item in strings:
        if not isinstance(item, str):
            raise TypeError(f"must be {_KINDS[kind]}")
    return value


def _without_nul(value: object) -> object:
    """Return the value. Raises TypeError if a string in it has a NUL: no path, host or command can have one."""
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else (value,)
    if any(isinstance(item, str) and "\0" in item for item in items):
        raise TypeError("must not contain a NUL")
    return value
