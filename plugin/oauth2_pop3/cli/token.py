"""Print an access token for an account.

Standard output gets the token and a newline and nothing else. Exit codes: 0, 75 try again later, 77 a person must
sign in again (oauth2-pop3 login), 78 the configuration is wrong, 64 the command line is.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from oauth2_pop3 import access_token_cache


def add_arguments(parser: ArgumentParser) -> None:
    """ACCOUNT [--mailbox MAILBOX] [--min-validity SECONDS]."""
    parser.add_argument("account", metavar="ACCOUNT", help="the address that was signed in")
    parser.add_argument("--mailbox", metavar="MAILBOX", help="the mailbox it is to open, if not the account's own")
    parser.add_argument(
        "--min-validity",
        metavar="SECONDS",
        type=_seconds,
        default=access_token_cache.DEFAULT_MIN_VALIDITY,
        help="get a new token unless the present one is good for so long (default: %(default)s)",
    )


def run(options: Namespace) -> None:
    """Print it."""
    from oauth2_pop3 import access

    print(access.access_token(options.account, mailbox=options.mailbox or "", min_validity=options.min_validity))


def _seconds(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise ArgumentTypeError(f"{text!r} is not a whole number of seconds")
    return int(text)
