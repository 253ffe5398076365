"""What last went wrong with an account, so that `status` can tell: ``$XDG_STATE_HOME/oauth2-pop3/faults/ACCOUNT``."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import OAuth2Pop3Error, one_line
from oauth2_pop3.files import state_files

_SIZE_LIMIT = 65536


@dataclass(frozen=True)
class Fault:
    """A fault. at: seconds since the epoch. exit_code: as errors.py has them."""

    at: int
    message: str
    exit_code: int


def record_fault(key: str, error: OAuth2Pop3Error) -> None:
    """Write a fault down. Where that cannot be done, the fault itself is still told: nothing is raised."""
    record = {"at": int(time.time()), "message": str(error), "exit_code": error.exit_code}
    try:
        path = _path(key)
        state_files.private_directory(os.path.dirname(path))
        state_files.write(path, json.dumps(record).encode())
    except OAuth2Pop3Error:
        return


def last_fault(key: str) -> Fault | None:
    """The fault that was written down last; None where there was none, or what is there cannot be read."""
    try:
        with open(_path(key), "rb") as file:
            record = json.loads(file.read(_SIZE_LIMIT))
        return Fault(int(record["at"]), one_line(str(record["message"])), int(record["exit_code"]))
    except (OSError, ValueError, TypeError, KeyError, OverflowError, OAuth2Pop3Error, RecursionError):
        return None


def forget(key: str) -> None:
    """Delete it. Raises StateError."""
    state_files.remove(_path(key))


def _path(key: str) -> str:
    return f"{state_files.state_directory()}/faults/{file_name(key)}"
