"""The edits that give a section of an mpoprc other settings."""

from __future__ import annotations

from oauth2_pop3.dialects.mpoprc.settings import SIGN_IN, Values, shown, written
from oauth2_pop3.dialects.mpoprc.syntax import Section, Statement
from oauth2_pop3.dialects.source_text import Edit, SourceText


def rewritten(source: SourceText, section: Section, own: Values, result: Values) -> list[Edit]:
    """The edits that make a section say result instead of own."""
    edits, missing = [], [key for key in SIGN_IN if key in result and key not in own]
    for statement in section.statements:
        key = statement.command
        if key not in SIGN_IN or (key in result and result[key] == own[key]):
            continue
        if key in result and statement == section.own[key]:
            edits.append(_replaced(statement, result[key]))
        elif key == "password" and "passwordeval" in missing:
            missing.remove("passwordeval")
            edits.append(_instead_of_password(source, statement, result["passwordeval"]))
        else:
            edits.append(Edit(statement.start, statement.end))
    return [*edits, *_inserted(source, section, {key: result[key] for key in missing})]


def _replaced(statement: Statement, value: str) -> Edit:
    start, end = statement.raw
    blank = " " * (start == end)
    key = statement.command
    return Edit(start, end, blank + written(key, value), blank + shown(key, value))


def _instead_of_password(source: SourceText, statement: Statement, value: str) -> Edit:
    """`passwordeval` on the line that had `password`."""
    start = source.text.index("password", statement.start)
    text, masked = (f"passwordeval {of('passwordeval', value)}" for of in (written, shown))
    return Edit(start, statement.raw[1], text, masked)


def _inserted(source: SourceText, section: Section, values: Values) -> list[Edit]:
    """New lines behind `user`, or behind the section's last line, indented like that."""
    if not values:
        return []
    neighbour = section.own.get("user") or (section.statements[-1] if section.statements else section.header)
    text = source.text
    indent = ""
    if neighbour is not section.header:
        indent = text[neighbour.start : text.index(neighbour.command, neighbour.start)]
    end = source.line_end
    if text[neighbour.end - 1] == "\n":
        before, after = "", end
    else:  # The last line of the file has no end. A carriage return there belongs to the value, and must stay in it.
        before, after = "\r\n" if text.endswith("\r") else end, ""
    lines, masked = (
        before + end.join(f"{indent}{key} {of(key, value)}".rstrip() for key, value in values.items()) + after
        for of in (written, shown)
    )
    return [Edit(neighbour.end, neighbour.end, lines, masked)]
