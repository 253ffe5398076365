"""The words of a fetchmailrc, as fetchmail's rcfile_l.l finds them: the longest match wins, then the earlier rule.

Every octet of the file belongs to a Word or is between two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from oauth2_pop3.dialects.fetchmailrc.vocabulary import AUTH_TYPES, KEYWORDS, NOISE, PROTOCOLS, SYNONYMS
from oauth2_pop3.dialects.source_text import SourceText

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_UNQUOTED = re.compile(r"([^=;:, \t\r\n]+)[ \t]*")
"""A word, and the blanks behind it: to take both at once saves most of the matches of _BETWEEN."""
_BETWEEN = re.compile(r"(?:[ \t\r;:,]+|(?:#[^\n]*)?\\?\n)+")
_BETWEEN_ON_THE_LAST_LINE = re.compile(r"[ \t\r;:,]+")
"""On a last line without a line end, `#` begins no comment: to fetchmail, the line end is a part of it."""
_NUMBER = re.compile(r"-?[0-9]+")
_NEGATED = re.compile(
    "no(bouncemail|uidl|checkalias|dns|envelope|keep|flush|limitflush|fetchall|rewrite|forcecr|stripcr|pass8(?:bits)?|"
    "dropstatus|dropdelivered|mimedec(?:ode)?|spambounce|idle)"
)
_NAME_FOLLOWS = frozenset({"user", "password", "is", "to"})


class Word(NamedTuple):
    """A word of the file.

    kind: the keyword it is, or "string", "number", "protocol-name", "auth-type" or "=".
    value: what it says, with its escapes read.
    start, end: its place, with its quotation marks.
    """

    kind: str
    value: str
    start: int
    end: int


class _Meaning(NamedTuple):
    """What a known word means. kind: "" for a noise word. state: the lexer's state after it; None for no change."""

    kind: str
    value: str
    state: str | None


def words(source: SourceText) -> Iterator[Word]:
    """The words of a file, in order, without noise words and comments. Raises DialectError."""
    text = source.text
    if (nul := text.find("\0")) >= 0:
        raise source.error(nul, "there is a NUL in the file")
    state = ""
    for kind, start, end in _tokens(text):
        if kind == "=":
            yield Word("=", "=", start, end)
            state = "name"
        elif kind == "quoted":
            yield Word("string", unescaped(text[start + 1 : end - 1]), start, end)
            state = ""
        elif state == "name":
            yield Word("string", unescaped(text[start:end]), start, end)
            state = ""
        else:
            word = text[start:end]
            if word[:2] == "no" and (negated := _NEGATED.fullmatch(word)):
                yield Word("no", "no", start, start + 2)
                start, word = start + 2, negated[1]
            known = _KNOWN.get(word)
            if known is None:
                yield Word("number" if _NUMBER.fullmatch(word) else "string", unescaped(word), start, end)
            elif known.kind:
                kind, value, state = _named(word, known, state)
                yield Word(kind, value, start, end)


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The kind of each token ("=", "quoted" or "bare") and its place; nothing between two of them means anything."""
    at, last_line = 0, text.rfind("\n") + 1
    while at < len(text):
        first = text[at]
        between = _BETWEEN if at < last_line else _BETWEEN_ON_THE_LAST_LINE
        if first in " \t\r\n;:,#\\" and (skipped := between.match(text, at)):
            at = skipped.end()
            continue
        if first == "=":
            yield "=", at, at + 1
            at += 1
            continue
        unquoted = _UNQUOTED.match(text, at)
        assert unquoted  # noqa: S101 - whatever is not a separator is a word
        end = unquoted.end(1)
        if first in "\"'" and (quoted := _QUOTED.match(text, at)) and quoted.end() >= end:
            yield "quoted", at, quoted.end()
            at = quoted.end()
        else:
            yield "bare", at, end
            at = unquoted.end()


def _named(word: str, known: _Meaning, state: str) -> tuple[str, str, str]:
    """The kind and the value of a known word in a state, and the state after it."""
    if state == "auth" and known.kind == "password":  # `pass`, its synonym, is a string there
        return ("auth-type", word, "") if word == "password" else ("string", word, state)
    return known.kind, known.value, state if known.state is None else known.state


def _known() -> dict[str, _Meaning]:
    found = dict.fromkeys(NOISE, _Meaning("", "", None))
    for word in (*KEYWORDS, *SYNONYMS):
        kind = SYNONYMS.get(word, word)
        state = "name" if kind in _NAME_FOLLOWS else "auth" if kind == "authenticate" else None
        found[word] = _Meaning(kind, word, state)
    for word in ("sdps", "kpop"):
        found[word.upper()] = _Meaning(word, word.upper(), None)
    for word, value in AUTH_TYPES.items():
        found[word] = _Meaning("auth-type", value, "")
    for word in PROTOCOLS:
        found[word] = _Meaning("protocol-name", word, None)
        found[word.upper()] = _Meaning("protocol-name", word.upper(), None)
    return found


_KNOWN = _known()


_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "r": "\r"}
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{0,2})|(0[0-7]{0,2})|([1-9][0-9]{0,2})|(\n)|(.)|$)", re.DOTALL)


def unescaped(text: str) -> str:
    """Read the escapes of a string: \\x42, octal \\041, decimal \\66, \\n, \\t, a backslash before a line end."""

    def character(match: re.Match[str]) -> str:
        hexadecimal, octal, decimal, line_end, other = match.groups()
        if hexadecimal is not None:
            return chr(int(hexadecimal or "0", 16))
        if octal or decimal:
            return chr((int(octal, 8) if octal else int(decimal)) & 255)
        if line_end:
            return ""
        return _ESCAPES.get(other, other) if other else ""

    return _ESCAPE.sub(character, text).partition("\0")[0] if "\\" in text else text


def quoted(text: str) -> str:
    """Write a string as a fetchmailrc can hold it."""
    for quote in "\"'":
        if quote not in text and "\\" not in text and "\n" not in text:
            return f"{quote}{text}{quote}"
    escaped = "".join(f"\\x{ord(c):02x}" if c in '"\\\n' else c for c in text)
    return f'"{escaped}"'
