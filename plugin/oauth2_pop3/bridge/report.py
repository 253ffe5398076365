"""The one way in which the bridge tells the administrator something: a line on standard error."""

from __future__ import annotations

import sys


def report(message: object) -> None:
    """Print a message. If standard error is the client's connection, peer.py has put the system's log in its place."""
    print(f"oauth2-pop3: {message}", file=sys.stderr, flush=True)  # noqa: T201
