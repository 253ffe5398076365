"""A remark for a person at a terminal, beside what a command prints."""

from __future__ import annotations

import sys

from oauth2_pop3.pop3 import sasl


def remark_on_length(user: str, token: str, *, always: bool = False) -> None:
    """Tell a person at a terminal that the token is too long for some programs, before these programs fail with it.

    Without a terminal it says nothing unless `always` is set: to some hosts, any line that a helper writes to standard
    error is a fault.
    """
    if len(token) < sasl.MAY_BE_TOO_LONG or not (always or sys.stderr.isatty()):
        return
    if text := sasl.too_long_remark(user, token):
        print(f"oauth2-pop3: {text}", file=sys.stderr)
