"""Import the tokens that another program has, so that nobody must sign in again.

FILE is the file of getmail-gmail-xoauth-tokens, mutt_oauth2 (mutt's, neomutt's, or what PyPI's has in its keyring) or
sasl-xoauth2, or the configuration of fetchmail 7's fetchmail-oauth2 or of emailproxy. It is never changed. Each token
is refreshed and tried at the POP3 server. Exit codes: 0 success, 75 imported but not tried, 77 refused, 78 a file
cannot be used, 64 the command line is wrong.
"""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from oauth2_pop3.errors import UsageError

if TYPE_CHECKING:
    from oauth2_pop3.token_import import Imported


def add_arguments(parser: ArgumentParser) -> None:
    """FILE..., and what the files do not say."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="the other program's file; - is standard input")
    parser.add_argument("--account", metavar="ADDRESS", help="whose token it is; or the only account to import")
    parser.add_argument("--provider", metavar="NAME", help="the provider (oauth2-pop3 providers lists them)")
    parser.add_argument("--client-id", metavar="ID", help="the client_id that the tokens were made for")
    parser.add_argument(
        "--client-secret-command", metavar="CMD", help="a command that prints the secret of that client"
    )
    parser.add_argument("--tenant", metavar="TENANT", help="at Microsoft: the tenant (directory)")
    parser.add_argument(
        "--decryption-command",
        metavar="CMD",
        default="",
        help="a command that reads the file and prints what is in it, such as 'gpg --decrypt'",
    )
    parser.add_argument("--password-command", metavar="CMD", help="a command that prints emailproxy's password")
    parser.add_argument("--replace", action="store_true", help="also import accounts that have signed in already")
    parser.add_argument("--no-check", action="store_true", help="do not try the tokens")


def run(options: Namespace) -> int:
    """Import the files, and say what became of each account."""
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.cli import fail
    from oauth2_pop3.token_import import ImportRequest, NotImported, import_file

    keys = ("provider", "client_id", "client_secret_command", "tenant")
    request = ImportRequest(
        account=options.account or "",
        settings={key: value for key in keys if (value := getattr(options, key))},
        replace=options.replace,
        check=not options.no_check,
        decryption_command=options.decryption_command,
    )
    codes = []
    for name in options.files:
        for outcome in import_file(name, request, Config.load(), password=lambda who: _password(options, who)):
            if isinstance(outcome, NotImported):
                codes.append(fail(outcome.error, about=outcome.address))
            else:
                codes.append(0)
                _report(name, outcome)
    if not codes:
        raise UsageError("there is no account to import", hint=f"No file has --account {options.account}.")
    return max(codes)


def _report(name: str, imported: Imported) -> None:
    """Say what was imported, and what becomes of the other program."""
    token = imported.source
    what = ["the refresh token"]
    what += ["the client_id"] if token.client_id else []
    what += ["the client's secret"] if token.client_secret else []
    address, provider = imported.account.address, imported.account.provider.name
    print(f"{address} is {'ready' if imported.checked else 'imported, and was not tried'} ({provider}).")
    print(f"  From {token.program} ({name}): {', '.join(what)}.")
    if imported.rotated:
        print(f"  The server gave a new refresh token: {token.program} may have to sign in again.")
    else:
        print(f"  {token.program} has the same refresh token: if it keeps using it, a server may end one of the two.")


def _password(options: Namespace, address: str) -> str:
    from oauth2_pop3.accounts.user_command import first_line

    if options.password_command:
        return first_line(options.password_command, what="the password command")
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"emailproxy's password for {address} is needed", hint="Give --password-command, a command that prints it."
        )
    return getpass.getpass(f"emailproxy's password for {address} (not shown): ")
