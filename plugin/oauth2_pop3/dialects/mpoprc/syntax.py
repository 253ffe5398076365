"""The syntax of mpop's configuration, as its conf.c reads it: one command on each line, accounts that inherit.

Every octet of the file belongs to a line; a line that does something is a Statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from oauth2_pop3.dialects.mpoprc.commands import check
from oauth2_pop3.dialects.source_text import SourceText, without_password

LINE_LIMIT = 500
"""mpop refuses a line of this many octets, its end not counted (LINEBUFSIZE is 501)."""

_BLANKS = " \t"


class Statement(NamedTuple):
    """A command and its argument.

    start, end: the place of the line, with its end.
    argument: as mpop reads it, without quotation marks.
    raw: the place of the argument, with them.
    """

    start: int
    end: int
    command: str
    argument: str
    raw: tuple[int, int]


@dataclass(eq=False)
class Section:
    """A line `account` or `defaults`, and what follows it up to the next one.

    name: "" for defaults.
    parents: the accounts that it inherits from.
    inherited: the settings that it begins with, by command.
    bequeathed: those of them that its children inherit: all but those of `defaults` (conf.c: acc->mask).
    """

    header: Statement
    name: str = ""
    statements: list[Statement] = field(default_factory=list)
    parents: list[Section] = field(default_factory=list)
    inherited: dict[str, Statement] = field(default_factory=dict)
    bequeathed: dict[str, Statement] = field(default_factory=dict)

    @cached_property
    def own(self) -> dict[str, Statement]:
        """Its own settings, by command; the last one counts. To be asked for when the section is complete."""
        return {statement.command: statement for statement in self.statements}

    @cached_property
    def settings(self) -> dict[str, Statement]:
        """All its settings, by command, and the statement that each comes from."""
        return {**self.inherited, **self.own}


def parse(source: SourceText) -> list[Section]:
    """Read a file's sections, in their order. Raises DialectError at what mpop would refuse."""
    sections: list[Section] = []
    accounts: dict[str, Section] = {}
    defaults: dict[str, Statement] = {}
    for statement in _statements(source):
        at, command = statement.raw[0], statement.command
        if command == "defaults":
            if statement.argument:
                raise source.error(at, "defaults takes no argument", directive=command)
            sections.append(Section(statement))
        elif command == "account":
            section = _account(source, statement, accounts)
            for parent in section.parents:
                section.bequeathed.update(parent.bequeathed, **parent.own)
            section.inherited = {**defaults, **section.bequeathed}
            accounts[section.name] = section
            sections.append(section)
        elif not sections:
            raise source.error(statement.start, "the first command must be account or defaults", directive=command)
        else:
            check(source, command, statement.argument, statement.start, at)
            sections[-1].statements.append(statement)
            if not sections[-1].name:
                defaults[command] = statement
    return sections


def _statements(source: SourceText) -> Iterator[Statement]:
    text = source.text
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        stop = len(text) if end < 0 else end
        following = stop + 1 if end >= 0 else stop
        if stop - at >= LINE_LIMIT:
            raise source.error(at, f"the line is too long: mpop takes {LINE_LIMIT - 1} octets")
        if (nul := text.find("\0", at, stop)) >= 0:
            raise source.error(nul, "there is a NUL in the line")
        if end > at and text[end - 1] == "\r":  # only before a line feed
            stop -= 1
        first = at
        while first < stop and text[first] in _BLANKS:
            first += 1
        if first < stop and text[first] != "#":
            word = first
            while word < stop and text[word] not in _BLANKS:
                word += 1
            yield Statement(at, following, text[first:word], *_argument(text, word, stop))
        at = following


def _argument(text: str, start: int, end: int) -> tuple[str, tuple[int, int]]:
    """What mpop's trim_string makes of the rest of a line, and its place."""
    while start < end and text[start] in _BLANKS:
        start += 1
    while end > start and text[end - 1] in _BLANKS:
        end -= 1
    return trimmed(text[start:end]), (start, end)


def trimmed(text: str) -> str:
    """A text without the blanks around it, and then without the quotation marks around it."""
    text = text.strip(_BLANKS)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _account(source: SourceText, statement: Statement, known: dict[str, Section]) -> Section:
    at = statement.raw[0]
    name, colon, parents = statement.argument.partition(":")
    if colon:
        name = trimmed(name)
    section = Section(statement, name)
    for parent in parents.split(",") if colon else ():
        found = known.get(trimmed(parent))
        if not trimmed(parent):
            raise source.error(at, "the name of an account is expected here", directive="account")
        if found is None:
            raise source.error(
                at, f"the account {without_password(trimmed(parent))} is not defined yet", directive="account"
            )
        section.parents.append(found)
    if not name:
        raise source.error(at, "the name of an account is expected here", directive="account")
    if "," in name:
        raise source.error(at, "the name of an account must not have a comma in it", directive="account")
    if name in known:
        raise source.error(at, f"the account {without_password(name)} is defined already", directive="account")
    return section
