"""Move the configuration files of getmail, fetchmail and mpop to OAuth 2.0; nothing in them is lost.

It shows what would change, as a unified diff and a list of the file's accounts, and changes nothing without --write.
Without FILE it takes the files that getmail, fetchmail and mpop would read. Passwords are never shown.
Exit codes: 0; 64 the command line is wrong; 78 a file cannot be read or written, and is as it was.

With --json it prints a list with an object for each file: file, dialect, changed, written, backup, diff, remarks, and
accounts, a list of objects: line, name, protocol, server, port, username, outcome (translated, already, left), address,
provider, why, remarks, todo. A file that cannot be read has file and error instead, and with --undo each has file and
kept. Later versions may add names.
"""

from __future__ import annotations

import json
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from oauth2_pop3.cli import fail
from oauth2_pop3.errors import UsageError, one_line

if TYPE_CHECKING:
    from oauth2_pop3.translation.batch import Failed, Translated, Undone
    from oauth2_pop3.translation.decisions import Decision


def add_arguments(parser: ArgumentParser) -> None:
    """FILE... and what to do with it."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="a getmailrc, fetchmailrc or mpoprc")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="replace the file, and keep a backup beside it")
    what.add_argument("--undo", action="store_true", help="put the backup back")
    what.add_argument("--output", metavar="OTHER", help="write the result to a new file; - is standard output")
    parser.add_argument("--dialect", metavar="NAME", default="", help="the file's kind, if it is not recognised")
    parser.add_argument("--only", metavar="ADDRESS", action="append", default=[], help="only this account; repeatable")
    parser.add_argument(
        "--keep-type", action="store_true", help="getmailrc: keep getmail's own type, with password_command"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Translate the files, or put their backups back, and print what became of each."""
    if options.output and len(options.files) != 1:
        raise UsageError("--output needs exactly one FILE")
    if options.output == "-" and options.json:
        raise UsageError("--output - and --json both need standard output", hint="Name a file for --output.")
    with _garbage_collection_paused():
        return _undo(options) if options.undo else _translate(options)


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """A large file is many small objects, all of them in use until the end, and a search for garbage finds none."""
    import gc

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _translate(options: Namespace) -> int:
    from oauth2_pop3.translation import batch
    from oauth2_pop3.translation.translate import Translator

    to_stdout = options.output == "-"
    translator = Translator(dialect=options.dialect, only=options.only, keep_type=options.keep_type)
    results = batch.translate(
        options.files,
        translator,
        write=options.write,
        output="" if to_stdout else options.output or "",
        warn=_warn,
    )

    def show(result: Translated) -> None:
        if to_stdout:
            sys.stdout.flush()
            sys.stdout.buffer.write(result.file.content)
            print("\n".join(_summary(result)), file=sys.stderr)
        elif not options.json:
            sys.stdout.write(result.file.diff)
            print("\n".join(_summary(result)))

    code = _print(results, show, as_json=options.json)
    if not code:
        translator.require_all_met()
    return code


def _undo(options: Namespace) -> int:
    from oauth2_pop3.translation import batch

    def show(result: Undone) -> None:
        name, backup, kept = result.name, result.backup, result.kept
        print(f"{name} was put back from {backup}. Its previous content was saved as {kept}.", file=sys.stderr)

    return _print(batch.undo(options.files, dialect=options.dialect, warn=_warn), show, as_json=options.json)


_Result = TypeVar("_Result", "Translated", "Undone")


def _print(results: Iterator[_Result | Failed], show: Callable[[_Result], None], *, as_json: bool) -> int:
    """Print what became of each file as soon as it is known, or all of it as JSON; the worst exit code."""
    from oauth2_pop3.translation.batch import Failed

    code, objects = 0, []
    for result in results:
        if isinstance(result, Failed):
            code = max(code, fail(result.error))
        else:
            show(result)
        objects.append(_object(result))
    if as_json:
        print(json.dumps(objects, indent=1))
    return code


def _warn(text: str) -> None:
    print(f"oauth2-pop3: {text}", file=sys.stderr)


def _summary(result: Translated) -> list[str]:
    """What becomes of each account and of the file, for people."""
    name, file = result.name, result.file
    lines = [f"{name} ({file.dialect}):"]
    for decision in file.decisions:
        lines += _entry(decision)
    if not file.decisions:
        lines.append("  It has no account.")
    lines += [f"  {remark}" for remark in file.remarks]
    if result.backup:
        holds = " It still has the passwords, and only its owner can read it." if file.holds_passwords else ""
        lines += [
            f"Written. The backup is {result.backup}.{holds}",
            f"To put it back: oauth2-pop3 translate {shlex.quote(name)} --undo",
        ]
    elif file.diff:
        lines.append("Nothing was changed yet: add --write.")
    else:
        lines.append("There is nothing to change.")
    return lines


def _entry(decision: Decision) -> list[str]:
    account = decision.found
    who = f"  line {account.line}: {one_line(account.username) or 'no user name'} at {one_line(account.server)}"
    if decision.outcome == "translated":
        head = f"{who}: signs in with OAuth 2.0 as {decision.address} ({decision.provider})"
    elif decision.outcome == "already":
        head = f"{who}: uses oauth2-pop3 already"
    else:
        head = f"{who}: left as it is. {one_line(decision.why)}"
    remarks = (f"      {one_line(remark)}" for remark in decision.remarks)
    return [head, *remarks, *(f"      To do: {todo}" for todo in decision.todo)]


def _object(result: Translated | Undone | Failed) -> dict[str, object]:
    """What became of a file, for programs."""
    from oauth2_pop3.translation import batch

    if isinstance(result, batch.Failed):
        return {"file": result.name, "error": str(result.error)}
    if isinstance(result, batch.Undone):
        return {"file": result.name, "kept": str(result.kept)}
    return {
        "file": result.name,
        "dialect": result.file.dialect,
        "changed": result.changed,
        "written": bool(result.backup),
        "backup": result.backup,
        "diff": result.file.diff,
        "remarks": list(result.file.remarks),
        "accounts": [_account_object(decision) for decision in result.file.decisions],
    }


def _account_object(decision: Decision) -> dict[str, object]:
    account = decision.found
    return {
        "line": account.line,
        "name": account.name,
        "protocol": account.protocol,
        "server": account.server,
        "port": account.port,
        "username": account.username,
        "outcome": decision.outcome,
        "address": decision.address,
        "provider": decision.provider,
        "why": decision.why,
        "remarks": list(decision.remarks),
        "todo": list(decision.todo),
    }
