"""Try accounts, for cron: silent and 0 when all is well.

Otherwise a line an account on standard error, and the exit code 77 (a person must act), 75 (try again later) or
another of errors.py. With --json: a list of objects with account, exit_code (0 for well), message and hint.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial

_AT_ONCE = 4


def add_arguments(parser: ArgumentParser) -> None:
    """[ACCOUNT ...] [--all] [--days N] [--no-connect] [--json]."""
    parser.add_argument("accounts", metavar="ACCOUNT", nargs="*", help="which to try; all, if none is named")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--days", metavar="N", type=_days, default=3.0, help="tell of a sign-in that ends within N days (%(default)s)"
    )
    parser.add_argument("--no-connect", action="store_true", help="do not sign in to the POP3 servers")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Try them, and say what is wrong."""
    from oauth2_pop3.accounts import upkeep as check
    from oauth2_pop3.accounts.config import Config

    act = partial(check.check, days=options.days, connect=not options.no_connect)
    findings = check.each(check.chosen([] if options.all else options.accounts, Config.load()), act, at_once=_AT_ONCE)
    if options.json:
        print(
            json.dumps(
                [
                    {
                        "account": finding.account,
                        "exit_code": finding.exit_code,
                        "message": finding.error.message if finding.error else "",
                        "hint": finding.error.hint if finding.error else "",
                    }
                    for finding in findings
                ],
                indent=1,
            )
        )
    else:
        for finding in findings:
            if finding.error:
                print(f"oauth2-pop3: {finding.account}: {finding.error}", file=sys.stderr)
    return check.exit_code(findings)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < 10000:
        raise ArgumentTypeError(f"{text!r} is not a number of days")
    return days
