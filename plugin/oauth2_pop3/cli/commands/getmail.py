"""Run getmail so that it knows the retriever type oauth2-pop3.

You need this only if plain `getmail` does not know the type: in an installation in which Python reads no .pth file
(PYTHONPATH, pip install --target). Arguments and exit code are getmail's own.
"""

from __future__ import annotations

import sys
from argparse import REMAINDER, ArgumentParser


def add_arguments(parser: ArgumentParser) -> None:
    """Take whatever getmail takes."""
    parser.add_argument("arguments", metavar="ARG", nargs=REMAINDER, help="an argument for getmail")


def run_with(arguments: list[str]) -> int:
    """Run getmail, which usually ends the process with its own exit code."""
    if arguments in (["--help"], ["-h"]):
        print(f"usage: oauth2-pop3 getmail [ARG ...]\n\n{(__doc__ or '').strip()}\n\ngetmail's own help:\n")
        sys.stdout.flush()
    from oauth2_pop3.cli.getmail_launcher import launch

    launch(arguments)
    return 0
