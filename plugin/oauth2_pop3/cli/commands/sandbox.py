"""Try everything without an account, a network or root: a provider on this machine, and getmail fetching from it.

It starts an authorization server and a POP3 server on 127.0.0.1, signs a demo user in, writes a getmailrc, runs the
real getmail and shows the messages in a Maildir, all in a temporary directory. It needs the extra `sandbox`:
pip install 'oauth2-pop3[sandbox]'.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """[--keep] [--act NAME]."""
    parser.add_argument("--keep", action="store_true", help="keep it running, to play with it, until Ctrl-C")
    parser.add_argument(
        "--act", metavar="NAME", default="plain", help="behave like a provider: plain, google or microsoft"
    )


def run(options: Namespace) -> int:
    """Run the demonstration."""
    from oauth2_pop3.cli.demonstration import demonstrate

    return demonstrate(act=options.act, keep=options.keep)
