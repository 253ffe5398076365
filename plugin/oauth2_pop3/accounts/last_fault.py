"""What last went wrong with an account, for `status` to show: ``$XDG_STATE_HOME/oauth2-pop3/faults/ACCOUNT``."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from oauth2_pop3.access_token_cache import LATEST, file_name
from oauth2_pop3.errors import OAuth2Pop3Error, one_line
from oauth2_pop3.files import state_files


@dataclass(frozen=True)
class Fault:
    """A fault: when it happened (seconds since the epoch), what it was, and its exit code (see errors.py)."""

    at: int
    message: str
    exit_code: int


def record_fault(key: str, error: OAuth2Pop3Error) -> None:
    """Keep a fault. Nothing is raised if it cannot be kept, because the fault itself is about to be reported."""
    record = {"at": int(time.time()), "message": str(error), "exit_code": error.exit_code}
    try:
        state_files.write_state(_path(key), json.dumps(record).encode())
    except OAuth2Pop3Error:
        return


def last_fault(key: str) -> Fault | None:
    """Return the last fault of an account; None if there was none, or it cannot be read."""
    try:
        content = state_files.read_state(_path(key))
        if content is None:
            return None
        record = json.loads(content)
        fault = Fault(int(record["at"]), one_line(str(record["message"])), int(record["exit_code"]))
    except (ValueError, TypeError, KeyError, OverflowError, OAuth2Pop3Error, RecursionError):
        return None
    return fault if 0 <= fault.at < LATEST else None  # a calendar must be able to hold it


def forget(key: str) -> None:
    """Delete the last fault of an account. Raises StateError."""
    state_files.remove(_path(key))


def _path(key: str) -> str:
    return f"{state_files.state_directory()}/faults/{file_name(key)}"
