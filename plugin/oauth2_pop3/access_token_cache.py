"""An account's access token and when it ends, in a file of two lines: the warm path of `token`.

This module imports only what a bare interpreter has loaded already, so that the warm path costs no more than starting
Python. The file is a copy: deleting it costs one refresh. What must not be lost is in the token store.

``$XDG_STATE_HOME/oauth2-pop3/access/ACCOUNT``::

    1763900000          expires_at, seconds since the epoch
    ya29.a0AfH6SM...    access_token
"""

import os
import stat
import time

DEFAULT_MIN_VALIDITY = 60
"""Seconds for which an access token must still be valid: time to connect and to sign in."""

CLOCK_SKEW = 300
"""Seconds by which the clock may go back before a file from the future is taken as wrong."""
LATEST = 1 << 41
"""Seconds since the epoch, generously: a moment after this is a mistake."""
SHARE_WITH_GROUP = "OAUTH2_POP3_SHARE_STATE_WITH_GROUP"
"""The variable that allows it: a container may give the state to a group, and to another user at each start."""
_SIZE_LIMIT = 65536
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@._+-")


def state_directory() -> str:
    """The directory for everything that changes: ``$XDG_STATE_HOME/oauth2-pop3``; "" if there is no home directory."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # the XDG specification says to ignore a relative path
        home = os.path.expanduser("~")
        if not home.startswith("/") or os.environ.get("HOME") == "":
            return ""
        base = home.rstrip("/") + "/.local/state"
    return base + "/oauth2-pop3"


def shared_with_group() -> bool:
    """Whether the state may be open to its group, and belong to another user in a group of ours."""
    return os.environ.get(SHARE_WITH_GROUP) == "1"


def is_ours(status: os.stat_result) -> bool:
    """Whether a file of the state belongs to this user, or to one that the state is shared with."""
    if status.st_uid == os.geteuid():
        return True
    return shared_with_group() and status.st_gid in (os.getegid(), *os.getgroups())


def file_name(account: str) -> str:
    """A file name for an account: its address in small letters, anything unusual as ``%XX``."""
    quoted = "".join(
        c if c in _PLAIN else "".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogatepass")) for c in account.lower()
    )
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def path(account: str) -> str:
    """The file of the account's access token."""
    return f"{state_directory()}/access/{file_name(account)}"


def read(account: str, min_validity: float = DEFAULT_MIN_VALIDITY) -> str | None:
    """The access token, if it is valid for min_validity seconds more; otherwise None.

    A file that belongs to another user, that others can read, or that does not have two lines counts as missing:
    another user may have put it there.
    """
    found = _read(account)
    return found[0] if found is not None and found[1] - time.time() > min_validity else None


def expires_at(account: str, token: str) -> int | None:
    """When an access token ends, in seconds since the epoch; None if it is not the one in the account's file."""
    found = _read(account)
    return int(found[1]) if found is not None and found[0] == token else None


def _read(account: str) -> tuple[str, float] | None:
    if not state_directory():
        return None
    try:
        descriptor = os.open(path(account), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        open_to_others = status.st_mode & (0o007 if shared_with_group() else 0o077)
        if not stat.S_ISREG(status.st_mode) or not is_ours(status) or open_to_others:
            return None
        moment, token, rest = os.read(descriptor, _SIZE_LIMIT).decode("ascii").split("\n")
        # A file from the future: the clock was wrong then, or is now, so that its moment says nothing.
        if rest or not token or status.st_mtime > time.time() + CLOCK_SKEW:
            return None
        expires_at = float(moment)
        return (token, expires_at) if 0 <= expires_at < LATEST else None
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
