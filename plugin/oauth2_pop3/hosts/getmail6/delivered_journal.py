"""The journal of a run: what has been delivered, written down as it goes, so that a kill costs one message at most.

getmail itself writes its seen-file at the end of a run. The journal lies beside that file while a run delivers. Each
record is a line, a list in JSON: ``["name", 1790000000, 2048]``. The third item is null if the run was going to
leave the message on the server.

A kill loses no record that was appended. A loss of power may lose those of the last second, whose messages then come
twice: to sync each record would cost as much as getmail's own sync of each message. Nor may a record be on the disk
before the message is, or the message could be lost. getmail syncs a message but not its name, which comes to the disk
with the sync of the next message; so a record is synced when a later one is appended.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from oauth2_pop3.errors import StateError, StateLocked
from oauth2_pop3.files.private_file import quoted, read_regular, require_owner
from oauth2_pop3.files.replacement import sync_directory

HEADER = b"# oauth2-pop3: what getmail has delivered and not yet written into its oldmail file\n"
_LIMIT = 1 << 30
"""Octets that are read; a record has about a hundred."""
_SYNC_INTERVAL = 1.0
"""Seconds."""


class Delivered(NamedTuple):
    """A message that was delivered.

    name: as in the seen-file.
    seen_at: seconds since the epoch, as in the seen-file; 0 takes back what an earlier record says.
    octets: the size that the server listed, if the run was going to delete the message; None if it was to stay there.
    """

    name: str
    seen_at: int
    octets: int | None


class DeliveredJournal:
    """The journal of one maildrop. One process at a time may have it open.

    Methods raise StateError if the file cannot be read or written, or if it is another user's or a symbolic link, and
    StateLocked if another run has it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._directory = str(path.parent)
        self._descriptor = -1
        self._status: os.stat_result | None = None  # of the file, when it was read
        self._has_header = False
        self._torn = False  # whether the last line may lack its end
        self._synced_at = 0.0

    def read(self) -> list[Delivered]:
        """What earlier runs have left behind. What was not written to its end is left out."""
        found = read_regular(str(self._path), StateError, follow_links=False, limit=_LIMIT)
        if found is None:
            return []
        content, status = found
        # The directory's owner can replace it anyway, and network file systems show one owner for all files.
        if status.st_uid != self._path.parent.stat().st_uid:
            require_owner(str(self._path), status, StateError, or_root=True)
        # A run that is killed, or a loss of power, may leave less than the header.
        if not content.startswith(HEADER) and not HEADER.startswith(content.rstrip(b"\0")):
            raise StateError(
                f"{self._path} is not a journal of oauth2-pop3",
                hint=f"Look at it, and move it away: mv {quoted(str(self._path))} {quoted(str(self._path))}.old",
            )
        self._status = status
        self._has_header = content.startswith(HEADER)
        self._torn = not content.endswith(b"\n")
        return list(_records(content))

    def open(self) -> bool:
        """Make the journal, or take up the one that was read. Returns False if it is open already.

        It belongs before the first delivery: if nothing can be written down, nothing should be delivered.
        """
        if self._descriptor >= 0:
            return False
        try:
            if self._status is None:
                self._create()
            else:
                self._take_up(self._status)
                if not self._has_header:
                    os.ftruncate(self._descriptor, 0)
                    self._write(HEADER)
        except OSError as error:
            self.close()
            if error.errno in (errno.EEXIST, errno.ENOENT) and self._path.parent.is_dir():
                raise self.in_use() from error  # made or removed since it was read
            raise self._failed("write", error) from error
        return True

    def append(self, delivered: Delivered) -> None:
        """Write down a message that was delivered. Nothing happens if the journal is not open."""
        if self._descriptor < 0:
            return
        line = json.dumps(delivered).encode() + b"\n"
        try:
            if time.monotonic() - self._synced_at > _SYNC_INTERVAL:
                self._sync()
            self._write(b"\n" + line if self._torn else line)
        except OSError as error:
            raise self._failed("write", error) from error

    def remove(self) -> None:
        """Remove the journal, because the seen-file has all of it. It is left to another run that has it open."""
        try:
            if self._descriptor < 0:
                if self._status is None:
                    return
                self._take_up(self._status)
            sync_directory(self._directory)  # the seen-file's new name first
            self._path.unlink(missing_ok=True)
        except (StateLocked, FileNotFoundError):
            return
        except OSError as error:
            raise self._failed("remove", error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Leave the journal as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def in_use(self) -> StateLocked:
        """Close it; return the error for a run that is not alone."""
        self.close()
        return StateLocked(
            "another run of getmail is delivering from this maildrop",
            hint=f"Try again when it has ended. To see which process it is, run: fuser {quoted(str(self._path))}",
        )

    def _create(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._lock()
        self._write(HEADER)
        self._sync()
        sync_directory(self._directory)

    def _take_up(self, read: os.stat_result) -> None:
        """Open the journal that was read. Nobody may have added to it since, or put another in its place."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags)
        self._lock()
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (read.st_size, read.st_mtime_ns):
            raise self.in_use()

    def _lock(self) -> None:
        """Lock it. This is fcntl(2)'s lock and not flock(2)'s: a child that delivers must not keep it after a kill."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise self.in_use() from error
            # Any other error is a file system without locks: then it is as it is without us.

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        self._torn = True
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._torn = False

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._synced_at = time.monotonic()

    def _failed(self, verb: str, error: OSError) -> StateError:
        directory = quoted(self._directory)
        return StateError(
            f"cannot {verb} {self._path}, the record of what was delivered: {error.strerror}",
            hint=f"Check the free space and the permissions: df {directory}; ls -ld {directory}",
        )


def _records(content: bytes) -> Iterator[Delivered]:
    for line in content.split(b"\n"):
        try:
            name, seen_at, octets = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(name, str) and type(seen_at) is int and (octets is None or type(octets) is int):
            yield Delivered(name, seen_at, octets)
