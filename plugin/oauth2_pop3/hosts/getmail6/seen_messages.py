"""What getmail has seen of a maildrop: its own seen-file, and beside it the journal of the run."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from oauth2_pop3.errors import StateError, StateLocked
from oauth2_pop3.files.private_file import quoted
from oauth2_pop3.hosts.getmail6.delivered_journal import Delivered, DeliveredJournal
from oauth2_pop3.retrieval.outstanding import Id, Listed

_UNFIT = frozenset("\0\r\n")
"""What a unique-id in the seen-file cannot have: the rest of it would be read as another one."""


class SeenMessages:
    """The memory of one maildrop.

    path: of the seen-file.
    options: getmail's own.
    warn: is called with a sentence when something cannot be written and the run goes on.
    """

    def __init__(self, path: Path, options: Mapping[str, Any], warn: Callable[[str], object]) -> None:
        self._path = path
        self._options = options
        self._warn = warn
        # No seen-file has such a name, and getmail takes no file whose name begins with a dot for an rc file.
        self._journal = DeliveredJournal(path.with_name(f".{path.name}.journal"))
        self._state: object = None  # of the seen-file, when this run has read or written it
        self._written: dict[str, int] = {}  # what is in it
        self._seen_file_is_complete = True
        self._owes_deletions = False
        self._owed: dict[str, int] = {}  # names and octets of messages that an earlier run was going to delete
        self._gave_up = False

    def exists(self) -> bool:
        """Whether there is a seen-file. getmail reads it just after it has asked."""
        self._state = _state_of(self._path)
        return self._state is not None

    def recall(self, seen: dict[str, int]) -> None:
        """Complete what is `seen`, and the seen-file, by what earlier runs delivered before they were killed.

        seen: names and times, as in the seen-file. Raises StateError.
        """
        self._written = dict(seen)
        records = {record.name: record for record in self._journal.read()}
        taken_back = {name for name, record in records.items() if not record.seen_at}
        for name in taken_back:
            del records[name]
            seen.pop(name, None)  # getmail may have written its own file since, as with to_oldmail_on_each_mail
        seen.update({name: record.seen_at for name, record in records.items() if name not in seen})
        if seen != self._written:
            self.write(seen)
        self._owed = {name: record.octets for name, record in records.items() if record.octets is not None}

    def without_owed(
        self, messages: list[Listed], name: Callable[[Id], Id], delete: Callable[[Id], object]
    ) -> list[Listed]:
        """The messages for getmail. Those that a killed run was going to delete are deleted.

        They are not among them if getmail would deliver them again, as it does with read_all. name: a message's name
        in the seen-file, by its unique-id.
        """
        if not self._options.get("read_all") or self._options.get("only_oldmail_file"):
            return messages
        rest = []
        for message in messages:
            owed = self._owed.get(str(name(message.unique_id)))
            if owed == message.octets and self._is_deleted(message.octets):
                delete(message.unique_id)
                self._owes_deletions = True
            else:
                rest.append(message)
        return rest

    def expect_delivery(self) -> None:
        """Make sure that the next delivery can be written down. Raises StateError: then nothing must be delivered."""
        self._do(self._open)

    def _open(self) -> None:
        if self._journal.open() and self._state != _state_of(self._path):
            raise self._journal.in_use()  # a run that has ended since has delivered what this one would deliver

    def delivered(self, names: Iterable[str], seen_at: int, octets: int) -> None:
        """Write down that a message was delivered. Raises StateError: then nothing more must be delivered.

        names: all by which the seen-file has it.
        """
        self._seen_file_is_complete = False
        # Without read_all, getmail itself deletes what it finds in the seen-file.
        self._owes_deletions |= bool(self._options.get("read_all")) and self._is_deleted(octets)
        to_delete = octets if self._is_deleted(octets) else None
        for name in names:
            self._do(partial(self._journal.append, Delivered(name, seen_at, to_delete)))

    def retract(self, names: Iterable[str]) -> None:
        """Write down that a message was not delivered after all, or only its beginning. Raises StateError."""
        for name in names:
            self._do(partial(self._journal.append, Delivered(name, 0, None)))

    def _do(self, step: Callable[[], None]) -> None:
        """Use the journal. If it cannot be written, only runs that delete what they deliver can do without."""
        if self._gave_up:
            return
        try:
            step()
        except StateLocked:
            raise
        except StateError as error:
            if not self._options.get("delete"):
                raise
            self._gave_up = True
            self._journal.close()
            self._warn(f"{error}; if this run is killed, the next one delivers the same messages again")

    def _is_deleted(self, octets: int) -> bool:
        """Whether getmail deletes a message of this size once it is delivered."""
        return bool(self._options.get("delete")) or 0 < int(self._options.get("delete_bigger_than") or 0) < octets

    def write(self, seen: Mapping[str, int]) -> None:
        """Write the seen-file, unless it has all this already: another run may have added to it in the meantime.

        If that fails, the journal stays, and the next run completes the file.
        """
        self._seen_file_is_complete = seen == self._written and self._path.exists()
        if self._seen_file_is_complete:
            return
        try:
            write_seen_file(self._path, seen)
            self._state, self._written = _state_of(self._path), dict(seen)
            self._seen_file_is_complete = True
        except OSError as error:
            directory = quoted(str(self._path.parent))
            self._warn(
                f"cannot write {self._path}: {error.strerror}. Check the free space and the permissions: "
                f"df {directory}; ls -ld {directory}"
            )

    def finish(self) -> None:
        """Note that what was to be deleted on the server has been deleted."""
        self._owes_deletions = False

    def close(self) -> None:
        """Remove the journal, or leave it to the next run if that needs it."""
        if self._owes_deletions or not self._seen_file_is_complete:
            return self._journal.close()
        try:
            self._journal.remove()
        except StateError as error:
            self._warn(str(error))


def _state_of(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced; None if there is none. On a network, not even its number may stay."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def write_seen_file(path: Path, seen: Mapping[str, int]) -> None:
    """Replace getmail's seen-file in one rename, in getmail's own format and encoding. Raises OSError.

    getmail's own code renames the new file also when it was interrupted in the middle of writing it: SIGTERM or
    Ctrl-C could cost the memory of all messages.
    """
    target = Path(os.path.realpath(path))  # as getmail: a symbolic link stays one
    _remove_leftovers(target)
    temporary = Path(f"{target}.tmp.{os.getpid()}")
    lines = (f"{unique_id}\0{seen_at}\n" for unique_id, seen_at in seen.items() if _UNFIT.isdisjoint(unique_id))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", errors="backslashreplace") as file:  # noqa: PTH123
            file.write("".join(lines))
            file.flush()
            os.fsync(descriptor)
        temporary.replace(target)
    except BaseException:  # a signal too
        temporary.unlink(missing_ok=True)
        raise


def _remove_leftovers(target: Path) -> None:
    """Remove what writers of the seen-file left behind when they were killed, or getmail's own types."""
    for path in target.parent.glob(f"{glob.escape(target.name)}.tmp.*"):
        number = path.name.rpartition(".")[2]
        if number.isascii() and number.isdecimal() and not _is_another_process(int(number)):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_another_process(number: int) -> bool:
    if number == os.getpid():
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    return True
