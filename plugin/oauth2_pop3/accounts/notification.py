"""Telling a person that an account needs them, by the notify_command of config.toml."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.files import state_files

TIMEOUT = 60.0
"""Seconds that notify_command may take."""


def notify(account: str, reason: str, command: str, config: Config) -> None:
    """Run notify_command, without a shell, unless it ran for this account less than notify_every seconds ago.

    Its environment has OAUTH2_POP3_ACCOUNT, OAUTH2_POP3_REASON (a sentence) and OAUTH2_POP3_COMMAND (what to type).
    Its output goes to standard error, because standard output is for the token. If it fails, a line on standard error
    says so, and nothing is raised.
    """
    if not config.notify_command:
        return
    try:
        if not _is_due(account, config.notify_every):
            return
        subprocess.run(
            shlex.split(config.notify_command),
            env={
                **os.environ,
                "OAUTH2_POP3_ACCOUNT": account,
                "OAUTH2_POP3_REASON": reason,
                "OAUTH2_POP3_COMMAND": command,
            },
            stdin=subprocess.DEVNULL,
            stdout=_standard_error(),
            timeout=TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        _complain(f"ended with exit code {error.returncode}")
    except subprocess.TimeoutExpired:
        _complain(f"did not end within {TIMEOUT:.0f} seconds")
    except OAuth2Pop3Error as error:
        _complain(f"was not run: {error}")
    except (OSError, ValueError, IndexError) as error:
        _complain(f"cannot be run: {getattr(error, 'strerror', None) or error}")


def reset(account: str) -> None:
    """Forget when the command ran, because the account works again. Raises StateError."""
    state_files.remove(_path(account))


def _is_due(account: str, every: int) -> bool:
    """Whether the command has to run now, `every` seconds after it last did.

    If so, this run is recorded before it starts: a command that crashes must not be run at each poll.
    """
    path = _path(account)
    try:
        age = time.time() - os.stat(path).st_mtime
        if 0 <= age < every:
            return False
    except FileNotFoundError:
        pass
    state_files.write_state(path, b"")
    return True


def _path(account: str) -> str:
    return f"{state_files.state_directory()}/notified/{file_name(account)}"


def _standard_error() -> int:
    """Return where the command's output goes: nowhere, if a host has closed or replaced our standard error."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return subprocess.DEVNULL


def _complain(what: str) -> None:
    if sys.stderr is None:  # print would use standard output instead, which is for the token
        return
    print(f"oauth2-pop3: notify_command {what}", file=sys.stderr)  # noqa: T201
