"""Take over the tokens that another program has, so that nobody must sign in again.

FILE is what getmail-gmail-xoauth-tokens, mutt_oauth2 (mutt's, neomutt's, or PyPI's, out of its keyring), sasl-xoauth2,
fetchmail 7's fetchmail-oauth2 (its configuration) or emailproxy (its configuration) keeps. It is never changed. Each
token is refreshed and tried at the POP3 server. Exit codes: 0, 75 taken over but not tried, 77 refused, 78, 64.
"""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from oauth2_pop3.errors import OAuth2Pop3Error, UsageError

if TYPE_CHECKING:
    from oauth2_pop3.token_import import TakenOver


def add_arguments(parser: ArgumentParser) -> None:
    """FILE... and what it does not say."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="the other program's file; - is standard input")
    parser.add_argument("--account", metavar="ADDRESS", help="whose it is, or the one account of it to take over")
    parser.add_argument("--provider", metavar="NAME", help="the provider (oauth2-pop3 providers lists them)")
    parser.add_argument("--client-id", metavar="ID", help="the client_id that the tokens were made with")
    parser.add_argument("--client-secret-command", metavar="CMD", help="a command that prints that client's secret")
    parser.add_argument("--tenant", metavar="TENANT", help="the directory, at Microsoft")
    parser.add_argument(
        "--decryption-command",
        metavar="CMD",
        default="",
        help="a command that reads the file and prints what is in it, such as 'gpg --decrypt'",
    )
    parser.add_argument("--password-command", metavar="CMD", help="a command that prints emailproxy's password")
    parser.add_argument("--replace", action="store_true", help="accounts too that have signed in already")
    parser.add_argument("--no-check", action="store_true", help="do not try the tokens")


def run(options: Namespace) -> int:
    """Take them over; one that fails does not stop the others."""
    from oauth2_pop3 import token_import
    from oauth2_pop3.accounts.config import Config

    keys = ("provider", "client_id", "client_secret_command", "tenant")
    settings = {key: value for key in keys if (value := getattr(options, key))}
    code, found = 0, 0
    for name in options.files:
        try:
            tokens = token_import.read(
                name, decryption_command=options.decryption_command, password=lambda who: _password(options, who)
            )
        except OAuth2Pop3Error as error:
            code = max(code, _say(error))
            continue
        whose = {"address": options.account} if options.account and not any(t.address for t in tokens) else {}
        for token in tokens:
            if options.account and token.address and token.address.lower() != options.account.lower():
                continue
            found += 1
            try:
                taken = token_import.take_over(
                    token,
                    {**settings, **whose},
                    config=Config.load(),
                    replace_it=options.replace,
                    check=not options.no_check,
                )
            except OAuth2Pop3Error as error:
                code = max(code, _say(error, token.address))
            else:
                _report(name, taken)
    if not found and not code:
        raise UsageError("there is no account to take over", hint=f"--account {options.account} is in no file.")
    return code


def _report(name: str, taken: TakenOver) -> None:
    """Say what was taken over, and what becomes of the other program."""
    token = taken.source
    what = ["the refresh token"]
    what += ["the client_id"] if token.client_id else []
    what += ["the client's secret"] if token.client_secret else []
    address, provider = taken.account.address, taken.account.provider.name
    print(f"{address} is {'ready' if taken.checked else 'taken over, and was not tried'} ({provider}).")
    print(f"  From {token.program} ({name}): {', '.join(what)}.")
    if taken.rotated:
        print(f"  The server gave a new refresh token: {token.program} may have to sign in anew.")
    else:
        print(f"  {token.program} has the same refresh token: if it goes on using it, a server may end one of the two.")


def _say(error: OAuth2Pop3Error, address: str = "") -> int:
    about = f"{address}: " if address and address not in error.message else ""
    print(f"oauth2-pop3: {about}{error.message}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)
    return error.exit_code


def _password(options: Namespace, address: str) -> str:
    from oauth2_pop3.accounts import account as accounts

    if options.password_command:
        return accounts.run_command(options.password_command, what="the password command")
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"emailproxy's password for {address} is needed", hint="Give --password-command, a command that prints it."
        )
    return getpass.getpass(f"emailproxy's password for {address} (not shown): ")
