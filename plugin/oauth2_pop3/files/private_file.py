"""Reading files that hold a secret, or that must not belong to another user.

What is checked is the file that was read, by the same descriptor, and not what has its name a moment later. All such
files are read here, except the cached access token (access_token_cache imports nothing).

Imported by `token` when the cached access token has ended, so it costs next to nothing to import.
"""

import errno
import os
import stat

from oauth2_pop3.access_token_cache import is_ours
from oauth2_pop3.errors import OAuth2Pop3Error, StateError

SIZE_LIMIT = 16 << 20
"""Octets. No file of this program, and no host's configuration, is nearly as large."""


def read_private(
    path: str,
    error: type[OAuth2Pop3Error] = StateError,
    *,
    holds: str = "",
    or_root: bool = False,
    group: bool = False,
    follow_links: bool = False,
    limit: int = SIZE_LIMIT,
) -> bytes | None:
    """Read a file that only this user may read or write; None if there is no such file.

    error: what is raised if the file is another user's, open to others, larger than `limit` octets, or cannot be read.
    holds: what others could read in it, for the message.
    or_root: the file may be root's.
    group: a group of this user's may read and write it too, and then it may belong to another user.
    follow_links: it may be a symbolic link.
    """
    found = read_regular(path, error, follow_links=follow_links, limit=limit)
    if found is None:
        return None
    content, status = found
    if not (group and is_ours(status)):
        require_owner(path, status, error, or_root=or_root)
    require_mode(path, status, error, 0o007 if group else 0o077, holds=holds)
    return content


def read_regular(
    path: str,
    error: type[OAuth2Pop3Error],
    *,
    name: str = "",
    follow_links: bool = True,
    limit: int = SIZE_LIMIT,
) -> tuple[bytes, os.stat_result] | None:
    """Read a regular file's content and status, whoever owns it; None if there is no such file.

    It never waits: a FIFO is refused.

    error: what is raised if it is not a regular file, is larger than `limit` octets, or cannot be read.
    name: what messages call it, if not by its path.
    """
    name = name or path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
                raise error(f"cannot read {name}: it is {kind}", hint=_look_at(path))
            content = _read_up_to(descriptor, limit + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as reason:
        if reason.errno == errno.ELOOP and not follow_links:
            raise error(f"cannot read {name}: it is a symbolic link", hint=_look_at(path)) from reason
        raise error(f"cannot read {name}: {reason.strerror}") from reason
    except ValueError as reason:  # a NUL in the name
        raise error(f"cannot read {name!r}: {reason}") from reason
    if len(content) > limit:
        raise error(f"cannot read {name}: it is larger than {limit >> 10} KiB", hint=_look_at(path))
    return content, status


def require_owner(path: str, status: os.stat_result, error: type[OAuth2Pop3Error], *, or_root: bool = False) -> None:
    """Raise `error` if a file is another user's. With or_root it may be root's."""
    if status.st_uid != os.geteuid() and not (or_root and status.st_uid == 0):
        raise error(
            f"{path} belongs to another user (uid {status.st_uid})",
            hint="Run this as that user, or put a file of your own in its place.",
        )


def require_mode(
    path: str, status: os.stat_result, error: type[OAuth2Pop3Error], forbidden: int, *, holds: str = ""
) -> None:
    """Raise `error` if a file has one of the permissions in `forbidden`: bits of its mode, such as 0o077."""
    mode = stat.S_IMODE(status.st_mode)
    if not mode & forbidden:
        return
    what = f"{path} holds {holds} and" if holds else path
    if forbidden & 0o444:
        message, first = "is open to others", "replace what it holds"
    else:
        message, first = "can be changed by others", "read it before you use it again"
    raise error(
        f"{what} {message} (mode {mode:04o})",
        hint=f"If other people use this machine, {first}. Run: chmod 600 {quoted(path)}",
    )


def quoted(path: str) -> str:
    """A path as it can be pasted into a shell."""
    import shlex

    return shlex.quote(path)


def _look_at(path: str) -> str:
    return f"See what it is: ls -ld {quoted(path)}"


def _read_up_to(descriptor: int, limit: int) -> bytes:
    blocks = []
    while limit > 0 and (block := os.read(descriptor, min(limit, 65536))):
        blocks.append(block)
        limit -= len(block)
    return b"".join(blocks)
