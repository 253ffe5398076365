"""fetchmailrc: the configuration of fetchmail, which has no OAuth 2.0, and gets it by a plugin: `oauth2-pop3 bridge`.

The bridge is the connection and its TLS; fetchmail signs in to it with USER and PASS. So what was TLS's in the entry
moves to the bridge's arguments, and fetchmail is told to leave TLS alone (`no ssl`, `sslproto ''`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePath

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation, is_our_command
from oauth2_pop3.dialects.fetchmailrc.lexer import Word, quoted
from oauth2_pop3.dialects.fetchmailrc.records import Record, port, records
from oauth2_pop3.dialects.fetchmailrc.syntax import Entry, Option, Parser
from oauth2_pop3.dialects.source_text import Edit, SourceText, as_source, readable

PASSWORD = "'oauth2-pop3'"
"""What stands in the place of the password: the bridge takes any, and without one fetchmail would ask for it."""

_MOVED = {
    "sslcertpath": "--ca-certs",
    "sslcertfile": "--ca-certs",
    "sslcommonname": "--server-hostname",
    "sslfingerprint": "--fingerprint",
    "sslcert": "--certfile",
    "sslkey": "--keyfile",
}
_FILES = ("sslcertpath", "sslcertfile", "sslcert", "sslkey")
_NOTHING = re.compile(r"[ \t\r\n;:,]*(?:(?:with|and|has|wants|options)[ \t\r\n;:,]+)*")
_TLS = frozenset((*_MOVED, "ssl", "sslproto", "sslcertck"))


class FetchmailRc(Dialect):
    """Reads fetchmail's configuration."""

    name = "fetchmailrc"
    locations = ("~/.fetchmailrc", "/etc/fetchmailrc")

    def recognises(self, file_name: str, content: bytes) -> bool:
        """By its name, or by a first word that nobody else begins with."""
        if PurePath(file_name).name.lstrip(".").startswith("fetchmail"):
            return True
        text = re.sub(rb"(?m)^\s*(#.*)?\n", b"", content)
        first = re.match(rb"\s*(poll|skip|server|defaults|set)[ \t\r\n]+\S", text)
        return first is not None and b"\nhost" not in content and b"[retriever]" not in content

    def read(self, file_name: str, content: bytes) -> FetchmailFile:
        """See Dialect."""
        return FetchmailFile(SourceText(file_name, content))


class FetchmailFile(DialectFile):
    """A file and its records: an account is a user of an entry."""

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
            if option.name in ("password", "esmtppassword") and option.values[-1].value != "oauth2-pop3"
        ]

    def _account(self, record: Record) -> DialectAccount:
        where = record.user.definition if record.user and record.user.definition else None
        protocol = record.get("protocol") or "auto"
        plugin = record.get("plugin").split()
        ours = is_our_command(plugin, "bridge")
        return DialectAccount(
            line=self.source.line(where.start if where else record.entry.head[0].start),
            name=readable(record.entry.name),
            protocol="pop3" if protocol.lower() in ("pop3", "apop", "rpop", "kpop", "sdps") else protocol.lower(),
            server=readable(record.get("via") or record.entry.name),
            port=_port_of_bridge(plugin) if ours else port(record),
            username=readable(record.get("user")),
            uses_oauth2_pop3=ours,
            obstacle="" if ours else self._obstacle(record),
        )

    @cached_property
    def _open_quote(self) -> int:
        """The line of a quotation mark that is never closed, 0 for none: fetchmail takes it for a letter."""
        for word in self._words:
            mark = self.source.text[word.start]
            if mark in "\"'" and self.source.text.find(mark, word.start + 1) < 0:
                return self.source.line(word.start)
        return 0

    def _obstacle(self, record: Record) -> str:
        if self._open_quote:
            return f"Line {self._open_quote} has a quotation mark that is never closed: close it, and translate again."
        if record.get("plugin"):
            return "It has a plugin already, which the bridge would have to replace: take it out, and translate again."
        if record.get("plugout"):
            return "It has a plugout: take it out, and translate again."
        if (protocol := record.get("protocol").lower()) != "pop3":
            return f"It uses {protocol.upper()}: write `proto pop3`, and translate again."
        if record.get("authenticate") not in ("", "any", "password"):
            return f"It signs in by {record.get('authenticate')}: take that out, and translate again."
        for name in _MOVED:
            value = record.get(name)
            if _unfit(self._path(value) if name in _FILES else value):
                return (
                    f"{name} is {readable(value)!r}, and fetchmail cannot hand that to a plugin: name a file by a "
                    "whole path without white space, %h or %p, and translate again."
                )
        return ""

    # -- the translation

    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """See DialectFile. A plugin is the entry's: its users are translated together or not at all."""
        by_entry: dict[int, list[int]] = {}
        for number, record in enumerate(self._records):
            by_entry.setdefault(id(record.entry), []).append(number)
        edits: list[Edit] = []
        remarks: dict[int, list[str]] = {}
        chosen: list[int] = []
        for numbers in by_entry.values():
            if wanted := [number for number in numbers if number in sign_ins]:
                if why := self._not_at_all(sign_ins[wanted[0]]) or self._not_together(numbers, sign_ins):
                    remarks |= {number: [why] for number in wanted}
                else:
                    chosen += numbers
        leaving = self._leaving(set(chosen))
        done: set[int] = set()
        for number in chosen:
            record = self._records[number]
            if id(record.entry) not in done:
                done.add(id(record.entry))
                edits += self._server_edits(record, self._plugin(record, sign_ins[number]))
            edits += self._user_edits(record, leaving)
            remarks[number] = self._remarks(record)
        edits += [self._replaced(option.values[-1], PASSWORD) for option in leaving]
        return Translation(edits, remarks)

    @staticmethod
    def _not_at_all(sign_in: SignIn) -> str:
        """Why fetchmail could not run the bridge: it splits a plugin at white space, and knows no quotes."""
        for what, value in (("path of oauth2-pop3", sign_in.command), ("provider's ca_certs", sign_in.ca_certs)):
            if _unfit(value):
                return (
                    f"The {what} is {value}, and fetchmail cannot hand white space, %h or %p to a plugin: make a "
                    "symbolic link without them, use that, and translate again."
                )
        return ""

    def _not_together(self, numbers: list[int], sign_ins: Mapping[int, SignIn]) -> str:
        """Why the users of an entry cannot share one bridge; "" if they can."""
        if not all(number in sign_ins for number in numbers):
            return "Another user of the same entry stays as it is, and a plugin is for all of them: split the entry."
        plugins = {self._plugin(self._records[number], sign_ins[number]) for number in numbers}
        if len(plugins) > 1:
            return (
                "The users of the entry differ in TLS settings or accounts, and a plugin is for all: split the entry."
            )
        return ""

    def _plugin(self, record: Record, sign_in: SignIn) -> str:
        """The command line of the bridge."""
        number = port(record)
        arguments = [sign_in.command, "bridge", "%h", str(number)]
        if record.get("ssl") != "yes" and number != 995:
            arguments.append("--starttls")
        if sign_in.address.lower() != readable(record.get("user")).lower():
            arguments += ["--account", sign_in.address]
        for name, option in _MOVED.items():
            if value := record.get(name):
                if name == "sslkey" and not record.get("sslcert"):
                    option = "--certfile"  # both are in one file then, for fetchmail too
                arguments += [option, self._path(value) if name in _FILES else value]
        if sign_in.ca_certs and "--ca-certs" not in arguments:
            arguments += ["--ca-certs", as_source(sign_in.ca_certs)]
        if record.get("sslproto").lower().startswith("tls1.3"):
            arguments += ["--tls-min-version", "1.3"]
        return " ".join(arguments)

    def _path(self, name: str) -> str:
        """fetchmail's relative paths begin at the file's directory, and a plugin's where fetchmail was started."""
        if name.startswith(("/", "-")) or not name:
            return name
        return os.fsencode(Path(self.source.file).expanduser().absolute().parent).decode("iso-8859-1") + f"/{name}"

    def _server_edits(self, record: Record, plugin: str) -> list[Edit]:
        edits, missing = [], [f"plugin {quoted(plugin)}"]
        own = [option for option in record.entry.options if option.name == "authenticate"]
        edits += [self._replaced(option.values[0], "password") for option in own if option.value != "password"]
        if not own:
            missing.append("auth password")
        return [*edits, self._inserted(record.entry, missing)]

    def _replaced(self, word: Word, by: str) -> Edit:
        """Another word in the place of one. A quoted one may have had the next word right behind it."""
        return Edit(word.start, word.end, by + self._space(word.end))

    def _space(self, at: int) -> str:
        """A blank, where the next word begins: two that stood apart must not become one."""
        return "" if self.source.text[at : at + 1] in " \t\r\n;:,=" else " "

    def _inserted(self, entry: Entry, texts: list[str]) -> Edit:
        """Behind the last option of the server: on the same line, or on lines of their own if that has one."""
        last = entry.last
        start = entry.options[-1].start if entry.options else last.start
        line, indent = self.source.line_span(start)[0], start
        while indent > line and self.source.text[indent - 1] in " \t":
            indent -= 1
        alone = bool(entry.options) and indent == line > entry.head[0].start
        separator = f"{self.source.line_end}{self.source.text[indent:start]}" if alone else " "
        return Edit(last.end, last.end, "".join(separator + text for text in texts) + self._space(last.end))

    def _user_edits(self, record: Record, leaving: set[Option]) -> list[Edit]:
        """Take TLS away from fetchmail, and the password out of the file."""
        edits, missing, out = [], [], list[Option]()
        options = record.user.options if record.user else []
        last = {option.name: option for option in options}
        ssl_by_default = self._defaults.get("ssl") == "yes"
        for option in options:
            if option.name == "password" or (option.name == "sslproto" and option is last["sslproto"]):
                value = PASSWORD if option.name == "password" else "''"
                edits.append(self._replaced(option.values[0], value))
            elif option.name == "ssl" and option is last["ssl"] and (option.negated or ssl_by_default):
                edits += [] if option.negated else [Edit(option.start, option.end, "no ssl")]
            elif option.name in _TLS:
                out.append(option)
        edits += [self._removal(start, end) for start, end in self._stretches(out)]
        if "sslproto" not in last:
            missing.append("sslproto ''")
        if "ssl" not in last and ssl_by_default:
            missing.append("no ssl")
        inherited = record.settings.get("password")
        if "password" not in last and (inherited is None or inherited not in leaving):
            missing.append(f"password {PASSWORD}")
        # Behind `user NAME there`; where there is none, the options of the user begin behind those of the server.
        definition = record.user.definition if record.user else None
        at = definition.end if definition else record.entry.last.end
        if missing:
            edits.append(Edit(at, at, "".join(f" {text}" for text in missing) + self._space(at)))
        return edits

    @cached_property
    def _defaults(self) -> dict[str, str]:
        first = self._entries[0] if self._entries else None
        if first is None or first.name != "defaults":
            return {}
        options = [*first.options, *(first.users[0].options if first.users else [])]
        return {option.name: option.value for option in options}

    def _stretches(self, options: list[Option]) -> list[tuple[int, int]]:
        """From where to where options stand that follow one another with nothing that counts in between."""
        found: list[tuple[int, int]] = []
        for option in options:
            if found and _NOTHING.fullmatch(self.source.text, found[-1][1], option.start):
                found[-1] = (found[-1][0], option.end)
            else:
                found.append((option.start, option.end))
        return found

    def _removal(self, start: int, end: int) -> Edit:
        """A stretch with the blanks before it, or with its lines, if nothing else stands there."""
        text, first = self.source.text, start
        line, _ = self.source.line_span(start)
        _, last_line_end = self.source.line_span(end - 1)
        while start > line and text[start - 1] in " \t":
            start -= 1
        if start == line:
            while end < last_line_end and text[end] in " \t":
                end += 1
            if not text[end:last_line_end].strip("\r\n") and end < len(text):
                return Edit(line, last_line_end)
            return Edit(first, end)
        if text[start - 1] == text[end : end + 1] == ",":
            start -= 1
        return Edit(start, end, self._space(end))

    def _leaving(self, chosen: set[int]) -> set[Option]:
        """The passwords of `defaults` that translated accounts had, and nobody else has."""
        inherited: dict[bool, set[Option]] = {True: set(), False: set()}
        for number, record in enumerate(self._records):
            password = record.settings.get("password")
            if password and "password" not in record.own:
                inherited[number in chosen].add(password)
        return inherited[True] - inherited[False]

    def _remarks(self, record: Record) -> list[str]:
        remarks = []
        if record.get("sslcertck") == "no" or (not record.get("sslcertck") and record.get("ssl") != "yes"):
            remarks.append("The server's certificate is verified from now on, always.")
        if moved := [name for name in _MOVED if record.get(name)]:
            remarks.append(f"{', '.join(moved)}: the bridge has it now.")
        proto = record.get("sslproto").lower()
        if proto not in ("", "auto", "ssl23", "tls1.2+") and not proto.startswith("tls1.3"):
            remarks.append(f"sslproto {readable(proto)}: the bridge speaks TLS 1.2 or later.")
        return remarks


def _unfit(argument: str) -> bool:
    """Whether fetchmail cannot hand it to a plugin."""
    return re.search(r"\s|%[hp]", argument) is not None


def _port_of_bridge(plugin: list[str]) -> int:
    return int(plugin[3]) if len(plugin) > 3 and plugin[3].isdecimal() else 0
