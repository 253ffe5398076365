"""Try accounts. If all is well, print nothing and exit with 0. For cron.

Otherwise it prints a line for each account on standard error, and its exit code is 77 (a person must act), 75 (try
again later) or another one. With --json: a list of objects with account, exit_code (0: all is well), message and hint.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial

from oauth2_pop3.cli import print_findings

_AT_ONCE = 4


def add_arguments(parser: ArgumentParser) -> None:
    """[ACCOUNT ...] [--all] [--days N] [--no-connect] [--json]."""
    parser.add_argument("accounts", metavar="ACCOUNT", nargs="*", help="the accounts to try; all, if you name none")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--days",
        metavar="N",
        type=_days,
        default=3.0,
        help="report a sign-in that ends within N days (default: %(default)s)",
    )
    parser.add_argument("--no-connect", action="store_true", help="do not sign in to the POP3 servers")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Try them, and say what is wrong."""
    from oauth2_pop3.accounts import upkeep
    from oauth2_pop3.accounts.config import Config

    config = Config.load()
    addresses = upkeep.selected_accounts([] if options.all else options.accounts, config)
    check = partial(upkeep.check_account, config=config, days=options.days, connect=not options.no_connect)
    findings = upkeep.for_each_account(addresses, check, at_once=_AT_ONCE)
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
        print_findings(findings)
    return upkeep.exit_code(findings)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < 10000:
        raise ArgumentTypeError(f"{text!r} is not a number of days")
    return days
