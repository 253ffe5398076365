"""The accounts of a fetchmailrc: `defaults` merged into each entry, and fetchmail's checks after its grammar."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from oauth2_pop3.dialects.fetchmailrc.syntax import Entry, FetchmailOption, User
from oauth2_pop3.dialects.source_text import SourceText, port_number, readable


@dataclass(eq=False)
class Record:
    """One user of an entry, or the entry itself if it names no user: fetchmail makes one query of each.

    own: the record's own options, by name.
    settings: these, and those of `defaults` that it does not have itself.
    """

    entry: Entry
    user: User | None
    own: dict[str, FetchmailOption]
    settings: dict[str, FetchmailOption]

    def get(self, name: str) -> str:
        """The value of an option, "" if it is not set."""
        return self.settings[name].value if name in self.settings else ""


def records(source: SourceText, entries: list[Entry]) -> list[Record]:
    """Find the records of a file, with `defaults` merged in. Raises DialectError at what fetchmail would refuse."""
    found: list[Record] = []
    defaults: dict[str, FetchmailOption] | None = None
    for entry in entries:
        for user, own in _users(entry):
            if entry.name == "defaults" and defaults is None and not found:
                defaults = own
                continue
            record = Record(entry, user, own, {**(defaults or {}), **own})
            if defaults and "authenticate" in defaults and record.get("authenticate") == "any":
                record.settings["authenticate"] = defaults["authenticate"]  # to fetchmail, `any` is not set
            found.append(record)
            _check(source, record, first=len(found) == 1)
    _check_idle(source, found)
    return found


def _users(entry: Entry) -> Iterator[tuple[User | None, dict[str, FetchmailOption]]]:
    """The users of an entry, and the options of each with those of its server; one None for an entry without users."""
    server = _by_name(entry.options)
    if not entry.users:
        yield None, server
    for user in entry.users:
        definition = [user.definition] if user.definition else []
        yield user, {**server, **_by_name([*definition, *user.options])}


def _words(record: Record, name: str) -> list[str]:
    return [word.value for word in record.settings[name].values] if name in record.settings else []


def _check(source: SourceText, record: Record, *, first: bool) -> None:
    """Refuse what fetchmail refuses after it has read the whole file."""
    at, name = record.entry.head[0].start, readable(record.entry.name)
    if record.entry.name == "defaults" and not first:
        raise source.error(at, "there is more than one `defaults`, or it is not the first entry")
    if record.get("port") and port(record) < 0:
        raise source.error(at, f"the port of {name} is not a port")
    if "lmtp" in record.settings and not _is_lmtp_host(_words(record, "smtphost")):
        raise source.error(at, f"lmtp of {name} needs an smtphost with a port other than SMTP's: host/port")
    if (interface := record.get("interface")) and not _is_interface(interface):
        raise source.error(at, f"interface of {name}: NAME/ADDRESS or NAME/ADDRESS/MASK is expected")


def _check_idle(source: SourceText, found: list[Record]) -> None:
    for record in found:
        if record.get("idle") == "yes" and (len(found) > 1 or len(_words(record, "folder")) > 1):
            at = record.settings["idle"].start
            raise source.error(at, "idle is for a file of one account and one folder", directive="idle")


def _is_lmtp_host(hosts: list[str]) -> bool:
    return bool(hosts) and all("/" in host and host.rpartition("/")[2] not in ("25", "smtp") for host in hosts)


def _is_interface(text: str) -> bool:
    _, *addresses = text.split("/", 2)
    return bool(addresses) and all(map(_is_address, addresses))


def _is_address(text: str) -> bool:
    try:
        socket.inet_aton(text)
    except (OSError, ValueError):
        return False
    return True


def _by_name(options: list[FetchmailOption]) -> dict[str, FetchmailOption]:
    """Options by name; the last one counts. `is NAME there` names the user, and `service` means `port`."""
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
    """The port that fetchmail would connect to; -1 if it would refuse what the file says."""
    service = record.get("port")
    if not service:
        return 995 if record.get("ssl") == "yes" else 110
    if service.lstrip("-").isdecimal():
        return port_number(service) or -1
    try:
        return {"pop3": 110, "pop3s": 995}.get(service) or socket.getservbyname(service, "tcp")
    except OSError:
        return -1
