"""Run getmail with the type oauth2-pop3 known to it.

Where `getmail` by itself knows the type there is no need for this: it serves installations in which Python reads no
.pth file (PYTHONPATH, pip install --target). Arguments and exit code are getmail's own.
"""

from __future__ import annotations

import sys
from argparse import REMAINDER, ArgumentParser


def add_arguments(parser: ArgumentParser) -> None:
    """All of getmail's."""
    parser.add_argument("arguments", metavar="ARG", nargs=REMAINDER, help="arguments of getmail")


def run_with(arguments: list[str]) -> int:
    """Run getmail; returns only where it does."""
    if arguments in (["--help"], ["-h"]):
        print(f"usage: oauth2-pop3 getmail [ARG ...]\n\n{(__doc__ or '').strip()}\n\ngetmail's own help:\n")
        sys.stdout.flush()
    from oauth2_pop3.cli.getmail_launcher import launch

    launch(arguments)
    return 0
