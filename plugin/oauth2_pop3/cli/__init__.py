"""The command line: one module a command; they parse and print and decide nothing.

argparse and the commands are imported when main() runs: `import oauth2_pop3.cli` alone costs next to nothing.
"""

from __future__ import annotations

import io
import sys

from oauth2_pop3.errors import OAuth2Pop3Error, TokenStoreError

TYPE_CHECKING = False  # typing's own costs as much as half a start of Python
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable
    from typing import Any

_COMMANDS = {
    "login": "login",
    "import": "import_tokens",
    "token": "token",
    "status": "status",
    "check": "check",
    "refresh": "refresh",
    "translate": "translate",
    "discover": "discover",
    "providers": "providers",
    "logout": "logout",
    "getmail": "getmail",
    "bridge": "bridge",
    "bridge-password": "bridge_password",
    "sandbox": "sandbox",
}
"""Each command and its module."""
_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one command; its exit code (errors.py draws the tree of them)."""
    return _guarded(lambda: _run(arguments))


def _run(arguments: list[str]) -> int | None:
    if arguments[:1] == ["getmail"]:  # all that follows is getmail's own
        code: int = _command("getmail").run_with(arguments[1:])
        return code
    named = arguments[0] if arguments and arguments[0] in _COMMANDS else ""
    parser = _parser([named] if named else list(_COMMANDS))
    options = parser.parse_args(arguments)
    code_or_none: int | None = _command(options.command).run(options)
    return code_or_none


def _command(name: str) -> Any:
    """The module of a command. The name of the module is put together here, so that only this one is loaded."""
    import importlib

    return importlib.import_module(f"oauth2_pop3.cli.commands.{_COMMANDS[name]}")


def print_token(account: str, min_validity: float) -> int:
    """`token` in its plain form, without loading argparse and the other commands."""

    def refresh() -> None:
        import gc

        gc.disable()  # so short a process makes no garbage worth looking for, and so many imports have it look often
        from oauth2_pop3.accounts.access import access_token
        from oauth2_pop3.accounts.account import load

        token = access_token(load(account), min_validity=min_validity)
        if sys.stderr.isatty():
            from oauth2_pop3.cli.remark import remark_on_length

            remark_on_length(account, token)
        print(token)
        gc.freeze()  # nor is there any at its end

    return _guarded(refresh)


def _guarded(command: Callable[[], int | None]) -> int:
    """Run it; an error of ours is a line or two on standard error and its exit code, never a traceback."""
    try:
        if sys.stdout is None:
            raise TokenStoreError("standard output is closed")
        if isinstance(sys.stdout, io.TextIOWrapper):  # a locale that has not all letters
            sys.stdout.reconfigure(errors="backslashreplace")
        code = command()
        sys.stdout.flush()
    except OAuth2Pop3Error as error:
        return fail(error)
    except KeyboardInterrupt:
        print("oauth2-pop3: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:  # a full disk or a closed pipe at standard output: everything else has its own error
        print(f"oauth2-pop3: {error.strerror}: {error.filename or 'standard output'}", file=sys.stderr)
        sys.stdout = None  # so that the interpreter does not try to write the rest at its end
        return TokenStoreError.exit_code
    return int(code or 0)


def fail(error: OAuth2Pop3Error, *, about: str = "") -> int:
    """Say what happened and what to do next, and return the exit code. about: an address to name, if it is missing."""
    prefix = f"{about}: " if about and about not in error.message else ""
    print(f"oauth2-pop3: {prefix}{error.message}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)
    return error.exit_code


def _parser(names: list[str]) -> ArgumentParser:
    """names: the commands that it has to know; the others' modules are not loaded, as a bridge starts at every poll."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]
            """Exit code 64 (EX_USAGE) and not argparse's 2."""
            self.print_usage(sys.stderr)
            self.exit(64, f"oauth2-pop3: {message}\n")

    class Version(argparse.Action):
        def __call__(self, parser: ArgumentParser, *_: object) -> None:
            from importlib.metadata import version

            print(f"oauth2-pop3 {version('oauth2-pop3')}")
            parser.exit()

    parser = Parser(prog="oauth2-pop3", description="OAuth 2.0 for POP3 mail retrievers.")
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        module = _command(name)
        summary = (module.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        module.add_arguments(
            commands.add_parser(
                name,
                help=summary,
                description=module.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser
