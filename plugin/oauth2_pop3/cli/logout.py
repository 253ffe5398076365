"""Forget an account's tokens on this machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """ACCOUNT."""
    parser.add_argument("account", metavar="ACCOUNT", help="the address that was signed in")


def run(options: Namespace) -> None:
    """Delete access token and refresh token; the account's settings stay in config.toml."""
    from oauth2_pop3 import access, accounts

    account = accounts.load(options.account)
    account.store.load(account.key)  # raises where nobody has signed in
    access.forget(account)
    print(f"The tokens of {options.account} are deleted from this machine.")
    print(f"To end the access at {account.provider.display_name} too, remove this client in its account settings.")
