"""Telling a person that an account needs them: notify_command of config.toml, at most once in notify_every."""

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

    It finds OAUTH2_POP3_ACCOUNT, OAUTH2_POP3_REASON (a sentence) and OAUTH2_POP3_COMMAND (what to type) in its
    environment. Its standard output goes to standard error, since ours belongs to the token. If it fails, a line
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
    """Forget when the command ran, because the account is well again. Raises StateError."""
    state_files.remove(_path(account))


def _is_due(account: str, every: int) -> bool:
    """Whether so many seconds have passed; that it runs now is written down first, lest a crash make it run often."""
    path = _path(account)
    try:
        age = time.time() - os.stat(path).st_mtime
        if 0 <= age < every:
            return False
    except FileNotFoundError:
        pass
    state_files.private_directory(os.path.dirname(path))
    state_files.write(path, b"")
    return True


def _path(account: str) -> str:
    return f"{state_files.state_directory()}/notified/{file_name(account)}"


def _standard_error() -> int:
    """Where the command's output goes: nowhere, if a host has closed or replaced our standard error."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return subprocess.DEVNULL


def _complain(what: str) -> None:
    if sys.stderr is None:  # print would take standard output instead, which belongs to the token
        return
    print(f"oauth2-pop3: notify_command {what}", file=sys.stderr)  # noqa: T201
