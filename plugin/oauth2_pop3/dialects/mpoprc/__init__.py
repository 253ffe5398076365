"""mpoprc: the configuration of mpop, which has XOAUTH2 and OAUTHBEARER itself and needs only the tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePath

from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn, Translation
from oauth2_pop3.dialects.mpoprc.commands import has_swallowed_password, integer
from oauth2_pop3.dialects.mpoprc.edits import rewritten
from oauth2_pop3.dialects.mpoprc.installed import DEBIAN_12, Version, installed_version
from oauth2_pop3.dialects.mpoprc.settings import SIGN_IN, Values, needed, shown, uses_our_helper, wanted
from oauth2_pop3.dialects.mpoprc.syntax import Section, Statement, parse
from oauth2_pop3.dialects.source_text import MASK, Edit, SourceText, without_password


class MpopRc(Dialect):
    """Reads mpop's configuration."""

    name = "mpoprc"
    locations = ("~/.mpoprc", "~/.config/mpop/config")

    @cached_property
    def _version(self) -> Version:
        return installed_version()

    def recognises(self, file_name: str, content: bytes) -> bool:
        """Recognise it by its name, or by its first command and a command that only mpop has."""
        path = PurePath(file_name)
        if path.name.lstrip(".").startswith("mpop") or path.parts[-2:] == ("mpop", "config"):
            return True
        lines = [line.split() for line in content.splitlines()]
        words = [line[0] for line in lines if line and not line[0].startswith(b"#")]
        return words[:1] in ([b"account"], [b"defaults"]) and b"host" in words and b"from" not in words

    def read(self, file_name: str, content: bytes) -> MpopFile:
        """See Dialect."""
        return MpopFile(SourceText(file_name, content), self._version)


class MpopFile(DialectFile):
    """A file and its sections; account number n is the nth section with a name. version: of the mpop that reads it."""

    def __init__(self, source: SourceText, version: Version = DEBIAN_12) -> None:
        self.source = source
        self._version = version
        self._all = parse(source)
        self._sections = [section for section in self._all if section.name]
        self.accounts = [self._account(section) for section in self._sections]
        self.secrets = [
            statement.raw
            for section in self._all
            for statement in section.statements
            if statement.command == "eval"
            or shown(statement.command, statement.argument) == MASK
            or has_swallowed_password(statement.command, statement.argument)
        ]
        self.secrets += [s.header.raw for s in self._sections if has_swallowed_password("account", s.header.argument)]

    def _account(self, section: Section) -> DialectAccount:
        settings = {command: statement.argument for command, statement in section.settings.items()}
        over_tls = settings.get("tls", "off") in ("", "on")
        at_once = over_tls and settings.get("tls_starttls") == "off"
        return DialectAccount(
            line=self.source.line(section.header.start),
            name=without_password(section.name),
            protocol="pop3",
            server=without_password(settings.get("host", "")),
            port=integer(settings["port"]) if "port" in settings else 995 if at_once else 110,
            username=without_password(settings.get("user", "")),
            uses_oauth2_pop3=uses_our_helper(settings),
            obstacle=_obstacle({**settings, "account": section.name}),
        )

    # -- the translation

    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """See DialectFile. All other accounts keep their settings, even if they inherit from a translated one."""
        remarks: dict[int, list[str]] = {}
        targets: dict[int, Values] = {}
        for number, sign_in in sign_ins.items():
            values, remarks[number] = wanted(sign_in, self._version)
            if values:
                targets[id(self._sections[number])] = values
        leaving = self._leaving(targets)
        edits: list[Edit] = []
        defaults: Values = {}
        bequeathed: dict[int, Values] = {}
        for section in self._all:
            own = {key: statement.argument for key, statement in section.own.items() if key in SIGN_IN}
            from_parents: Values = {}
            for parent in section.parents:
                from_parents.update(bequeathed[id(parent)])
            if not section.name:
                result = {key: value for key, value in own.items() if section.own[key] not in leaving}
                defaults.update(result)
            else:
                target = targets.get(id(section)) or _kept(section, leaving)
                result = _result({**defaults, **from_parents}, target, own)
            edits += rewritten(self.source, section, own, result)
            bequeathed[id(section)] = {**from_parents, **result}
        return Translation(edits, remarks)

    def _leaving(self, translated: Mapping[int, Values]) -> set[Statement]:
        """The passwords of translated accounts that no other account needs. translated: by the section's id.

        A section without a host or a user is not an account: others inherit from it.
        """
        stay, go = set(), set()
        for section in self._sections:
            if password := section.settings.get("password"):
                if id(section) in translated:
                    go.add(password)
                elif {"host", "user"} <= section.settings.keys():
                    stay.add(password)
        return go - stay


def _kept(section: Section, leaving: set[Statement]) -> Values:
    """The settings of an account that is not translated: those that it had, without a password that leaves the file."""
    settings = section.settings
    return {key: settings[key].argument for key in SIGN_IN if key in settings and settings[key] not in leaving}


def _result(inherited: Values, target: Values, own: Values) -> Values:
    """What a section says itself: what it said, if it comes to target that way."""
    now = {**inherited, **own}
    unchanged = all(now.get(key, "") == target.get(key, "") for key in SIGN_IN)
    return own if unchanged else needed(inherited, target, own)


def _obstacle(settings: Mapping[str, str]) -> str:
    for name in ("host", "user"):
        if not settings.get(name):
            return f"It has no {name}."
    for name, argument in settings.items():
        if has_swallowed_password(name, argument):
            return f"There is a password in its {name}: write it on a line of its own, and translate again."
    if "eval" in settings:
        return "The output of a line `eval` is not known: write what it prints in its place, and translate again."
    if settings.get("socket"):
        return "It connects to a local socket."
    if settings.get("tls", "off") == "off":
        return "It does not use TLS, and a token is never sent without TLS: add `tls on`, and translate again."
    if settings.get("tls_certcheck") == "off" and not settings.get("tls_fingerprint"):
        return "Its server's certificate is not checked (tls_certcheck off): remove that line, and translate again."
    return ""
