"""mpoprc: the configuration of mpop, which has XOAUTH2 and OAUTHBEARER itself and lacks the tokens alone."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import PurePath

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation, is_our_command
from oauth2_pop3.dialects.mpoprc.syntax import LINE_LIMIT, Section, Statement, integer, parse
from oauth2_pop3.dialects.source_text import MASK, Edit, SourceText, as_source, readable

_SINCE = {"xoauth2": (1, 4, 11), "oauthbearer": (1, 4, 5)}
"""The mpop that has a mechanism (its NEWS)."""
_LONG_TOKENS = (1, 4, 22)
_DEBIAN_12 = (1, 4, 18)
_OURS = ("auth", "password", "passwordeval")
"""The settings that a translation is about, in the order in which they are written."""

_Values = dict[str, str]


class MpopRc(Dialect):
    """Reads mpop's configuration."""

    name = "mpoprc"
    locations = ("~/.mpoprc", "~/.config/mpop/config")

    def recognises(self, file_name: str, content: bytes) -> bool:
        """By its name, or by its first command and what mpop alone has."""
        path = PurePath(file_name)
        if path.name.lstrip(".").startswith("mpop") or path.parts[-2:] == ("mpop", "config"):
            return True
        lines = [line.split() for line in content.splitlines()]
        words = [line[0] for line in lines if line and not line[0].startswith(b"#")]
        return words[:1] in ([b"account"], [b"defaults"]) and b"host" in words and b"from" not in words

    def read(self, file_name: str, content: bytes) -> MpopFile:
        """See Dialect."""
        return MpopFile(SourceText(file_name, content))


class MpopFile(DialectFile):
    """A file and its sections; account number n is the nth section with a name."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self._all = parse(source)
        self._sections = [section for section in self._all if section.name]
        self.accounts = [self._account(section) for section in self._sections]
        self.secrets = [
            statement.raw
            for section in self._all
            for statement in section.statements
            if statement.command == "eval" or _shown(statement.command, statement.argument) == MASK
        ]

    def _account(self, section: Section) -> DialectAccount:
        settings = {command: statement.argument for command, statement in section.settings.items()}
        over_tls = settings.get("tls", "off") in ("", "on")
        at_once = over_tls and settings.get("tls_starttls") == "off"
        return DialectAccount(
            line=self.source.line(section.header.start),
            name=readable(section.name),
            protocol="pop3",
            server=readable(settings.get("host", "")),
            port=integer(settings["port"]) if "port" in settings else 995 if at_once else 110,
            username=readable(settings.get("user", "")),
            uses_oauth2_pop3=_is_ours(settings),
            obstacle=_obstacle(settings),
        )

    # -- the translation

    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """See DialectFile. An account keeps what it resolves to, whatever becomes of those that it inherits from."""
        remarks: dict[int, list[str]] = {}
        wanted: dict[int, _Values] = {}
        for number, sign_in in sign_ins.items():
            values, remarks[number] = _wanted(sign_in)
            if values:
                wanted[id(self._sections[number])] = values
        leaving = self._leaving(wanted)
        edits: list[Edit] = []
        defaults: _Values = {}
        bequeathed: dict[int, _Values] = {}
        for section in self._all:
            own = {key: statement.argument for key, statement in section.own.items() if key in _OURS}
            passed_on: _Values = {}
            for parent in section.parents:
                passed_on.update(bequeathed[id(parent)])
            if not section.name:
                result = {key: value for key, value in own.items() if section.own[key] not in leaving}
                defaults.update(result)
            else:
                inherited = {**defaults, **passed_on}
                target = wanted.get(id(section)) or self._kept(section, leaving)
                unchanged = all({**inherited, **own}.get(key, "") == target.get(key, "") for key in _OURS)
                result = own if unchanged else _statements_for(inherited, target, own)
            edits += self._rewrite(section, own, result)
            bequeathed[id(section)] = {**passed_on, **result}
        return Translation(edits, remarks)

    def _kept(self, section: Section, leaving: set[Statement]) -> _Values:
        """What an account that stays has to resolve to: what it did, but for a password that leaves the file."""
        settings = section.settings
        return {key: settings[key].argument for key in _OURS if key in settings and settings[key] not in leaving}

    def _leaving(self, wanted: Mapping[int, _Values]) -> set[Statement]:
        """The passwords that translated accounts had, and that no account needs which stays.

        One without a host or a user is no account, but there to be inherited from.
        """
        stay, go = set(), set()
        for section in self._sections:
            if password := section.settings.get("password"):
                if id(section) in wanted:
                    go.add(password)
                elif {"host", "user"} <= section.settings.keys():
                    stay.add(password)
        return go - stay

    def _rewrite(self, section: Section, own: _Values, result: _Values) -> list[Edit]:
        """The edits that make a section say result instead of own."""
        edits, missing = [], [key for key in _OURS if key in result and key not in own]
        for statement in section.statements:
            key = statement.command
            if key not in _OURS or (key in result and result[key] == own[key]):
                continue
            if key in result and statement == section.own[key]:
                start, end = statement.raw
                blank = " " * (start == end)
                edits.append(Edit(start, end, blank + _written(key, result[key]), blank + _shown(key, result[key])))
            elif key == "password" and "passwordeval" in missing:
                # In the place of what it replaces.
                missing.remove("passwordeval")
                first, value = self.source.text.index("password", statement.start), result["passwordeval"]
                written, shown = (f"passwordeval {of('passwordeval', value)}" for of in (_written, _shown))
                edits.append(Edit(first, statement.raw[1], written, shown))
            else:
                edits.append(Edit(statement.start, statement.end))
        return [*edits, *self._inserted(section, {key: result[key] for key in missing})]

    def _inserted(self, section: Section, values: _Values) -> list[Edit]:
        if not values:
            return []
        neighbour = section.own.get("user") or (section.statements[-1] if section.statements else section.header)
        like = neighbour if neighbour is not section.header else None
        text = self.source.text
        indent = text[like.start : text.index(like.command, like.start)] if like else ""
        end = self.source.line_end
        last = text[neighbour.end - 1] != "\n"  # the last line of the file has no end
        # A carriage return there belongs to the value, and a line feed behind it would take it away.
        before = "" if not last else "\r\n" if text.endswith("\r") else end
        written, shown = (
            before
            + end.join(f"{indent}{key} {of(key, value)}".rstrip() for key, value in values.items())
            + ("" if last else end)
            for of in (_written, _shown)
        )
        return [Edit(neighbour.end, neighbour.end, written, shown)]


def _statements_for(inherited: _Values, target: _Values, own: _Values) -> _Values:
    """What a section has to say itself, so that with what it inherits it comes to target."""
    result = {}
    for key in _OURS:
        value = target.get(key, "")
        if inherited.get(key, "") != value or (key in own and own[key] == value):
            result[key] = value
    return result


def _wanted(sign_in: SignIn) -> tuple[_Values, list[str]]:
    """What a translated account resolves to; nothing, and why, where this mpop cannot do it."""
    version = installed_version()
    name = ".".join(map(str, version))
    mechanisms = sign_in.mechanisms or tuple(_SINCE)
    mechanism = next((m for m in mechanisms if m in _SINCE and version >= _SINCE[m]), "")
    if not mechanism:
        return {}, [f"mpop {name} has neither of {', '.join(mechanisms)}: install a later one."]
    command = f"{shlex.quote(sign_in.command)} token {shlex.quote(sign_in.address)}"
    if len(command) + len("passwordeval  ") + 40 > LINE_LIMIT or any(ord(c) < 32 for c in command):
        return {}, ["The command would not fit into a line of mpop's configuration."]
    remarks = []
    if version < _LONG_TOKENS:
        remarks.append(f"mpop {name} cannot send an access token of more than about 3,000 characters; 1.4.22 can.")
    return {"auth": mechanism, "passwordeval": as_source(command)}, remarks


def _written(key: str, value: str) -> str:
    if key == "auth" and not value:
        return "on"  # says the same, and is easier to read
    return f'"{value}"' if value and (" " in value or "\t" in value or value[0] == '"') else value


def _shown(key: str, value: str) -> str:
    """As _written, for the diff: an account that stays may get a password that another one had."""
    secret = value and (key == "password" or (key == "passwordeval" and not _is_our_helper(value)))
    return MASK if secret else _written(key, value)


def _is_ours(settings: Mapping[str, str]) -> bool:
    if settings.get("password") or settings.get("auth") not in _SINCE:
        return False
    return _is_our_helper(settings.get("passwordeval", ""))


def _is_our_helper(command: str) -> bool:
    if "oauth2-pop3" not in command:
        return False
    try:  # shlex is slow, and seldom needed
        words = shlex.split(command) if set(command) & set("\"'\\") else command.split()
    except ValueError:
        return False
    return is_our_command(words, "token")


def _obstacle(settings: Mapping[str, str]) -> str:
    for name in ("host", "user"):
        if not settings.get(name):
            return f"It names no {name}."
    if "eval" in settings:
        return "A line `eval` may say anything: write what it prints instead of it, and translate again."
    if settings.get("socket"):
        return "It connects to a local socket."
    if settings.get("tls", "off") == "off":
        return "It has no TLS, and a token is never sent without: add `tls on`, and translate again."
    if settings.get("tls_certcheck") == "off" and not settings.get("tls_fingerprint"):
        return "Its server's certificate is not checked (tls_certcheck off): take that out, and translate again."
    return ""


@cache
def installed_version() -> tuple[int, ...]:
    """The version of the mpop on this machine; Debian 12's where there is none."""
    mpop = shutil.which("mpop")
    if mpop:
        try:
            said = subprocess.run([mpop, "--version"], capture_output=True, timeout=10, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            said = b""
        if found := re.search(rb"mpop version (\d+)\.(\d+)\.(\d+)", said):
            return tuple(int(number) for number in found.groups())
    return _DEBIAN_12
