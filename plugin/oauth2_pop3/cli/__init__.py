"""The command line: one module for each command. They parse and print, and decide nothing.

argparse and the commands are imported when main() runs: `import oauth2_pop3.cli` itself costs next to nothing.
"""

from __future__ import annotations

import io
import sys

from oauth2_pop3.errors import OAuth2Pop3Error, UsageError, one_line

TYPE_CHECKING = False  # typing's own costs as much as half a start of Python
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable
    from typing import Any

    from oauth2_pop3.accounts.upkeep import AccountResult

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
_IO_ERROR = 74  # EX_IOERR


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code (see the tree in errors.py)."""
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
    """Return the module of a command. Only this one is loaded: its name is put together here."""
    import importlib

    return importlib.import_module(f"oauth2_pop3.cli.commands.{_COMMANDS[name]}")


def print_token(account: str, min_validity: float) -> int:
    """Run `token` in its plain form, without loading argparse and the other commands; return its exit code."""

    def refresh() -> None:
        import gc

        gc.disable()  # the imports would make it run often, and in so short a process it finds nothing
        try:
            from oauth2_pop3.accounts.access import access_token
            from oauth2_pop3.accounts.account import load_account

            token = access_token(load_account(account), min_validity=min_validity)
            if sys.stderr.isatty():
                from oauth2_pop3.cli.remark import remark_on_length

                remark_on_length(account, token)
            print(token)
            gc.freeze()  # the interpreter's end would look through all of it once more
        finally:
            gc.enable()

    return _guarded(refresh)


class _OutputError(OSError):
    """Standard output cannot be written: a full disk, a closed pipe."""


class _Output:
    """Standard output, whose errors are told apart from those of any other file."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> _Output:
        return _Output(self._stream.buffer)

    def write(self, text: str | bytes) -> int:
        written: int = self._tried(lambda: self._stream.write(text))
        return written

    def flush(self) -> None:
        self._tried(self._stream.flush)

    @staticmethod
    def _tried(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except OSError as error:
            raise _OutputError(error.errno, error.strerror) from error


def _guarded(command: Callable[[], int | None]) -> int:
    """Run it and return its exit code. An error becomes a line or two on standard error, never a traceback."""
    stdout = sys.stdout
    if stdout is None:
        return _fail("standard output is closed", _IO_ERROR)
    if isinstance(stdout, io.TextIOWrapper):  # a locale that lacks some letters
        stdout.reconfigure(errors="backslashreplace")
    sys.stdout = _Output(stdout)
    try:
        code = command()
        sys.stdout.flush()
    except OAuth2Pop3Error as error:
        return fail(error)
    except EOFError:  # Ctrl-D at a prompt
        return fail(UsageError("the input ended before the question was answered"))
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED)
    except _OutputError as error:
        stdout = None  # so that the interpreter does not try to write the rest at its end
        return _fail(f"cannot write to standard output: {error.strerror}", _IO_ERROR)
    except OSError as error:  # not expected: whatever reads and writes files raises an OAuth2Pop3Error
        reason = error.strerror or str(error) or type(error).__name__
        return _fail(f"{reason}: {error.filename}" if error.filename else f"unexpected error: {reason}", _IO_ERROR)
    finally:
        sys.stdout = stdout
    return int(code or 0)


def fail(error: OAuth2Pop3Error, *, about: str = "") -> int:
    """Say what happened and what to do next, and return the exit code.

    If the message does not name the address `about`, it is put in front.
    """
    return _fail(f"{_prefix(about, error)}{error.message}", error.exit_code, error.hint)


def print_findings(findings: Iterable[AccountResult]) -> None:
    """Print a line on standard error for each account with which something is wrong, for cron."""
    for finding in findings:
        if finding.error:
            print(f"oauth2-pop3: {_prefix(finding.account, finding.error)}{finding.error}", file=sys.stderr)


def _prefix(about: str, error: OAuth2Pop3Error) -> str:
    """What to put before an error about this address: nothing if its message names it. A file may have given it."""
    about = one_line(about)
    return f"{about}: " if about and about not in error.message else ""


def _fail(message: str, exit_code: int, hint: str = "") -> int:
    print(f"oauth2-pop3: {message}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)
    return exit_code


def _parser(names: list[str]) -> ArgumentParser:
    """Make the parser of these commands. No other is loaded, because fetchmail starts a bridge at each poll."""
    import argparse

    class CommandParser(argparse.ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]
            """Exit code 64 (EX_USAGE) and not argparse's 2."""
            self.print_usage(sys.stderr)
            self.exit(64, f"oauth2-pop3: {message}\n")

    class Paragraphs(argparse.HelpFormatter):
        def _fill_text(self, text: str, width: int, indent: str) -> str:
            """Fill each paragraph to the terminal's width. argparse would make one paragraph of all."""
            import textwrap

            return "\n\n".join(
                textwrap.fill(paragraph, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
                for paragraph in text.strip().split("\n\n")
            )

    class Version(argparse.Action):
        def __call__(self, parser: ArgumentParser, *_: object) -> None:
            from importlib.metadata import version

            print(f"oauth2-pop3 {version('oauth2-pop3')}")
            parser.exit()

    parser = CommandParser(prog="oauth2-pop3", description="OAuth 2.0 for POP3 mail retrievers.")
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
                formatter_class=Paragraphs,
            )
        )
    return parser
