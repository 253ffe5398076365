"""Running a command that the user has named in the configuration or on the command line, without a shell."""

from __future__ import annotations

from oauth2_pop3.errors import ConfigError

TIMEOUT = 60.0
"""Seconds that a command may take."""


def first_line(command: str, *, what: str) -> str:
    """Run a command that prints a secret, and return the first line it prints.

    what: the key or option that names the command, for messages.

    The command's standard error goes to the user; what it prints is never shown. Raises ConfigError.
    """
    output = whole_output(command, what=what)
    try:
        lines = output.decode().splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"the output of {what} is not UTF-8 text") from None
    if not lines or not lines[0].strip():
        raise ConfigError(f"{what} printed nothing", hint="It must print the secret and nothing else.")
    return lines[0].strip()


def whole_output(command: str, *, what: str, stdin: bytes = b"") -> bytes:
    """Run a command in the same way, and return all that it prints. stdin: what it can read. Raises ConfigError."""
    import shlex
    import subprocess

    try:
        arguments = shlex.split(command)
        result = subprocess.run(arguments, input=stdin, stdout=subprocess.PIPE, timeout=TIMEOUT, check=False)
    except FileNotFoundError:
        raise ConfigError(
            f"{what} cannot be run: there is no program {arguments[0]}",
            hint="Install it, or write its whole path. It is run without a shell.",
        ) from None
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{what} cannot be run: {reason}", hint="It is run without a shell.") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{what} did not end within {TIMEOUT:.0f} seconds") from None
    if result.returncode:
        raise ConfigError(f"{what} ended with exit code {result.returncode}", hint="Run it by hand to see why.")
    return result.stdout
