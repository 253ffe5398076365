"""A host's own configuration file: read, replaced in one rename with a backup beside it, and put back.

Its name, mode, owner and attributes stay as they are, and a symbolic link stays one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files.private_file import quoted, read_regular
from oauth2_pop3.files.replacement import sync_directory

BACKUP = ".before-oauth2-pop3"
UNDONE = ".after-oauth2-pop3"
_TEMPORARY = ".tmp-oauth2-pop3"
_SURELY_LEFT = 3600  # seconds after which a temporary file is one that a killed process has left


@dataclass(frozen=True)
class HostFile:
    """A file as it was read. `name` is as the user gave it; `path` has its symbolic links followed."""

    name: str
    path: Path
    content: bytes
    status: os.stat_result

    @classmethod
    def read(cls, name: str) -> HostFile:
        """Read a file. Raises ConfigError if it cannot be read, is not a regular file, or is too large."""
        try:
            path = Path(os.path.realpath(Path(name).expanduser() if name.startswith("~") else name))
        # ValueError: a NUL in the name. RuntimeError: ~ of a user that does not exist.
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(f"cannot read {name!r}: {error}") from error
        found = read_regular(str(path), ConfigError, name=name)
        if found is None:
            raise ConfigError(f"cannot read {name}: No such file or directory")
        return cls(name, path, *found)

    @staticmethod
    def has_backup(name: Path) -> bool:
        """Whether a file has a backup that `undo` would put back."""
        return bool(_backups(Path(os.path.realpath(name))))

    def replace(self, content: bytes) -> Path:
        """Replace the content in one rename; return the backup that was made of the old one.

        Raises ConfigError if that cannot be done, or if somebody has changed the file since it was read: then it stays
        as they left it.
        """
        self._require_owner()
        backup = self._beside(BACKUP, self.content)
        self._put(content, backup)
        return backup

    def undo(self) -> tuple[Path, Path]:
        """Put the newest backup back; return its path, and where today's content is kept. Raises ConfigError."""
        self._require_owner()
        backups = _backups(self.path)
        if not backups:
            raise ConfigError(f"there is no backup of {self.name}", hint=f"It would be called {self.path}{BACKUP}")
        backup = HostFile.read(str(backups[-1]))
        kept = self._beside(UNDONE, self.content)
        self._put(backup.content, kept)
        backup.path.unlink()
        sync_directory(str(self.path.parent))
        return backup.path, kept

    def _require_owner(self) -> None:
        if os.geteuid() not in (0, self.status.st_uid):
            raise ConfigError(
                f"{self.name} belongs to another user (uid {self.status.st_uid})", hint="Run this as that user."
            )

    def _beside(self, suffix: str, content: bytes) -> Path:
        """Write a new file beside this one, which only the owner may read; return its path. It is synced."""
        base = f"{self.path}{suffix}"
        taken = [number for number, _ in _later(Path(base))]
        path = Path(base) if not taken and not os.path.lexists(base) else Path(f"{base}.{max([1, *taken]) + 1}")
        try:
            _create(path, content, self._give_to_owner)
        except OSError as error:
            raise ConfigError(
                f"cannot write the backup {path}: {error.strerror}",
                hint=f"Nothing was changed. Check the directory's permissions: ls -ld {quoted(str(path.parent))}",
            ) from error
        return path

    def _put(self, content: bytes, copy: Path) -> None:
        """Replace the file, unless it has changed since it was read. If it is not replaced, `copy` is removed."""
        temporary = ""
        try:
            self._remove_what_was_left()
            descriptor, temporary = tempfile.mkstemp(
                prefix=f".{self.path.name}.", suffix=_TEMPORARY, dir=self.path.parent
            )
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                self._give_to_owner(descriptor)  # before the mode: chown takes set-id bits away
                shutil.copystat(self.path, temporary)  # access control lists and labels too
                os.utime(temporary)
                os.fsync(descriptor)
            if self.path.read_bytes() != self.content or not os.path.samestat(self.path.stat(), self.status):
                raise ConfigError(
                    f"{self.name} has been changed by another program in the meantime, and is left as it is",
                    hint="Run the command again.",
                )
            Path(temporary).replace(self.path)
            sync_directory(str(self.path.parent))
        except OSError as error:
            raise ConfigError(
                f"cannot write {self.name}: {error.strerror}",
                hint=f"Check the directory's permissions: ls -ld {quoted(str(self.path.parent))}",
            ) from error
        finally:
            if not temporary or _unlinked(temporary):  # it was not renamed, whatever came in between
                copy.unlink(missing_ok=True)

    def _remove_what_was_left(self) -> None:
        """Remove the temporary files of this file that killed processes have left: they hold its passwords."""
        for path in self.path.parent.iterdir():
            if path.name.startswith(f".{self.path.name}.") and path.name.endswith(_TEMPORARY):
                with suppress(OSError):
                    if time.time() - path.lstat().st_mtime > _SURELY_LEFT:
                        path.unlink()

    def _give_to_owner(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (self.status.st_uid, self.status.st_gid):
            os.fchown(descriptor, self.status.st_uid, self.status.st_gid)


def write_new(name: str, content: bytes) -> None:
    """Write a new file that only this user may read, whole or not at all. Raises ConfigError if it exists."""
    try:
        _create(Path(name), content)
    except FileExistsError:
        raise ConfigError(f"{name} exists already", hint="It was not changed. Name another file.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot write {name}: {reason}") from error


def _create(path: Path, content: bytes, give: Callable[[int], object] | None = None) -> None:
    """Make a new file that only its owner may read, synced, and its name too. Raises OSError.

    give: is called with the descriptor before there is content: it may give the file to another owner.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            os.fchmod(descriptor, 0o600)
            if give:
                give(descriptor)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        sync_directory(str(path.parent))
    except BaseException:  # a signal too: half a file would be taken for a whole one
        path.unlink(missing_ok=True)
        raise


def _backups(path: Path) -> list[Path]:
    """Return the backups of a file, from the oldest to the newest."""
    first = Path(f"{path}{BACKUP}")
    return [*([first] if first.exists() else []), *(path for _, path in _later(first))]


def _later(first: Path) -> list[tuple[int, Path]]:
    """The later copies of a file, in order, each with its number: they have the first one's name with .2, .3 ..."""
    beside = [path for path in first.parent.glob("*") if path.stem == first.name and path.suffix.isascii()]
    return sorted((int(path.suffix[1:]), path) for path in beside if path.suffix[1:].isdecimal())


def _unlinked(name: str) -> bool:
    """Remove a file; return whether there was one."""
    try:
        Path(name).unlink()
    except FileNotFoundError:
        return False
    return True
