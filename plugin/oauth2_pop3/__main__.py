"""The door: the warm path of `oauth2-pop3 token ACCOUNT`, else the command line interface.

The warm path imports nothing beyond access_token_cache and leaves by os._exit, since taking the interpreter down
tidily costs a tenth of starting it.
"""

import os
import sys

from oauth2_pop3 import access_token_cache

_LONG = 2900
"""Characters: what sasl.MAY_BE_TOO_LONG says, about which a person at a terminal is told something."""


def _token_arguments(arguments: list[str]) -> tuple[str, float] | None:
    """ACCOUNT and min_validity of the two plain forms of `token`; None leaves the rest to argparse."""
    if len(arguments) == 2:
        account, seconds = arguments[1], ""
    elif len(arguments) == 4 and arguments[2] == "--min-validity":
        account, seconds = arguments[1], arguments[3]
    else:
        return None
    if arguments[0] != "token" or account.startswith("-"):
        return None
    if not seconds:
        return account, access_token_cache.DEFAULT_MIN_VALIDITY
    return (account, int(seconds)) if seconds.isdecimal() and len(seconds) < 10 else None


def _print_and_exit(token: str) -> None:
    """The token and a newline, all of it, or (a full disk, a closed pipe) leave it to the slow path to say so."""
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
    """Wait while another process refreshes the token, with next to nothing loaded: fifty may wait here.

    None: nobody else is at it, and it is ours to refresh; the account's lock is held from here to the end.
    """
    from oauth2_pop3.errors import OAuth2Pop3Error
    from oauth2_pop3.files.state_files import StateLock

    try:
        lock = StateLock(account)
        if not lock.has_been_taken:
            return None  # nobody has signed in, or it is a misspelt name that is to leave no lock behind
        lock.acquire_unless(lambda: access_token_cache.read(account, min_validity) is not None)
    except OAuth2Pop3Error as error:
        from oauth2_pop3.cli import fail

        os._exit(fail(error))
    except KeyboardInterrupt:
        os._exit(130)
    return access_token_cache.read(account, min_validity)


def main() -> int:
    """Run the command that sys.argv says; its exit code."""
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
