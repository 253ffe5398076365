"""A host's own configuration file: read, replaced in one rename with a backup beside it, and put back.

Not state of ours: its name, mode, owner and attributes stay as they are, and a symbolic link stays one.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from oauth2_pop3.errors import ConfigError

SIZE_LIMIT = 16 * 1024 * 1024
"""Octets: no host's configuration comes near it."""
BACKUP = ".before-oauth2-pop3"
UNDONE = ".after-oauth2-pop3"


@dataclass(frozen=True)
class HostFile:
    """A file as it was read. name: as the user gave it; path: where it is, links followed."""

    name: str
    path: Path
    content: bytes
    status: os.stat_result

    @classmethod
    def read(cls, name: str) -> HostFile:
        """Read it. Raises ConfigError where it cannot be, is no regular file, or is too large."""
        try:
            path = Path(os.path.realpath(Path(name).expanduser() if name.startswith("~") else name))
            # Non-blocking, so that a FIFO does not wait for a writer.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ConfigError(f"{name} is not a file", hint="Name the configuration file itself.")
                content = file.read(SIZE_LIMIT + 1)
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from error
        except (ValueError, RuntimeError) as error:  # a NUL in the name; a home that nobody has
            raise ConfigError(f"cannot read {name!r}: {error}") from error
        if len(content) > SIZE_LIMIT:
            raise ConfigError(f"{name} is larger than {SIZE_LIMIT >> 20} MiB: it is no configuration file")
        return cls(name, path, content, status)

    @staticmethod
    def has_backup(name: Path) -> bool:
        """Whether `undo` would find one."""
        return bool(_backups(Path(os.path.realpath(name))))

    def replace(self, content: bytes) -> Path:
        """Put other content in its place, in one rename; the backup that was made of the old one.

        Raises ConfigError where that cannot be done, or somebody has changed the file since it was read: then it is
        as they left it.
        """
        self._require_owner()
        backup = self._beside(BACKUP, self.content)
        self._put(content, backup)
        return backup

    def undo(self) -> tuple[Path, Path]:
        """Put the newest backup back; (the backup, where the content of now is kept). Raises ConfigError."""
        self._require_owner()
        backups = _backups(self.path)
        if not backups:
            raise ConfigError(f"there is no backup of {self.name}", hint=f"It would be {self.path}{BACKUP}.")
        backup = HostFile.read(str(backups[-1]))
        kept = self._beside(UNDONE, self.content)
        self._put(backup.content, kept)
        backup.path.unlink()
        _sync(self.path.parent)
        return backup.path, kept

    def _require_owner(self) -> None:
        if os.geteuid() not in (0, self.status.st_uid):
            raise ConfigError(
                f"{self.name} belongs to another user (uid {self.status.st_uid})", hint="Run this as that user."
            )

    def _beside(self, suffix: str, content: bytes) -> Path:
        """A new file beside this one, for the owner's eyes alone, synced."""
        base = f"{self.path}{suffix}"
        taken = [path for path in self.path.parent.glob("*") if _is_later(path, Path(base))]
        number = max([1, *(int(path.suffix[1:]) for path in taken)])
        path = Path(base) if not taken and not os.path.lexists(base) else Path(f"{base}.{number + 1}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"cannot write the backup {path}: {error.strerror}",
                hint="Nothing was changed. Check the directory's mode.",
            ) from error
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123
                os.fchmod(file.fileno(), 0o600)
                self._give_to_owner(file.fileno())
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _sync(path.parent)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise ConfigError(f"cannot write the backup {path}: {error.strerror}") from error
            raise
        return path

    def _put(self, content: bytes, copy: Path) -> None:
        """Replace the file, unless it is no longer what was read. copy: the old content's, removed if that stays."""
        temporary = ""
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                self._give_to_owner(descriptor)  # before the mode: chown takes set-id bits away
                shutil.copystat(self.path, temporary)  # access control lists and labels too
                os.utime(temporary)
                os.fsync(descriptor)
            if self.path.read_bytes() != self.content or not os.path.samestat(self.path.stat(), self.status):
                raise ConfigError(
                    f"{self.name} was changed by somebody else in the meantime, and is left as it is",
                    hint="Run the command again.",
                )
            Path(temporary).replace(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise ConfigError(
                f"cannot write {self.name}: {error.strerror}", hint="Check the file, and the directory's mode."
            ) from error
        finally:
            if not temporary or _unlinked(temporary):  # it was not renamed, whatever came in between
                copy.unlink(missing_ok=True)

    def _give_to_owner(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (self.status.st_uid, self.status.st_gid):
            os.fchown(descriptor, self.status.st_uid, self.status.st_gid)


def write_new(name: str, content: bytes) -> None:
    """Write a file that is not there yet, for the owner's eyes alone: whole or not at all. Raises ConfigError."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise ConfigError(f"{name} is there already", hint="Nothing is overwritten: name another file.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot write {name}: {reason}") from error


def _backups(path: Path) -> list[Path]:
    """The backups of a file, from the oldest to the newest."""
    first = Path(f"{path}{BACKUP}")
    later = [(int(other.suffix[1:]), other) for other in path.parent.glob("*") if _is_later(other, first)]
    return [*([first] if first.exists() else []), *(other for _, other in sorted(later))]


def _is_later(path: Path, first: Path) -> bool:
    """Whether it is NAME.2, NAME.3 ... of a backup's name."""
    return path.stem == first.name and path.suffix[1:].isdecimal() and path.suffix.isascii()


def _unlinked(name: str) -> bool:
    """Remove a file; whether it was there."""
    try:
        Path(name).unlink()
    except FileNotFoundError:
        return False
    return True


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
