"""Replacing a file in one rename: its old content is there, or its new one, and never a part of one.

Imported by `token` when the cached access token has ended, so it costs next to nothing to import.
"""

import errno
import os
import time

from oauth2_pop3.errors import StateError
from oauth2_pop3.files.private_file import quoted

ROOM = 128 << 10
"""Octets that are reserved for a content that is not known yet. The longest token seen has 8 KiB."""

_PAUSES = (0.0, 0.05, 0.5)
"""Seconds before each attempt to write a content that cannot be had again."""
_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Replacement:
    """The next content of a file, for which everything is made ready before the content is known.

    The temporary file is open, and the disk has set aside `room` octets for it. So a full disk, a quota, a directory
    that cannot be written or a lack of descriptors shows when this is made, and not when the content must be saved.
    Use it as a context manager; at the end the temporary file is gone. Raises StateError.

    Two processes must not replace the same file at the same time: hold a StateLock.
    """

    def __init__(self, path: str, *, room: int = 0, mode: int = 0o600) -> None:
        self._path = path
        # Always the same name: a process that was killed leaves one behind, not a hundred, and the next one removes it.
        self._temporary = temporary_of(path)
        self._descriptor = -1
        self._old = -1
        self._has_its_name = False
        try:
            self._descriptor = _new(self._temporary, mode)
            if room:
                _reserve(self._descriptor, room)
                self._old = _opened(path)
        except OSError as error:
            self.close()
            raise self._error(error) from error

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self, content: bytes, *, durable: bool = True) -> None:
        """Replace the file. Unless it is not `durable`, content and name are on the disk on return. Raises StateError.

        Call it once.
        """
        try:
            self._write(content, durable=durable)
        except OSError as error:
            raise self._error(error) from error

    def commit_at_any_price(self, content: bytes) -> None:
        """Replace the file with a content that cannot be had again, while the old one is worthless.

        A failure is met by another attempt, and at the last by writing over the old content, in place. Raises
        StateError if that fails too.
        """
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                self._write(content, durable=True)
                return
            except OSError as error:
                failed = error
        if self._has_its_name:  # only the loss of power could still undo it
            return
        try:
            if self._old < 0:
                raise failed
            _fill(self._old, content)
            os.fsync(self._old)
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Remove the temporary file, if it has not become the file."""
        for descriptor in (self._descriptor, self._old):
            if descriptor >= 0:
                try:
                    os.close(descriptor)
                except OSError:  # all that had to be was synced
                    pass
        if self._descriptor >= 0:
            remove_quietly(self._temporary)
        self._descriptor = self._old = -1

    def _write(self, content: bytes, *, durable: bool) -> None:
        if not self._has_its_name:
            _fill(self._descriptor, content)
            if durable:
                os.fsync(self._descriptor)
            os.replace(self._temporary, self._path)
            self._has_its_name = True
        if durable:
            sync_directory(os.path.dirname(self._path))

    def _error(self, error: OSError) -> StateError:
        directory = quoted(os.path.dirname(self._path))
        what = "wrote, but cannot sync," if self._has_its_name else "cannot write"
        return StateError(
            f"{what} {self._path}: {error.strerror}",
            hint=f"Check the free space and the permissions: df {directory}; ls -ld {directory}",
        )


def temporary_of(path: str) -> str:
    """The name of the temporary file that becomes a file."""
    return f"{path}.tmp"


def sync_directory(path: str) -> None:
    """Sync a directory to the disk: which names it has. Raises OSError.

    Some file systems have no such thing (CIFS, sshfs, the drives of WSL): there is nothing to do there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise


def remove_quietly(path: str) -> None:
    """Delete a file if that is possible."""
    try:
        os.unlink(path)
    except OSError:
        pass


def _new(path: str, mode: int) -> int:
    """Make a file in place of one that a killed process has left; returns its descriptor. Whatever has its name goes.

    O_EXCL: a link that somebody has put there is not followed, and a FIFO not waited for.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        remove_quietly(path)
        raise
    return descriptor


def _reserve(descriptor: int, room: int) -> None:
    """Have the disk set octets aside for a file, if its file system can do so."""
    reserve = getattr(os, "posix_fallocate", None)  # macOS and OpenBSD have none
    if reserve is None:
        return
    try:
        reserve(descriptor, 0, room)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise


def _opened(path: str) -> int:
    """The file itself, to be written over at the worst; -1 if there is none that can be."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return -1


def _fill(descriptor: int, content: bytes) -> None:
    """Make this the whole content of a file, from its beginning, however often it was begun."""
    view, at = memoryview(content), 0
    while at < len(view):
        at += os.pwrite(descriptor, view[at:], at)
    os.ftruncate(descriptor, len(view))
