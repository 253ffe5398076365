"""Move the configuration files of getmail, fetchmail and mpop to OAuth 2.0; nothing in them is lost.

Shows what would change, as a unified diff and a table of the file's accounts, and changes nothing without --write.
Without FILE it looks where the hosts look. Passwords are never shown. Exit codes: 0, 64 the command line, 78 a file
that cannot be read or written (it is then as it was).

With --json: a list of objects, one a file, with file, dialect, changed, written, backup, diff, remarks, and accounts:
line, name, protocol, server, port, username, outcome (translated, already, left), address, provider, why, remarks,
todo. A file that cannot be read has file and error instead; with --undo each has file and kept. Names may be added.
"""

from __future__ import annotations

import json
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error, UsageError, one_line

if TYPE_CHECKING:
    from oauth2_pop3.dialects import Dialect
    from oauth2_pop3.translation.translate import Row, TranslatedFile, Wishes


_NOT_IN_USE = re.compile(r"^\.|~$|\.(bak|old|orig|save|rej|dpkg-\w+)$|\.(before|after)-oauth2-pop3")
"""Names of files in a host's directory that are copies: of editors, of packages, of ours."""


def add_arguments(parser: ArgumentParser) -> None:
    """FILE... and what to do with it."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="a getmailrc, fetchmailrc or mpoprc")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="replace the file, and keep a backup beside it")
    what.add_argument("--undo", action="store_true", help="put the backup back")
    what.add_argument("--output", metavar="OTHER", help="write the result elsewhere; - is standard output")
    parser.add_argument("--dialect", metavar="NAME", default="", help="the file's kind, if it is not recognised")
    parser.add_argument("--only", metavar="ADDRESS", action="append", default=[], help="only this account; repeatable")
    parser.add_argument(
        "--keep-type", action="store_true", help="getmailrc: keep getmail's own type, with password_command"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Translate each file; one that cannot be read does not stop the others."""
    import gc

    from oauth2_pop3.translation.translate import Wishes

    gc.disable()  # a large file is many small objects, and none of them is garbage before the end
    if options.output and len(options.files) != 1:
        raise UsageError("--output wants exactly one FILE")
    if options.output == "-" and options.json:
        raise UsageError("--output - and --json both want standard output", hint="Name a file for --output.")
    wishes = Wishes(dialect=options.dialect, only=options.only, keep_type=options.keep_type)
    code, objects, met = 0, [], set[str]()
    for name in options.files or _found(wishes, undo=options.undo):
        try:
            objects.append(_undo(name) if options.undo else _translate(name, options, wishes, met))
        except OAuth2Pop3Error as error:
            code = max(code, error.exit_code)
            objects.append({"file": name, "error": str(error)})
            print(f"oauth2-pop3: {error.message}", file=sys.stderr)
            if error.hint:
                print(f"  {error.hint}", file=sys.stderr)
    if options.json:
        print(json.dumps(objects, indent=1))
    unmet = [address for address in options.only if address.lower() not in met]
    if unmet and not code and not options.undo:
        raise UsageError(f"no account in the file is {unmet[0]}", hint="--only takes the address of an account.")
    return code


def _found(wishes: Wishes, *, undo: bool) -> list[str]:
    """The files that the hosts would read. Raises ConfigError where there is none."""
    from oauth2_pop3.translation.translate import dialects

    found, looked = [], []
    for dialect in dialects().values():
        if wishes.dialect not in ("", dialect.name):
            continue
        for location in dialect.locations:
            looked.append(location)
            config_home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
            place = Path(location.replace("~/.config", config_home)).expanduser()
            try:
                inside = sorted(place.iterdir()) if place.is_dir() else None
                files = [place] if inside is None else [file for file in inside if not _NOT_IN_USE.search(file.name)]
                found += [str(file) for file in files if _is_one(file, dialect, undo=undo, sure=inside is None)]
            except OSError as error:
                print(f"oauth2-pop3: {place} is left out: {error.strerror}", file=sys.stderr)
    if not found:
        raise ConfigError(
            f"no {'backup' if undo else 'file'} was found; looked at {', '.join(looked)}", hint="Name the file."
        )
    return found


def _is_one(file: Path, dialect: Dialect, *, undo: bool, sure: bool) -> bool:
    """Whether a file that was found is one to take. sure: it is where the host has its file, and no other."""
    from oauth2_pop3.files.host_file import HostFile

    if not file.is_file():
        return False
    if not os.access(file, os.R_OK):
        print(f"oauth2-pop3: {file} cannot be read by this user and is left out", file=sys.stderr)
        return False
    if undo:
        return HostFile.has_backup(file)
    if sure:
        return True
    try:
        return dialect.recognises(str(file), HostFile.read(str(file)).content)
    except ConfigError:  # getmail's memory of a large mailbox, perhaps
        return False


def _undo(name: str) -> dict[str, object]:
    from oauth2_pop3.files.host_file import HostFile

    backup, kept = HostFile.read(name).undo()
    print(f"{name} is again what {backup} was; what it was until now is kept as {kept}.", file=sys.stderr)
    return {"file": name, "kept": str(kept)}


def _translate(name: str, options: Namespace, wishes: Wishes, met: set[str]) -> dict[str, object]:
    from oauth2_pop3.files.host_file import HostFile, write_new
    from oauth2_pop3.translation.translate import translate

    file = HostFile.read(name)
    result = translate(name, file.content, wishes)
    met.update(row.address.lower() for row in result.rows)
    changed = result.content != file.content
    backup = ""
    if options.write and changed:
        backup = str(file.replace(result.content))
    elif options.output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(result.content)
    elif options.output:
        write_new(options.output, result.content)
    if not options.json and options.output != "-":
        sys.stdout.write(result.diff)
    if not options.json:
        table = sys.stderr if options.output == "-" else sys.stdout
        print("\n".join(_table(name, result, written=bool(backup), backup=backup)), file=table)
    return {
        "file": name,
        "dialect": result.dialect,
        "changed": changed,
        "written": bool(backup),
        "backup": backup,
        "diff": result.diff,
        "remarks": list(result.remarks),
        "accounts": [_object(row) for row in result.rows],
    }


def _table(name: str, result: TranslatedFile, *, written: bool, backup: str) -> list[str]:
    """What becomes of each account, for people."""
    lines = [f"{name} ({result.dialect}):"]
    for row in result.rows:
        lines += _entry(row)
    if not result.rows:
        lines.append("  there is no account in it")
    lines += [f"  {remark}" for remark in result.remarks]
    if written:
        holds = " It still has the passwords, and only its owner can read it." if result.holds_passwords else ""
        lines += [f"Written. The backup is {backup}.{holds}", f"To put it back: oauth2-pop3 translate {name} --undo"]
    elif result.diff:
        lines.append("Nothing was changed yet: add --write.")
    else:
        lines.append("There is nothing to change.")
    return lines


def _entry(row: Row) -> list[str]:
    account = row.found
    where = f"  line {account.line}: {one_line(account.username) or 'no user name'} at {one_line(account.server)}"
    if row.outcome == "translated":
        head = f"{where}: signs in by OAuth 2.0 as {row.address} ({row.provider})"
    elif row.outcome == "already":
        head = f"{where}: uses oauth2-pop3 already"
    else:
        head = f"{where}: left as it is. {one_line(row.why)}"
    return [head, *(f"      {one_line(remark)}" for remark in row.remarks), *(f"      To do: {t}" for t in row.todo)]


def _object(row: Row) -> dict[str, object]:
    account = row.found
    return {
        "line": account.line,
        "name": account.name,
        "protocol": account.protocol,
        "server": account.server,
        "port": account.port,
        "username": account.username,
        "outcome": row.outcome,
        "address": row.address,
        "provider": row.provider,
        "why": row.why,
        "remarks": list(row.remarks),
        "todo": list(row.todo),
    }
