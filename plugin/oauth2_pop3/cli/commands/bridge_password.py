"""Make the password that a client of the bridge must give, where the bridge serves a socket.

It is printed this once, and only a salted hash of it is kept; a new one ends the one before. It belongs to the account
or the mailbox that the client names as its user, opens that one alone, and works on this machine alone: the provider
does not know it. Exit codes: 0, 77 where nobody has signed in as ACCOUNT, 74.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from oauth2_pop3.errors import TokenNotFound, UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """ACCOUNT, or which to list or remove."""
    parser.add_argument("account", metavar="ACCOUNT", nargs="?", default="", help="the account, or shared mailbox")
    parser.add_argument("--remove", action="store_true", help="end it: ACCOUNT is not served over a socket any more")
    parser.add_argument("--list", action="store_true", help="print which accounts have one")


def run(options: Namespace) -> None:
    """The password and nothing else on standard output."""
    from oauth2_pop3.accounts import account as accounts
    from oauth2_pop3.bridge import passwords as bridge_password

    if options.list == bool(options.account) or (options.list and options.remove):
        raise UsageError("give an ACCOUNT, or --list alone")
    if options.list:
        for name in bridge_password.names():
            print(name)
    elif options.remove:
        if not bridge_password.remove(options.account):
            raise TokenNotFound(f"{options.account} has no bridge password")
        print(f"{options.account} is not served over a socket any more.", file=sys.stderr)
    else:
        accounts.load(options.account)  # a name that was misspelt would never be let in
        print(bridge_password.make(options.account))
        print(
            f"The password of {options.account} at the bridge, for the client's settings. It is not shown again.",
            file=sys.stderr,
        )
