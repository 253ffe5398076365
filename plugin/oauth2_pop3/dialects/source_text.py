"""The text of a configuration file, which can be edited in places and loses no byte elsewhere."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from oauth2_pop3.errors import DialectError

MASK = "********"
"""What is shown instead of a secret."""

_PASSWORD = re.compile(r"(?<!\w)(?:(?!pass)\w)*+pass\w*+(?:[ \t=:]++(?=[^\r\n])|(?=[\"']))", re.IGNORECASE)
"""It is looked for at the beginning of a word: at each `pass` in a long word, it would take the square of the time."""
_SWALLOWED_PASSWORD = re.compile(r"\b(pass(?:w\w*+)?[\s=:\"']++)\S.*", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"^[ \t]*;|(?:^|[\s;:,])#", re.MULTILINE)
_COMMENT_LINE = re.compile(rf"(?:{_COMMENT.pattern})[^\r\n]*+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text from offset start to offset end. shown: the new text without its secret, if it has one."""

    start: int
    end: int
    text: str = ""
    shown: str = ""


class SourceText:
    """The content of a file, with one character for each octet (ISO 8859-1), so that offsets fit any encoding.

    file: its name, for errors. text: its content.
    """

    def __init__(self, file: str, content: bytes) -> None:
        self.file = file
        self.text = content.decode("iso-8859-1")

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset at which each line begins. If the last line has an end, an empty line follows it."""
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def line(self, offset: int) -> int:
        """The number of an offset's line, from 1."""
        return bisect_right(self.line_starts, offset)

    def column(self, offset: int) -> int:
        """The place of an offset in its line, in octets, from 1."""
        return offset - self.line_starts[self.line(offset) - 1] + 1

    def line_span(self, offset: int) -> tuple[int, int]:
        """The start and end of an offset's line, with its line end."""
        number = self.line(offset)
        start = self.line_starts[number - 1]
        return start, self.line_starts[number] if number < len(self.line_starts) else len(self.text)

    @cached_property
    def line_end(self) -> str:
        """The line end of the first line, which the file is taken to use everywhere."""
        first = self.text.find("\n")
        return "\r\n" if first > 0 and self.text[first - 1] == "\r" else "\n"

    def error(self, offset: int, message: str, *, directive: str = "", hint: str = "") -> DialectError:
        """Make an error about an offset. message: what was found and what was expected, without any password."""
        return DialectError(
            message,
            file=self.file,
            line=self.line(offset),
            column=self.column(offset),
            directive=readable(directive),
            hint=hint,
        )

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Make edits, which must not overlap: the new content. Insertions at the same offset keep their order."""
        pieces, at = [], 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            if edit.start < at:
                raise ValueError("edits overlap")
            pieces += [self.text[at : edit.start], edit.text]
            at = edit.end
        return "".join([*pieces, self.text[at:]]).encode("iso-8859-1")


def commented_passwords(text: str, known: Iterable[str] = ()) -> Iterator[tuple[int, int]]:
    """The places in comments of what may be a password, such as an old setting: each goes to the end of its line.

    known: passwords that the file has elsewhere. If a comment has one of them, whatever stands before it, that is a
    place too.
    """
    yield from _called_passwords(text)
    passwords = frozenset(known)
    beginning = min((3, *map(len, passwords)))
    lengths: dict[str, set[int]] = {}
    for password in passwords:
        lengths.setdefault(password[:beginning], set()).add(len(password))
    for comment in _COMMENT_LINE.finditer(text) if passwords else ():
        for start in range(comment.start(), comment.end() - beginning + 1):
            for length in lengths.get(text[start : start + beginning], ()):
                end = start + length
                if end <= comment.end() and text[start:end] in passwords and _is_whole_word(text, start, end):
                    yield start, end


def _is_whole_word(text: str, start: int, end: int) -> bool:
    """Whether a place does not begin or end within a word, as every "a" in a text would for the password a."""
    return not (text[start - 1 : start].isalnum() and text[start].isalnum()) and not (
        text[end - 1].isalnum() and text[end : end + 1].isalnum()
    )


def _called_passwords(text: str) -> Iterator[tuple[int, int]]:
    line_end = 0
    comment: re.Match[str] | None = None
    for word in _PASSWORD.finditer(text):
        if word.start() >= line_end:
            line_start = text.rfind("\n", 0, word.start()) + 1
            line_end = end if (end := text.find("\n", word.start())) >= 0 else len(text)
            comment = _COMMENT.search(text, line_start, line_end)
        if comment and comment.end() <= word.start() and word.end() < line_end:
            yield word.end(), line_end - (text[line_end - 1] == "\r")
            comment = None


def readable(text: str) -> str:
    """A part of a SourceText's text for messages and other files: decoded as UTF-8, if it is that."""
    if text.isascii():
        return text
    try:
        return text.encode("iso-8859-1").decode()
    except UnicodeError:
        return text


def port_number(text: str) -> int:
    """A port from 1 to 65535; 0 for any other text, such as one of more digits than Python reads."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    return number if number < 65536 else 0


def without_password(text: str) -> str:
    """A name or a value of a file, for a message: without a password that it has swallowed.

    In a file where a quotation mark or a line end is missing, `password` and what follows are a part of another value.
    """
    return _SWALLOWED_PASSWORD.sub(rf"\1{MASK}", readable(text))


def word_shown(text: str) -> str:
    """A word that the host does not know, for a message, without a password that follows `password` with no blank."""
    before, word, rest = readable(text)[:40].partition("pass")
    return f"{before}{word}..." if rest else f"{before}{word}"


def as_source(text: str) -> str:
    """A string as the text of an Edit, so that it is UTF-8 in the file; a file's name keeps octets that are not."""
    return text.encode("utf-8", "surrogateescape").decode("iso-8859-1")
