"""The start of the program: the warm path of `oauth2-pop3 token ACCOUNT`, or else the command line interface.

The warm path imports only access_token_cache. It ends by os._exit, because an orderly end of the interpreter costs a
tenth of its start.
"""

import os
import sys

from oauth2_pop3 import access_token_cache

_LONG = 2900
"""Characters, as sasl.MAY_BE_TOO_LONG: a person at a terminal is told about a longer token."""


def _token_arguments(arguments: list[str]) -> tuple[str, float] | None:
    """ACCOUNT and min_validity, if it is one of the two plain forms of `token`; None leaves it to argparse."""
    if len(arguments) == 2:
        account, seconds = arguments[1], ""
    elif len(arguments) == 4 and arguments[2] == "--min-validity":
        account, seconds = arguments[1], arguments[3]
    else:
        return None
    if arguments[0] != "token" or not account or account.startswith("-"):
        return None
    if not seconds:
        return account, access_token_cache.DEFAULT_MIN_VALIDITY
    return (account, int(seconds)) if seconds.isdecimal() and len(seconds) < 10 else None


def _print_and_exit(token: str) -> None:
    """Print the token and a newline, and exit: with 74 if standard output did not take all of it."""
    line = f"{token}\n".encode()
    try:
        if os.write(1, line) == len(line):
            os._exit(0)
    except OSError as error:
        message = f"oauth2-pop3: cannot write to standard output: {error.strerror}\n"
    else:
        message = "oauth2-pop3: standard output took only a part of the token\n"
    try:
        os.write(2, message.encode())
    finally:
        os._exit(74)


def _token_of_another_process(account: str, min_validity: float) -> str | None:
    """Wait while another process refreshes the token. Next to nothing is loaded, because fifty may wait here.

    None if no other process does it: this one must refresh, and holds the account's lock from here to its end.
    """
    from oauth2_pop3.errors import OAuth2Pop3Error
    from oauth2_pop3.files.state_files import StateLock

    try:
        lock = StateLock(account)
        if not lock.has_been_taken:
            return None  # nobody has signed in; or it is a misspelt name, which must not leave a lock file behind
        lock.acquire_unless(lambda: access_token_cache.read(account, min_validity) is not None)
    except OAuth2Pop3Error as error:
        from oauth2_pop3.cli import fail

        os._exit(fail(error))
    except KeyboardInterrupt:
        os._exit(130)
    return access_token_cache.read(account, min_validity)


def main() -> int:
    """Run the command in sys.argv, and return its exit code."""
    if sys.stderr is None:  # closed: print would take standard output instead, which is for results only
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - pathlib costs more than a warm `token`
    plain = _token_arguments(sys.argv[1:])
    if plain is None:
        from oauth2_pop3.cli import main as cli

        return cli(sys.argv[1:])
    token = access_token_cache.read(*plain) or _token_of_another_process(*plain)
    if token is not None and not (len(token) > _LONG and os.isatty(2)):
        _print_and_exit(token)
    from oauth2_pop3.cli import print_token

    return print_token(*plain)


if __name__ == "__main__":
    sys.exit(main())
