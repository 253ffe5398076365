"""Use every refresh token once, so that none is ended for want of use: weekly from cron is plenty.

Silent and 0 when all is well; otherwise as `check`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial


def add_arguments(parser: ArgumentParser) -> None:
    """[ACCOUNT ...] [--all] [--jitter SECONDS] [--jobs N]."""
    parser.add_argument("accounts", metavar="ACCOUNT", nargs="*", help="which to refresh")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--jitter",
        metavar="SECONDS",
        type=_number,
        default=0 if sys.stdin and sys.stdin.isatty() else 60,  # None: closed, as some schedulers do
        help="wait up to so long before each, at random (0 at a terminal, else 60)",
    )
    parser.add_argument("--jobs", metavar="N", type=_number, default=4, help="so many at once (%(default)s)")


def run(options: Namespace) -> int:
    """Refresh them, and say what is wrong."""
    from oauth2_pop3.accounts import upkeep as check
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.errors import UsageError

    if not options.all and not options.accounts:
        raise UsageError("no account was named", hint="Name some, or say --all.")
    addresses = check.chosen([] if options.all else options.accounts, Config.load(), mailboxes=False)
    act = partial(check.refresh, jitter=options.jitter)
    findings = check.each(addresses, act, at_once=max(1, options.jobs))
    for finding in findings:
        if finding.error:
            print(f"oauth2-pop3: {finding.account}: {finding.error}", file=sys.stderr)
    return check.exit_code(findings)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 5:
        raise ArgumentTypeError(f"{text!r} is not a whole number below 100000")
    return int(text)
