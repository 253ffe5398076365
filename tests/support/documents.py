"""The README and the guides, taken apart: fenced blocks, command lines, inline code, tables, headings and links."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support import CONTRIB, ROOT

GUIDES = CONTRIB / "guides"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND_IN_A_SAMPLE = re.compile(r"(?:First: |^ *#   )(?P<command>oauth2-pop3 .*?)(?:  +#.*)?$", re.MULTILINE)


def documents() -> list[Path]:
    """What a user reads."""
    return [ROOT / "README.md", *sorted(CONTRIB.rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block. line: its first, from 1."""

    file: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a pipeline. text: as it is written there, on one line."""

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell would split it; a word that begins with # is a comment's."""
        return shlex.split(self.text, comments=True)


def blocks(file: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a document, or those in these languages."""
    text = file.read_text()
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        found.append(Block(file, line, match["language"], textwrap.dedent(match["text"])))
    return [block for block in found if not languages or block.language in languages]


def all_blocks(*languages: str) -> list[Block]:
    """The same of all documents."""
    return [block for file in documents() for block in blocks(file, *languages)]


def without_blocks(file: Path) -> str:
    """A document's prose."""
    return _FENCE.sub("", file.read_text())


def inline_code(file: Path) -> list[str]:
    """Each text between backticks outside of blocks, on one line; a table's \\| is a |."""
    prose = without_blocks(file)
    return [" ".join(code.split()).replace("\\|", "|") for code in _INLINE.findall(prose)]


def commands() -> list[Command]:
    """Every command line of the fenced blocks, and those that the comments of contrib's samples tell one to type."""
    found: list[Command] = []
    for block in all_blocks("sh", "crontab"):
        text = block.text.replace("\\\n", " ")
        for line in filter(None, map(str.strip, text.splitlines())):
            command = line.split(None, 5)[5] if block.language == "crontab" else line
            found += (Command(str(block), part) for part in pipeline(command))
    for file in sorted(
        path for path in CONTRIB.rglob("*") if path.is_file() and path.suffix not in (".md", ".py", ".pyc")
    ):
        found += (
            Command(str(file.relative_to(ROOT)), match["command"])
            for match in _COMMAND_IN_A_SAMPLE.finditer(file.read_text())
        )
    return found


def pipeline(line: str) -> list[str]:
    """A line's commands, without its comment. The guides use no redirections, lists and substitutions."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=True)
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return [" ".join(part) for part in parts if part]


def section(file: Path, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    text = file.read_text()
    (start,) = re.finditer(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    end = re.search(rf"^#{{1,{len(start[1])}}} ", text[start.end() :], re.MULTILINE)
    return text[start.end() : start.end() + end.start() if end else None]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables in a text, without their heads."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_rule = re.fullmatch(r"\|(-+\|)+", line)
        is_head = number + 1 < len(lines) and re.fullmatch(r"\|(-+\|)+", lines[number + 1])
        if line.startswith("|") and not is_rule and not is_head:
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code_in_first_column(text: str) -> list[str]:
    """The subjects of the tables of a text: the code in the first cell of each row."""
    return [code for row in rows(text) for code in _INLINE.findall(row[0])]


def headings(file: Path) -> list[str]:
    """A document's headings, as anchors."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(file), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def links(file: Path) -> list[str]:
    """Where a document's links lead."""
    return _LINK.findall(_INLINE.sub("`", without_blocks(file)))
