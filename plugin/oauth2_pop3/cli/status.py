"""Show every account: its provider, how long its access token is good, and whether it can be refreshed.

With --json: a list of objects with account, provider, state (ready, not signed in, needs sign-in, fault), scope,
access_token_expires_at, obtained_at and signed_in_at (seconds since the epoch, or null), refreshable, and detail.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from datetime import datetime


def add_arguments(parser: ArgumentParser) -> None:
    """[--json]."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> None:
    """Print a line an account."""
    from oauth2_pop3 import status

    rows = status.all_accounts()
    if options.json:
        print(json.dumps([row.as_object() for row in rows], indent=1))
        return
    if not rows:
        print("No account has signed in yet. Run: oauth2-pop3 login you@example.org")
    for row in rows:
        until = ""
        if row.access_token_expires_at:
            when = datetime.fromtimestamp(row.access_token_expires_at).astimezone()
            until = f", access token until {when:%Y-%m-%d %H:%M:%S}"
        print(f"{row.account}  {row.provider}  {row.state}{until}{': ' + row.detail if row.detail else ''}")
