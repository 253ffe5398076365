"""Show every account: its provider, how long its access token is valid, and how long the sign-in will probably last.

With --json: a list of objects with account, provider, state (ready, not signed in, needs sign-in, fault), grant, uses
(the account whose token opens this mailbox, or ""), scope (what was granted), protocols (what it is known to open),
access_token_expires_at, access_token_length (in characters), obtained_at (the last refresh), signed_in_at, refreshable,
refresh_token_expires_at, refresh_token_expires_why, last_fault_at, last_fault, and detail. Times are
seconds since the epoch, or null if they are not known. Keys may be added; none is removed.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from datetime import datetime


def add_arguments(parser: ArgumentParser) -> None:
    """[--json]."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> None:
    """Print some lines for each account."""
    from oauth2_pop3.accounts import status

    rows = status.all_accounts()
    if options.json:
        print(json.dumps([row.as_object() for row in rows], indent=1))
        return
    if not rows:
        print("No account has signed in yet. Run: oauth2-pop3 login you@example.org")
    for row in rows:
        until = f", access token until {_time(row.access_token_expires_at)}" if row.access_token_expires_at else ""
        print(f"{row.account}  {row.provider}  {row.state}{until}{': ' + row.detail if row.detail else ''}")
        if row.uses:
            print(f"  opened by the token of {row.uses}")
        if row.protocols[1:]:
            print(f"  for {', '.join(row.protocols)}")
        if row.obtained_at:
            print(f"  last refreshed {_time(row.obtained_at)}")
        if row.refresh_token_expires_why:
            end = _time(row.refresh_token_expires_at) if row.refresh_token_expires_at else "unknown"
            print(f"  end of the sign-in: {end} ({row.refresh_token_expires_why})")
        if row.last_fault and not row.detail:
            print(f"  last fault {_time(row.last_fault_at or 0)}: {row.last_fault}")


def _time(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):  # a lifetime of config.toml may lead beyond all calendars
        return "too far in the future for a date"
