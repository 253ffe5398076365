"""Files of state: written whole or not at all, and by one process at a time. private_file reads them.

Imported by `token` when the cached access token has ended, so it costs next to nothing to import: os and, if a lock
is taken, fcntl.
"""

import os
import stat
import time
from _thread import get_ident  # threading would have to be loaded, and typing for TYPE_CHECKING

from oauth2_pop3 import access_token_cache
from oauth2_pop3.access_token_cache import SHARE_WITH_GROUP, file_name, is_ours, shared_with_group
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error, StateError, StateLocked
from oauth2_pop3.files.private_file import quoted, read_private
from oauth2_pop3.files.replacement import ROOM, Replacement, remove_quietly, temporary_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOCK_TIMEOUT = 150.0
"""Seconds to wait for another process: more than two refreshes may take (https.TOTAL_TIMEOUT)."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.02


def state_directory() -> str:
    """Return the directory of all state. Raises ConfigError if there is no home directory."""
    directory = access_token_cache.state_directory()
    if not directory:
        raise ConfigError("there is no home directory", hint="Set HOME, or XDG_STATE_HOME and XDG_CONFIG_HOME.")
    return directory


def private_directory(path: str) -> None:
    """Make a directory that only this user may enter, and its parents. Raises StateError.

    One that is there already is closed to others; but its group may enter if the state is shared with it.
    """
    allowed = 0o770 if shared_with_group() else 0o700
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            os.mkdir(path, allowed)
            if shared_with_group():
                _open_to_group(path)
        except FileExistsError:
            status = os.stat(path)
            if not stat.S_ISDIR(status.st_mode):
                raise StateError(f"{path} is not a directory", hint="Move it out of the way.") from None
            if not is_ours(status):
                raise StateError(
                    f"{path} belongs to another user (uid {status.st_uid})",
                    hint="Run this as that user, or set XDG_STATE_HOME to a directory of your own. If a container "
                    f"gives it to a group of yours on purpose, set {SHARE_WITH_GROUP}=1.",
                ) from None
            if status.st_mode & 0o777 & ~allowed and status.st_uid == os.geteuid():
                os.chmod(path, stat.S_IMODE(status.st_mode) & (0o7000 | allowed))
    except OSError as error:
        raise StateError(
            f"cannot make the directory {path}: {error.strerror}",
            hint="Make it writable for this user, or set XDG_STATE_HOME to a directory that is.",
        ) from error


def _open_to_group(path: str) -> None:
    """Let the group in, whatever the umask says, and let what is made inside belong to it."""
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o770)  # noqa: S103 - that is what it is for


def prepare(path: str) -> None:
    """Make the directories of a file of the state. Raises StateError."""
    private_directory(state_directory())
    private_directory(os.path.dirname(path))


def write_state(path: str, content: bytes) -> None:
    """Write a file of the state, and make its directories. Raises StateError."""
    prepare(path)
    write(path, content)


def write(path: str, content: bytes, mode: int = 0) -> None:
    """Replace a file in one rename, its content and its name synced to the disk. Raises StateError.

    mode: its permissions, if they are not those of a file of the state. Two processes must not write the same file at
    the same time: hold a StateLock.
    """
    with Replacement(path, mode=mode or file_mode()) as replacement:
        replacement.commit(content)


def write_copy(path: str, content: bytes) -> None:
    """Write a file of the state as write_state() does, but not synced: it holds what is kept elsewhere too."""
    prepare(path)
    with Replacement(path, mode=file_mode()) as replacement:
        replacement.commit(content, durable=False)


def replacement(path: str) -> Replacement:
    """Make everything ready for the next content of a file of the state, and its directories. Raises StateError."""
    prepare(path)
    return Replacement(path, room=ROOM, mode=file_mode())


def read_state(path: str, error: type[OAuth2Pop3Error] = StateError) -> bytes | None:
    """Read a file of the state, which only this user may read or write; None if there is no such file.

    error: what is raised if it is not so, or cannot be read.
    """
    return read_private(path, error, group=shared_with_group())


def file_mode() -> int:
    """The permissions of a file of the state."""
    return 0o660 if shared_with_group() else 0o600


_held: dict[tuple[str, int], tuple[int, int]] = {}
"""The locks that this process holds, for all its StateLocks: path and thread -> descriptor, how often it was taken."""


class StateLock:
    """A lock by name, one for all processes of this user: ``with StateLock("you@example.org"): ...``.

    The name is an account, or other state that is read, changed and written: "config.toml", a registration.

    A thread that holds the lock may take it again, by another StateLock of the same name. Two things need that:
    `token` takes the lock before it loads what a refresh needs, so that processes that wait for the refresh stay
    small, and `access` takes it again; and a plugin that is called under the lock may ask for a token itself, although
    it should not.

    It is flock(2), and not the existence of a file: the kernel releases it whatever becomes of the process.
    Entering it raises StateLocked after `timeout` seconds, and StateError if the lock's file cannot be used.
    """

    def __init__(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> None:
        self._name = name
        self._timeout = timeout
        self._path = f"{state_directory()}/locks/{file_name(name)}"

    @property
    def has_been_taken(self) -> bool:
        """Whether it was ever taken, by any process: `login` does."""
        return os.path.exists(self._path)

    @property
    def descriptor(self) -> int:
        """The descriptor by which this thread holds it: a child process that has it too holds it as well."""
        return _held[self._key][0]

    def __enter__(self) -> "StateLock":
        self.acquire_unless(lambda: False)
        return self

    def __exit__(self, *_: object) -> None:
        descriptor, depth = _held.pop(self._key)
        if depth > 1:
            _held[self._key] = (descriptor, depth - 1)
        else:
            os.close(descriptor)

    def acquire_unless(self, ready: "Callable[[], bool]") -> bool:
        """Take the lock, or stop waiting for it as soon as ready() is true; return whether it was taken."""
        descriptor, depth = _held.get(self._key, (-1, 0))
        if not depth:
            descriptor = self._acquire(ready)
        if descriptor >= 0:
            _held[self._key] = (descriptor, depth + 1)
        return descriptor >= 0

    @property
    def _key(self) -> tuple[str, int]:
        return self._path, get_ident()

    def _acquire(self, ready: "Callable[[], bool]") -> int:
        import fcntl

        descriptor = self._open()
        deadline = time.monotonic() + self._timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    raise StateLocked(
                        f"another process has held the lock of {self._name} for more than {self._timeout:.0f} seconds",
                        hint=f"Try again later. To see which process holds it, run: fuser {quoted(self._path)}",
                    ) from None
            except OSError as error:  # a file system without flock
                os.close(descriptor)
                raise StateError(
                    f"cannot lock {self._path}: {error.strerror}",
                    hint="Set XDG_STATE_HOME to a directory on a local file system.",
                ) from error
            time.sleep(pause)
            if ready():
                os.close(descriptor)
                return -1
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _open(self) -> int:
        prepare(self._path)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, file_mode())
            if shared_with_group() and os.fstat(descriptor).st_uid == os.geteuid():
                os.fchmod(descriptor, file_mode())  # whatever the umask says
            return descriptor
        except OSError as error:
            raise StateError(f"cannot open the lock {self._path}: {error.strerror}") from error


def remove(path: str) -> None:
    """Delete a file; nothing happens if there is none. Raises StateError.

    What a process that was killed has left beside it goes too.
    """
    remove_quietly(temporary_of(path))
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StateError(f"cannot delete {path}: {error.strerror}") from error
