"""The syntax of mpop's configuration, as its conf.c reads it: one command on each line, accounts that inherit.

Every octet of the file belongs to a line; a line that does something is a Statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from oauth2_pop3.dialects.source_text import SourceText, readable

LINE_LIMIT = 500
"""mpop refuses a line of this many octets, its end not counted (LINEBUFSIZE is 501)."""

_AUTH = (
    "scram-sha-256-plus",
    "scram-sha-1-plus",
    "scram-sha-256",
    "scram-sha-1",
    "plain",
    "apop",
    "user",
    "gssapi",
    "external",
    "oauthbearer",
    "cram-md5",
    "digest-md5",
    "login",
    "ntlm",
    "xoauth2",
)
_BLANKS = " \t"
_SWALLOWED = re.compile(r"(?:\A|\s)password\s")
"""A command that mpop takes for a part of another one's argument, and that would be shown as such: as a user's name."""
_FREE = frozenset({"eval", "password", "passwordeval", "filter", "delivery"})
"""Commands whose argument may have any words in it."""


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
            _check(source, statement)
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
            raise source.error(at, f"the account {readable(trimmed(parent))} is not defined yet", directive="account")
        section.parents.append(found)
    if not name:
        raise source.error(at, "the name of an account is expected here", directive="account")
    if "," in name:
        raise source.error(at, "the name of an account must not have a comma in it", directive="account")
    if name in known:
        raise source.error(at, f"the account {readable(name)} is defined already", directive="account")
    return section


def _check(source: SourceText, statement: Statement) -> None:
    """Refuse what mpop would refuse. mpop accepts any password, so no message shows one."""
    rule = _RULES.get(statement.command)
    if rule is None:
        raise source.error(
            statement.start,
            f"mpop has no command {_shown(statement.command)}",
            directive=_shown(statement.command),
        )
    expected, takes = rule
    if statement.command not in _FREE and _SWALLOWED.search(statement.argument):
        raise source.error(
            statement.raw[0],
            f"there is a password in the line of {statement.command}",
            directive=statement.command,
            hint="Write it on a line of its own.",
        )
    if not takes(statement.argument):
        argument = readable(statement.argument)[:60]
        raise source.error(
            statement.raw[0],
            f"{statement.command} {argument!r}: {expected} is expected",
            directive=statement.command,
        )


def _shown(command: str) -> str:
    """An unknown command for a message, without what may be a password: `password=...`, with no blank behind it."""
    name, word, rest = readable(command)[:40].partition("pass")
    return f"{name}{word}..." if rest else f"{name}{word}"


def integer(text: str) -> int:
    """Read a number as strtol(3) does with base 0; -1 if the text is not such a number, or the number is below 0."""
    match = re.fullmatch(r"[\s]*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)|\s*-0+", text, re.ASCII)
    if not match:
        return -1
    digits = match[1] or "0"
    return int(digits, 16) if digits[:2] in ("0x", "0X") else int(digits, 8 if digits[0] == "0" else 10)


def _in(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: low <= integer(text) <= high


def _size(text: str) -> bool:
    unit = {"k": 10, "m": 20}.get(text[-1:], 0)
    number = integer(text[:-1] if unit else text)
    return text == "off" or (text[:1] != "" and 0 <= number <= ((1 << 63) - 1) >> unit)


def _fingerprint(text: str) -> bool:
    pairs = re.fullmatch(r"[0-9a-fA-F]{2}([: ][0-9a-fA-F]{2})*", text)
    return not text or (pairs is not None and len(text) in (47, 59, 95))


def _delivery(text: str) -> bool:
    return bool(re.match(r"(mda|maildir|mbox|exchange)[ \t]", text))


_SWITCH: tuple[str, Callable[[str], bool]] = ("on or off", lambda text: text in ("", "on", "off"))
_TEXT: tuple[str, Callable[[str], bool]] = ("an argument", bool)
_ANY: tuple[str, Callable[[str], bool]] = ("anything", lambda _: True)
_INT_MAX = (1 << 31) - 1
_RULES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "eval": _TEXT,
    "host": _TEXT,
    "port": ("a port number", _in(1, 65535)),
    "timeout": ("off or a number of seconds", lambda text: text == "off" or _in(1, _INT_MAX)(text)),
    "pipelining": ("on, off or auto", lambda text: text in ("", "on", "off", "auto")),
    "received_header": _SWITCH,
    "delivery": ("mda, maildir, mbox or exchange, and its argument", _delivery),
    "uidls_file": _TEXT,
    "auth": ("a method of authentication", lambda text: text in ("", "on", *_AUTH)),
    **dict.fromkeys(("user", "password", "passwordeval", "ntlmdomain", "tls_force_sslv3"), _ANY),
    "tls": _SWITCH,
    "tls_starttls": _SWITCH,
    **dict.fromkeys(("tls_key_file", "tls_cert_file", "tls_trust_file", "tls_crl_file"), _ANY),
    "tls_fingerprint": ("a fingerprint", _fingerprint),
    "tls_certcheck": _SWITCH,
    "tls_min_dh_prime_bits": ("a number", lambda text: not text or _in(1, _INT_MAX)(text)),
    **dict.fromkeys(("tls_priorities", "tls_host_override", "filter", "proxy_host", "source_ip", "socket"), _ANY),
    "only_new": _SWITCH,
    # A duration since mpop 1.4.23.
    "keep": (
        "on, off or a duration",
        lambda text: bool(re.fullmatch(r"|on|off|(\s*\+?[0-9]+[dhms])+", text, re.ASCII)),
    ),
    "killsize": ("off or a size", _size),
    "skipsize": ("off or a size", _size),
    "proxy_port": ("a port number", lambda text: not text or _in(1, 65535)(text)),
}
"""For each command, what its argument must be, in words and as a function that checks it."""
