"""The syntax of a getmailrc, as Python's RawConfigParser reads it, with the place of everything.

There is no interpolation, and no comment behind a value. A line that is indented more than its option continues the
option's value.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from oauth2_pop3.dialects.source_text import SourceText, readable
from oauth2_pop3.errors import DialectError

SPACE = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
"""What str.strip removes, of ASCII."""

_SWITCHES = frozenset(
    {
        "read_all",
        "delete",
        "delivered_to",
        "received",
        "message_log_verbose",
        "message_log_syslog",
        "fingerprint",
        "use_netrc",
        "to_oldmail_on_each_mail",
        "only_oldmail_file",
        "skip_imap_fetch_size",
        "mark_read",
    }
)
_NUMBERS = frozenset(
    {
        "delete_after",
        "delete_bigger_than",
        "max_message_size",
        "max_messages_per_session",
        "max_bytes_per_session",
        "verbose",
    }
)
_SWITCHES_OF_A_RETRIEVER = frozenset({"delete_dup_msgids", "use_apop", "use_xoauth2"})
TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_HEADER = re.compile(r"\[(.+)\]", re.DOTALL)
_OPTION = re.compile(r"([^=:]*)[=:]\s*(.*)$", re.DOTALL | re.ASCII)


@dataclass(eq=False)
class GetmailOption:
    """An option.

    lines: the place of each of its lines, with its line end.
    values: the place of its value on each line.
    delimiter: the place between its name and its value.
    parts: its value, line by line.
    """

    name: str
    lines: list[tuple[int, int]]
    values: list[tuple[int, int]]
    delimiter: tuple[int, int]
    parts: list[str] = field(default_factory=list)

    @property
    def value(self) -> str:
        """The value, as RawConfigParser returns it."""
        return "\n".join(self.parts).rstrip(SPACE)


Sections = dict[str, dict[str, GetmailOption]]


def parse(source: SourceText) -> Sections:
    """Read the sections and their options, by name. Raises DialectError at what RawConfigParser refuses."""
    sections: Sections = {}
    section: dict[str, GetmailOption] | None = None
    option: GetmailOption | None = None
    text = source.text
    at, indent = 0, 0
    while at < len(text):
        match = _LINE.match(text, at)
        assert match  # noqa: S101 - it matches everything
        line, start, end = match[0], at, match.end()
        at = end
        bare = line.strip(SPACE)
        if not bare or bare[0] in "#;":
            if not bare and option is not None:
                option.parts.append("")
            continue
        first = start + len(line) - len(line.lstrip(SPACE))
        here = first - start
        if option is not None and here > indent:
            option.lines.append((start, end))
            option.values.append((first, first + len(bare)))
            option.parts.append(bare)
            continue
        indent = here
        if found := _HEADER.match(bare):
            section, option = _section(source, found[1], first, sections), None
            continue
        if section is None:
            raise source.error(first, "a section such as [retriever] is expected before the first option")
        option = _option(source, bare, first, (start, end))
        if option.name in section:
            raise source.error(first, f"the option {readable(option.name)} is there twice", directive=option.name)
        section[option.name] = option
    return sections


def _section(source: SourceText, header: str, at: int, sections: Sections) -> dict[str, GetmailOption]:
    if header in sections and header != "DEFAULT":
        raise source.error(at, f"the section [{readable(header)}] is there twice", directive=header)
    return sections.setdefault(header, {})


def check(source: SourceText, sections: Sections) -> None:
    """Refuse what getmail refuses, as far as the file shows it: getmail also looks for its paths and commands."""
    required = {"retriever": _required_of_a_retriever(sections), "destination": _required_of_a_destination(sections)}
    for section, names in required.items():
        for name in names:
            if name not in sections.get(section, {}):
                what = f"[{section}] with a {name}" if section not in sections else f"{name} in [{section}]"
                raise source.error(len(source.text), f"there is no {what}", directive=section)
    switches = [
        *_options(sections, "options", _SWITCHES),
        *_options(sections, "retriever", _SWITCHES_OF_A_RETRIEVER),
    ]
    for option in switches:
        if option.value.lower() not in (*TRUE, *_FALSE):
            raise _wrong_value(source, option, "true or false")
    for option in _options(sections, "options", _NUMBERS):
        try:
            int(option.value)
        except ValueError:
            raise _wrong_value(source, option, "a whole number") from None


def _wrong_value(source: SourceText, option: GetmailOption, expected: str) -> DialectError:
    return source.error(option.values[0][0], f"{option.name}: {expected} is expected", directive=option.name)


def _required_of_a_destination(sections: Sections) -> list[str]:
    options = sections.get("destination", {})
    has_path = "type" in options and options["type"].value in ("Maildir", "Mboxrd", "MDA_external")
    return ["type", "path"] if has_path else ["type"]


def _required_of_a_retriever(sections: Sections) -> list[str]:
    options = sections.get("retriever", {})
    kind = options["type"].value if "type" in options else ""
    if not re.fullmatch(r"(Simple|BrokenUIDL|Multidrop)(POP3|IMAP)(SSL)?Retriever", kind):
        return ["type"]
    netrc = sections.get("options", {}).get("use_netrc")
    required = ["type", "server"]
    if netrc is None or netrc.value.lower() not in TRUE:
        required.append("username")
    return [*required, "envelope_recipient"] if kind.startswith("Multidrop") else required


def _options(sections: Sections, section: str, names: Collection[str]) -> list[GetmailOption]:
    return [option for name, option in sections.get(section, {}).items() if name in names]


def _option(source: SourceText, bare: str, first: int, line: tuple[int, int]) -> GetmailOption:
    match = _OPTION.match(bare)
    name = match[1].rstrip(SPACE).lower() if match else ""
    if not match or not name:
        # The message does not show the line: it may be a part of a password.
        raise source.error(
            first, "NAME = VALUE is expected; a line that continues an option must be indented more than the option"
        )
    value = match[2].strip(SPACE)
    begin = first + match.end(2) - len(match[2].lstrip(SPACE))
    return GetmailOption(
        name, [line], [(begin, begin + len(value))], (first + len(match[1].rstrip(SPACE)), begin), [value]
    )
