"""Make the password that a client must give to a bridge on a socket.

The password is printed only now, and only a salted hash of it is kept. It replaces the one before. It belongs to the
account or mailbox that the client names as its user, opens only that one, and works only on this machine: the provider
does not know it. Exit codes: 0; 77 if config.toml has no ACCOUNT; 74 if the password cannot be saved.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from oauth2_pop3.errors import TokenNotFound, UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """The account, and whether to remove its password or list all."""
    parser.add_argument("account", metavar="ACCOUNT", nargs="?", default="", help="the account or shared mailbox")
    parser.add_argument(
        "--remove", action="store_true", help="remove the password: ACCOUNT is no longer served over a socket"
    )
    parser.add_argument("--list", action="store_true", help="list the accounts and mailboxes that have a password")


def run(options: Namespace) -> None:
    """Print the password, and nothing else, on standard output."""
    from oauth2_pop3.accounts.account import load_account
    from oauth2_pop3.bridge import passwords

    if options.list == bool(options.account) or (options.list and options.remove):
        raise UsageError("give either ACCOUNT or --list")
    if options.list:
        for name in passwords.names():
            print(name)
    elif options.remove:
        if not passwords.remove(options.account):
            raise TokenNotFound(f"{options.account} has no bridge password")
        print(f"{options.account} is no longer served over a socket.", file=sys.stderr)
    else:
        load_account(options.account)  # raises an error if the name is misspelt, since nobody could sign in by it
        print(passwords.make(options.account))
        print(
            f"This is the bridge password of {options.account}. Enter it in the mail client. It is not shown again.",
            file=sys.stderr,
        )
