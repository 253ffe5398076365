"""The syntax of a getmailrc: what Python's RawConfigParser makes of it, with the place of everything.

No interpolation, no comments behind a value; a line that is indented more than its option goes on with its value.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from oauth2_pop3.dialects.source_text import SourceText, readable

SPACE = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
"""White space, as far as it is ASCII."""

_SWITCHES = frozenset(
    ("read_all", "delete", "delivered_to", "received", "message_log_verbose", "message_log_syslog", "fingerprint",
     "use_netrc", "to_oldmail_on_each_mail", "only_oldmail_file", "skip_imap_fetch_size", "mark_read")
)  # fmt: skip
_NUMBERS = frozenset(
    ("delete_after", "delete_bigger_than", "max_message_size", "max_messages_per_session", "max_bytes_per_session",
     "verbose")
)  # fmt: skip
_SWITCHES_OF_A_RETRIEVER = frozenset(("delete_dup_msgids", "use_apop", "use_xoauth2"))

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_HEADER = re.compile(r"\[(.+)\]", re.DOTALL)
_OPTION = re.compile(r"([^=:]*)[=:]\s*(.*)$", re.DOTALL | re.ASCII)


@dataclass(eq=False)
class Option:
    """An option. lines: from where to where each of its lines goes, with line ends; values: the parts of its value.

    delimiter: from the end of its name to the start of its value.
    """

    name: str
    lines: list[tuple[int, int]]
    values: list[tuple[int, int]]
    delimiter: tuple[int, int]
    parts: list[str] = field(default_factory=list)

    @property
    def value(self) -> str:
        """As RawConfigParser returns it."""
        return "\n".join(self.parts).rstrip(SPACE)


Sections = dict[str, dict[str, Option]]


def parse(source: SourceText) -> Sections:
    """The file's sections and their options, by name. Raises DialectError where RawConfigParser refuses it."""
    sections: Sections = {}
    section: dict[str, Option] | None = None
    option: Option | None = None
    indent, header, text = 0, "", source.text
    at = 0
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
            header, option = found[1], None
            if header in sections and header != "DEFAULT":
                raise source.error(first, f"the section [{readable(header)}] is there twice", directive=header)
            section = sections.setdefault(header, {})
            continue
        if section is None:
            raise source.error(first, "a section such as [retriever] is expected before the first option")
        option = _option(source, bare, first, (start, end))
        if option.name in section:
            raise source.error(first, f"the option {readable(option.name)} is there twice", directive=option.name)
        section[option.name] = option
    return sections


def check(source: SourceText, sections: Sections) -> None:
    """Refuse what getmail refuses of what is written there; it also looks at the machine, for paths and commands."""
    destination = sections.get("destination", {})
    has_path = "type" in destination and destination["type"].value in ("Maildir", "Mboxrd", "MDA_external")
    all_required = {
        "retriever": _required_of_a_retriever(sections),
        "destination": ["type", "path"] if has_path else ["type"],
    }
    for section, required in all_required.items():
        for name in required:
            if name not in sections.get(section, {}):
                what = f"[{section}] with a {name}" if section not in sections else f"{name} in [{section}]"
                raise source.error(len(source.text), f"there is no {what}", directive=section)
    for section, names in {"options": _SWITCHES, "retriever": _SWITCHES_OF_A_RETRIEVER}.items():
        for option in _options(sections, section, names):
            if option.value.lower() not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
                raise source.error(
                    option.values[0][0], f"{option.name}: true or false is expected", directive=option.name
                )
    for option in _options(sections, "options", _NUMBERS):
        try:
            int(option.value)
        except ValueError:
            raise source.error(
                option.values[0][0], f"{option.name}: a whole number is expected", directive=option.name
            ) from None


def _required_of_a_retriever(sections: Sections) -> list[str]:
    options = sections.get("retriever", {})
    kind = options["type"].value if "type" in options else ""
    if not re.fullmatch(r"(Simple|BrokenUIDL|Multidrop)(POP3|IMAP)(SSL)?Retriever", kind):
        return ["type"]
    netrc = sections.get("options", {}).get("use_netrc")
    required = ["type", "server"]
    if netrc is None or netrc.value.lower() not in ("true", "yes", "on", "1"):
        required.append("username")
    return [*required, "envelope_recipient"] if kind.startswith("Multidrop") else required


def _options(sections: Sections, section: str, names: Collection[str]) -> list[Option]:
    return [option for name, option in sections.get(section, {}).items() if name in names]


def _option(source: SourceText, bare: str, first: int, line: tuple[int, int]) -> Option:
    match = _OPTION.match(bare)
    name = match[1].rstrip(SPACE).lower() if match else ""
    if not match or not name:
        # What stands there may be a part of a password.
        raise source.error(
            first, "NAME = VALUE is expected, or a line that is indented more than the option it belongs to"
        )
    value = match[2].strip(SPACE)
    begin = first + match.start(2)
    return Option(name, [line], [(begin, begin + len(value))], (first + len(match[1].rstrip(SPACE)), begin), [value])
