"""Use refresh tokens now, so that none expires from disuse. Once a week from cron is enough.

If all is well, it prints nothing and exits with 0; otherwise it prints and exits as `oauth2-pop3 check` does.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from oauth2_pop3.cli import print_findings
from oauth2_pop3.cli.arguments import whole_number


def add_arguments(parser: ArgumentParser) -> None:
    """[ACCOUNT ...] [--all] [--jitter SECONDS] [--jobs N]."""
    parser.add_argument("accounts", metavar="ACCOUNT", nargs="*", help="the accounts to refresh")
    parser.add_argument("--all", action="store_true", help="all accounts")
    parser.add_argument(
        "--jitter",
        metavar="SECONDS",
        type=whole_number,
        default=0 if sys.stdin and sys.stdin.isatty() else 60,  # None: closed, as some schedulers do
        help="wait a random time of up to SECONDS before each (default: 0 at a terminal, else 60)",
    )
    parser.add_argument(
        "--jobs", metavar="N", type=whole_number, default=4, help="refresh N at the same time (default: %(default)s)"
    )


def run(options: Namespace) -> int:
    """Refresh them, and say what is wrong."""
    from oauth2_pop3.accounts import upkeep
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.errors import UsageError

    if not options.all and not options.accounts:
        raise UsageError("no account was named", hint="Name one or more, or give --all.")
    config = Config.load()
    addresses = upkeep.selected_accounts([] if options.all else options.accounts, config, mailboxes=False)
    refresh = partial(upkeep.refresh_account, config=config, jitter=options.jitter)
    findings = upkeep.for_each_account(addresses, refresh, at_once=max(1, options.jobs))
    print_findings(findings)
    return upkeep.exit_code(findings)
