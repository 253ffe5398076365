"""fetchmailrc: the configuration of fetchmail, which has no OAuth 2.0 and gets it from a plugin, `oauth2-pop3 bridge`.

The bridge makes the connection and its TLS, and fetchmail signs in to the bridge with USER and PASS. So the entry's TLS
settings become arguments of the bridge, and fetchmail is told to use no TLS itself (`no ssl`, `sslproto ''`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import PurePath

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation, is_our_command
from oauth2_pop3.dialects.fetchmailrc.bridge_command import (
    BRIDGE_OPTIONS,
    command_line,
    obstacle_in_settings,
    obstacle_in_sign_in,
    port_of,
)
from oauth2_pop3.dialects.fetchmailrc.edits import PASSWORD, Editor
from oauth2_pop3.dialects.fetchmailrc.records import Record, port, records
from oauth2_pop3.dialects.fetchmailrc.syntax import FetchmailOption, Parser
from oauth2_pop3.dialects.fetchmailrc.vocabulary import PASSWORD_WORDS, SECRETS
from oauth2_pop3.dialects.source_text import Edit, SourceText, readable, without_password

_POP3 = ("pop3", "apop", "rpop", "kpop", "sdps")
"""fetchmail's names of POP3 and its variants."""


class FetchmailRc(Dialect):
    """Reads fetchmail's configuration."""

    name = "fetchmailrc"
    locations = ("~/.fetchmailrc", "/etc/fetchmailrc")

    def recognises(self, file_name: str, content: bytes) -> bool:
        """Recognise it by its name, or by a first word that files of the other hosts do not begin with."""
        if PurePath(file_name).name.lstrip(".").startswith("fetchmail"):
            return True
        text = re.sub(rb"(?m)^\s*(#.*)?\n", b"", content)
        first = re.match(rb"\s*(poll|skip|server|defaults|set)[ \t\r\n]+\S", text)
        return first is not None and b"\nhost" not in content and b"[retriever]" not in content

    def read(self, file_name: str, content: bytes) -> FetchmailFile:
        """See Dialect."""
        return FetchmailFile(SourceText(file_name, content))


class FetchmailFile(DialectFile):
    """A file and its records: each user of an entry is an account."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        parser = Parser(source)
        self._words = parser.words
        self._entries = parser.entries()
        self._records = records(source, self._entries)
        self.accounts = [self._account(record) for record in self._records]
        options = (
            option
            for entry in self._entries
            for option in [*entry.options, *(o for user in entry.users for o in user.options)]
        )
        self.secrets = [
            (option.values[-1].start, option.values[-1].end)
            for option in options
            if option.name in SECRETS and option.values[-1].value != PASSWORD
        ]
        # `is password hush`: a name is missing, and fetchmail takes all of it for names
        self.secrets += [
            (word.start, word.end)
            for before, word in pairwise(self._words)
            if word.kind == before.kind == "string" and before.value in PASSWORD_WORDS
        ]

    def _account(self, record: Record) -> DialectAccount:
        definition = record.user.definition if record.user else None
        protocol = (record.get("protocol") or "auto").lower()
        plugin = record.get("plugin").split()
        ours = is_our_command(plugin, "bridge")
        return DialectAccount(
            line=self.source.line(definition.start if definition else record.entry.head[0].start),
            name=without_password(record.entry.name),
            protocol="pop3" if protocol in _POP3 else protocol,
            server=without_password(record.get("via") or record.entry.name),
            port=port_of(plugin) if ours else port(record),
            username=without_password(record.get("user")),
            uses_oauth2_pop3=ours,
            obstacle="" if ours else self._obstacle(record),
        )

    @cached_property
    def _open_quote(self) -> int:
        """The line of a quotation mark that is never closed, which fetchmail reads as a letter; 0 if there is none."""
        for word in self._words:
            mark = self.source.text[word.start]
            if mark in "\"'" and self.source.text.find(mark, word.start + 1) < 0:
                return self.source.line(word.start)
        return 0

    @cached_property
    def _swallowed_password(self) -> int:
        """The line of a string that goes on over a line with a password: a quotation mark is missing; 0 for none."""
        for word in self._words:
            if "\n" in word.value and "pass" in word.value.lower():
                return self.source.line(word.start)
        return 0

    def _obstacle(self, record: Record) -> str:
        if self._open_quote:
            return f"Line {self._open_quote} has a quotation mark that is never closed: close it, and translate again."
        if line := self._swallowed_password:
            return f"The string in line {line} has a password in it: close its quotation mark, and translate again."
        if record.get("plugin"):
            return "It has a plugin already, and the bridge would replace it: remove the plugin, and translate again."
        if record.get("plugout"):
            return "It has a plugout: remove it, and translate again."
        if (protocol := record.get("protocol").lower()) != "pop3":
            return f"It uses {protocol.upper()}: write `proto pop3`, and translate again."
        if record.get("authenticate") not in ("", "any", "password"):
            return f"It signs in by {record.get('authenticate')}: remove that, and translate again."
        return obstacle_in_settings(record, self.source.file)

    # -- the translation

    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """See DialectFile. A plugin belongs to an entry: all users of an entry are translated, or none."""
        edits: list[Edit] = []
        remarks: dict[int, list[str]] = {}
        chosen: list[int] = []
        for numbers in self._numbers_by_entry():
            wanted = [number for number in numbers if number in sign_ins]
            if not wanted:
                continue
            if why := obstacle_in_sign_in(sign_ins[wanted[0]]) or self._not_together(numbers, sign_ins):
                remarks |= {number: [why] for number in wanted}
                continue
            chosen += numbers
            edits += self._editor.of_server(self._records[numbers[0]], self._plugin(numbers[0], sign_ins))
        leaving = self._leaving(set(chosen))
        for number in chosen:
            record = self._records[number]
            edits += self._editor.of_user(record, leaving)
            remarks[number] = _remarks(record)
        edits += [self._editor.without_password(option) for option in leaving]
        return Translation(edits, remarks)

    @cached_property
    def _editor(self) -> Editor:
        first = self._entries[0] if self._entries else None
        options: list[FetchmailOption] = []
        if first and first.name == "defaults":
            options = [*first.options, *(first.users[0].options if first.users else [])]
        last = {option.name: option.value for option in options}
        return Editor(self.source, ssl_by_default=last.get("ssl") == "yes")

    def _numbers_by_entry(self) -> list[list[int]]:
        """The numbers of the accounts of each entry."""
        by_entry: dict[int, list[int]] = {}
        for number, record in enumerate(self._records):
            by_entry.setdefault(id(record.entry), []).append(number)
        return list(by_entry.values())

    def _not_together(self, numbers: list[int], sign_ins: Mapping[int, SignIn]) -> str:
        """Why the users of an entry cannot share one bridge; "" if they can."""
        if not all(number in sign_ins for number in numbers):
            return "Another user of the entry stays as it is, and a plugin serves all of them: split the entry."
        if len({self._plugin(number, sign_ins) for number in numbers}) > 1:
            return (
                "The users of the entry differ in TLS settings or accounts, and a plugin serves all: split the entry."
            )
        return ""

    def _plugin(self, number: int, sign_ins: Mapping[int, SignIn]) -> str:
        return command_line(self._records[number], sign_ins[number], self.source.file)

    def _leaving(self, chosen: set[int]) -> set[FetchmailOption]:
        """The passwords of `defaults` that only accounts use which are translated."""
        inherited: dict[bool, set[FetchmailOption]] = {True: set(), False: set()}
        for number, record in enumerate(self._records):
            password = record.settings.get("password")
            if password and "password" not in record.own:
                inherited[number in chosen].add(password)
        return inherited[True] - inherited[False]


def _remarks(record: Record) -> list[str]:
    remarks = []
    if record.get("sslcertck") == "no" or (not record.get("sslcertck") and record.get("ssl") != "yes"):
        remarks.append("From now on the server's certificate is always verified.")
    if moved := [name for name in BRIDGE_OPTIONS if record.get(name)]:
        remarks.append(f"Now an option of the bridge: {', '.join(moved)}.")
    proto = record.get("sslproto").lower()
    if proto not in ("", "auto", "ssl23", "tls1.2+") and not proto.startswith("tls1.3"):
        remarks.append(f"sslproto {readable(proto)}: the bridge speaks TLS 1.2 or later.")
    return remarks
