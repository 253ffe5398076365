"""Print an access token for an account.

Standard output gets the token and a newline, and nothing else. --format chooses another form: xoauth2 and oauthbearer
are the client's first message in base64 on one line, as SASL clients send it; header is a line for HTTP; json is an
object with access_token, token_type, expires_at (seconds since the epoch), account and mailbox. Exit codes: 0 success,
75 try again later, 77 a person must sign in again (oauth2-pop3 login), 78 the configuration is wrong, 64 the command
line is wrong.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from oauth2_pop3 import access_token_cache
from oauth2_pop3.cli.arguments import port, whole_number
from oauth2_pop3.cli.remark import remark_on_length
from oauth2_pop3.errors import UsageError
from oauth2_pop3.pop3 import sasl
from oauth2_pop3.providers.scopes import PROTOCOLS

if TYPE_CHECKING:
    from oauth2_pop3.accounts.account import Account

_FORMATS = ("token", "xoauth2", "oauthbearer", "json", "header")


def add_arguments(parser: ArgumentParser) -> None:
    """ACCOUNT, and what the token is for and how to print it."""
    parser.add_argument("account", metavar="ACCOUNT", help="the address that was signed in")
    parser.add_argument(
        "--mailbox", metavar="MAILBOX", help="the mailbox that it must open, if it is not the account's own"
    )
    parser.add_argument("--format", choices=_FORMATS, default="token", help="what to print (see above)")
    parser.add_argument(
        "--for",
        choices=PROTOCOLS,
        default="pop3",
        dest="protocol",
        help="the protocol; the sign-in must have asked for imap or smtp (login --also)",
    )
    parser.add_argument(
        "--host",
        metavar="HOST",
        default="",
        help="for oauthbearer: the server, if it is not the provider's POP3 server",
    )
    parser.add_argument("--port", metavar="PORT", type=port, default=0, help="for oauthbearer: the port of that server")
    parser.add_argument(
        "--min-validity",
        metavar="SECONDS",
        type=whole_number,
        default=access_token_cache.DEFAULT_MIN_VALIDITY,
        help="get a new token if the present one is valid for a shorter time (default: %(default)s). If the provider "
        "cannot be reached, or gives shorter tokens, print what there is",
    )


def run(options: Namespace) -> None:
    """Print it."""
    from oauth2_pop3.accounts import access
    from oauth2_pop3.accounts.account import load_account

    if options.format not in ("xoauth2", "oauthbearer") and (options.host or options.port):
        raise UsageError("--host and --port are for --format oauthbearer")
    account = load_account(options.account)
    if options.protocol != "pop3":
        access.require_protocol(account, options.protocol)
    token = access.access_token(account, mailbox=options.mailbox or "", min_validity=options.min_validity)
    if options.protocol != "imap":
        remark_on_length(options.mailbox or options.account, token, always=options.format in ("xoauth2", "oauthbearer"))
    if options.format == "token":
        print(token)
    elif options.format == "header":
        print(f"Authorization: Bearer {token}")
    else:
        mailbox = options.mailbox or account.user
        print(
            _as_json(options, token, mailbox) if options.format == "json" else _sasl(options, account, token, mailbox)
        )


def _as_json(options: Namespace, token: str, mailbox: str) -> str:
    return json.dumps(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_at": _expires_at(token, mailbox, options.account),
            "account": options.account,
            "mailbox": mailbox,
        }
    )


def _expires_at(token: str, *names: str) -> int | None:
    """When the token ends, from the cached copy that was just written under one of these names."""
    ends = (access_token_cache.expires_at(name, token) for name in names)
    return next((end for end in ends if end is not None), None)


def _sasl(options: Namespace, account: Account, token: str, mailbox: str) -> str:
    """The initial response of a mechanism.

    OAUTHBEARER names the server's host and port if they are known. A bearer token does not need them (RFC 7628 section
    3.1), and no provider's row names the servers of other protocols.
    """
    host, port = options.host, options.port
    if options.protocol == "pop3":
        host, port = host or account.provider.pop3_host, port or account.provider.pop3_port
    return sasl.encode(sasl.initial_response(options.format, mailbox, token, host=host, port=port)).decode()
