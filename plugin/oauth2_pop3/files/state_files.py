"""Files of state: written whole or not at all, and one process at a time.

Imported by `token` when the cached access token has ended, so it costs next to nothing to import: os and, when a
lock is asked for, fcntl.
"""

import os
import stat
import time
from _thread import get_ident  # threading would have to be loaded, and typing for TYPE_CHECKING

from oauth2_pop3 import access_token_cache
from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import ConfigError, StateError, StateLocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOCK_TIMEOUT = 150.0
"""Seconds to wait for another process: longer than one refresh may take (https.TOTAL_TIMEOUT), twice over."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.02


def state_directory() -> str:
    """Where state is kept. Raises ConfigError where nobody knows a home directory."""
    directory = access_token_cache.state_directory()
    if not directory:
        raise ConfigError("there is no home directory", hint="Set HOME, or XDG_STATE_HOME and XDG_CONFIG_HOME.")
    return directory


def private_directory(path: str) -> None:
    """Make a directory that is ours alone, and its parents. Raises StateError."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            status = os.stat(path)
            if not stat.S_ISDIR(status.st_mode):
                raise StateError(f"{path} is not a directory", hint="Move it out of the way.") from None
            if status.st_uid != os.geteuid():
                raise StateError(
                    f"{path} belongs to another user (uid {status.st_uid})",
                    hint="Run as that user, or set XDG_STATE_HOME to a directory of your own.",
                ) from None
            if status.st_mode & 0o077:
                os.chmod(path, 0o700)
    except OSError as error:
        raise StateError(
            f"cannot make the directory {path}: {error.strerror}",
            hint="Make it writable for this user, or set XDG_STATE_HOME to a directory that is.",
        ) from error


def read(path: str, error: type[StateError] = StateError) -> bytes | None:
    """A file that is this user's alone; None where there is none. Raises `error` where others could read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as reason:
        raise error(f"cannot read {path}: {reason.strerror}") from reason
    try:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise error(f"cannot read {path}: it is not a file")
        if status.st_uid != os.geteuid():
            raise error(f"{path} belongs to another user (uid {status.st_uid})")
        if mode & 0o077:
            raise error(
                f"{path} can be read by others (mode {mode:04o})",
                hint=f"Run: chmod 600 {path}; and if others use this machine, get a new one.",
            )
        content = b""
        while block := os.read(descriptor, 65536):
            content += block
        return content
    except OSError as reason:
        raise error(f"cannot read {path}: {reason.strerror}") from reason
    finally:
        os.close(descriptor)


def write(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one rename, its content and its name synced to the disk. Raises StateError.

    Two processes must not write one file at the same time: hold a StateLock.
    """
    temporary = f"{path}.tmp"  # always the same: a process that was killed leaves one behind, not a hundred
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise StateError(
            f"cannot write {path}: {error.strerror}",
            hint="Check the disk's free space and the directory's mode.",
        ) from error


_held: dict[tuple[str, int], tuple[int, int]] = {}
"""The locks of this process: path and thread -> descriptor, how often taken."""


class StateLock:
    """A lock by name, one for all processes of this user: ``with StateLock("you@example.org"): ...``.

    name: an account, or other state that is read, changed and written: "config.toml", a registration.

    It may be taken again by the process that has it: `token` takes it before it loads what a refresh needs, so
    that processes that wait for somebody else's refresh stay small, and `access` takes it again.
    flock(2) and not a file's existence: the kernel gives it back whatever becomes of the process.
    Raises StateLocked after LOCK_TIMEOUT seconds.
    """

    def __init__(self, name: str, *, timeout: float = LOCK_TIMEOUT) -> None:
        self._name = name
        self._timeout = timeout
        self._path = f"{state_directory()}/locks/{file_name(name)}"

    @property
    def has_been_taken(self) -> bool:
        """Whether anybody ever took it: `login` does."""
        return os.path.exists(self._path)

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
        """Take the lock, or be content without it as soon as ready() says so: whether it was taken."""
        self._key = self._path, get_ident()
        descriptor, depth = _held.get(self._key, (-1, 0))
        if not depth:
            descriptor = self._acquire(ready)
        if descriptor >= 0:
            _held[self._key] = (descriptor, depth + 1)
        return descriptor >= 0

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
                        f"another process holds the lock of {self._name} for more than {self._timeout:.0f} seconds",
                        hint=f"Try again later; see who holds it with: fuser {self._path}",
                    ) from None
            except OSError as error:  # a file system without flock
                os.close(descriptor)
                raise StateError(
                    f"cannot lock {self._path}: {error.strerror}", hint="Set XDG_STATE_HOME to a local file system."
                ) from error
            time.sleep(pause)
            if ready():
                os.close(descriptor)
                return -1
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _open(self) -> int:
        private_directory(os.path.dirname(os.path.dirname(self._path)))
        private_directory(os.path.dirname(self._path))
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"cannot open the lock {self._path}: {error.strerror}") from error


def remove(path: str) -> None:
    """Delete a file, if it is there. Raises StateError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StateError(f"cannot delete {path}: {error.strerror}") from error
