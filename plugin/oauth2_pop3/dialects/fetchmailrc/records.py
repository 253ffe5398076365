"""What the entries of a fetchmailrc come to: `defaults` merged in, and what fetchmail looks at after its grammar."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from oauth2_pop3.dialects.fetchmailrc.syntax import Entry, Option, User
from oauth2_pop3.dialects.source_text import SourceText, readable


@dataclass(eq=False)
class Record:
    """One user of an entry, or the entry itself if it names none: what fetchmail makes one query of.

    own: the options that stand at it, by name; settings: with those of `defaults` where it has none of its own.
    """

    entry: Entry
    user: User | None
    own: dict[str, Option]
    settings: dict[str, Option]

    def get(self, name: str) -> str:
        """What an option is set to, "" for not at all."""
        return self.settings[name].value if name in self.settings else ""


def records(source: SourceText, entries: list[Entry]) -> list[Record]:
    """What fetchmail makes queries of, `defaults` merged in. Raises DialectError where it would refuse that."""
    found: list[Record] = []
    defaults: dict[str, Option] | None = None
    for entry in entries:
        server = _by_name(entry.options)
        users: list[User | None] = [*entry.users] or [None]
        for user in users:
            definition = [user.definition] if user and user.definition else []
            own = {**server, **_by_name([*definition, *(user.options if user else [])])}
            if entry.name == "defaults" and defaults is None and not found:
                defaults = own
                continue
            record = Record(entry, user, own, {**(defaults or {}), **own})
            if defaults and "authenticate" in defaults and record.get("authenticate") == "any":
                record.settings["authenticate"] = defaults["authenticate"]  # `any` is as good as nothing there
            found.append(record)
            _check(source, record, first=len(found) == 1)
    for record in found:
        if record.get("idle") == "yes" and (len(found) > 1 or len(_words(record, "folder")) > 1):
            at = record.settings["idle"].start
            raise source.error(at, "idle is for a file of one account and one folder", directive="idle")
    return found


def _words(record: Record, name: str) -> list[str]:
    return [word.value for word in record.settings[name].values] if name in record.settings else []


def _check(source: SourceText, record: Record, *, first: bool) -> None:
    """What fetchmail looks at when it has read the file."""
    at, name = record.entry.head[0].start, readable(record.entry.name)
    if record.entry.name == "defaults" and not first:
        raise source.error(at, "there is more than one `defaults`, or it is not the first entry")
    if record.get("port") and port(record) < 0:
        raise source.error(at, f"the port of {name} is none")
    if "lmtp" in record.settings:
        hosts = _words(record, "smtphost") or [""]
        if any("/" not in host or host.rpartition("/")[2] in ("25", "smtp") for host in hosts):
            raise source.error(at, f"lmtp of {name} wants an smtphost with a port that is not SMTP's: host/port")
    if interface := record.get("interface"):
        _, *addresses = interface.split("/", 2)
        if not addresses or not all(map(_is_address, addresses)):
            raise source.error(at, f"interface of {name} is none: NAME/ADDRESS or NAME/ADDRESS/MASK is expected")


def _is_address(text: str) -> bool:
    try:
        socket.inet_aton(text)
    except (OSError, ValueError):
        return False
    return True


def _by_name(options: list[Option]) -> dict[str, Option]:
    """Options by name; of several, the last. `is NAME there` names the user, `port` and `service` are one."""
    found = {}
    for option in options:
        name = {"service": "port"}.get(option.name, option.name)
        if name == "is":
            if not option.values:
                continue
            name = "user"
        found[name] = option
    return found


def port(record: Record) -> int:
    """The port that fetchmail would connect to; -1 for one that it would not take."""
    service = record.get("port")
    if not service:
        return 995 if record.get("ssl") == "yes" else 110
    if service.lstrip("-").isdecimal():
        return int(service) if 0 < int(service) < 65536 else -1
    try:
        return {"pop3": 110, "pop3s": 995}.get(service) or socket.getservbyname(service, "tcp")
    except OSError:
        return -1
