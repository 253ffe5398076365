"""The seen-file and the journal together, without getmail."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oauth2_pop3.errors import StateError, StateLocked
from oauth2_pop3.hosts.getmail6.seen_messages import SeenMessages, write_seen_file
from oauth2_pop3.retrieval.outstanding import Listed

NOW = 1790000000
KEEP: Mapping[str, Any] = {"read_all": False, "delete": False}
DELETE: Mapping[str, Any] = {"read_all": False, "delete": True}
ALL: Mapping[str, Any] = {"read_all": True, "delete": True}
LISTED = [Listed(number, f"id{number}", 1000 * number) for number in range(1, 6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oldmail-host-995-user"


class Run:
    """A run of getmail on a seen-file."""

    def __init__(self, path: Path, options: Mapping[str, Any], listed: list[Listed] = LISTED) -> None:
        self.path = path
        self.warnings: list[str] = []
        self.deleted: list[object] = []
        self.memory = SeenMessages(path, options, self.warnings.append)
        self.memory.exists()
        self.seen = seen_file(path)
        self.memory.recall(self.seen)
        shown = self.memory.without_owed(listed, lambda unique_id: unique_id, self.deleted.append)
        self.shown = [str(message.unique_id) for message in shown]

    def deliver(self, *numbers: int) -> None:
        for number in numbers:
            self.memory.expect_delivery()
            self.seen.setdefault(f"id{number}", NOW)
            self.memory.delivered([f"id{number}"], NOW, 1000 * number)

    def finish(self) -> None:
        self.memory.write(self.seen)
        self.memory.finish()
        self.memory.close()

    def abort(self) -> None:
        self.memory.write(self.seen)
        self.memory.close()


def seen_file(path: Path) -> dict[str, int]:
    """As getmail reads it."""
    if not path.exists():
        return {}
    with path.open() as file:
        entries = [line.strip().split("\0", 1) for line in file]
    return {unique_id: int(seen_at) for unique_id, seen_at in entries}


def journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.journal")


def test_a_run_that_ends_leaves_only_the_seen_file(path: Path) -> None:
    run = Run(path, KEEP)
    assert list(path.parent.iterdir()) == []
    run.deliver(1, 2)
    assert [entry.name for entry in path.parent.iterdir()] == [journal(path).name]
    run.finish()
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    assert seen_file(path) == {"id1": NOW, "id2": NOW}


def test_the_next_start_completes_the_seen_file(path: Path) -> None:
    write_seen_file(path, {"id5": 1, "id1": NOW - 5})
    Run(path, KEEP).deliver(2, 3)  # killed
    run = Run(path, KEEP)
    assert {"id1": NOW - 5, "id2": NOW, "id3": NOW}.items() <= seen_file(path).items()
    assert run.seen == {"id1": NOW - 5, "id2": NOW, "id3": NOW, "id5": 1}
    assert run.shown == ["id1", "id2", "id3", "id4", "id5"], "getmail sees for itself what it has seen"
    assert run.deleted == []
    run.finish()
    assert list(path.parent.iterdir()) == [path]


def test_a_run_that_is_killed_again_and_again(path: Path) -> None:
    for number in range(1, 5):
        Run(path, KEEP).deliver(number)
    assert set(Run(path, KEEP).seen) == {"id1", "id2", "id3", "id4"}


def test_a_journal_beside_a_newer_seen_file(path: Path) -> None:
    """getmail's own type may have been in between: what it has written down stays as it is."""
    Run(path, KEEP).deliver(1, 2)
    write_seen_file(path, {"id1": NOW + 100, "id3": NOW + 100})
    assert Run(path, KEEP).seen == {"id1": NOW + 100, "id2": NOW, "id3": NOW + 100}


@pytest.mark.parametrize(
    ("then", "now", "deleted"),
    [
        (ALL, ALL, ["id1", "id2"]),
        (DELETE, ALL, ["id1", "id2"]),
        ({**KEEP, "delete_bigger_than": 1500}, {"read_all": True, "delete_bigger_than": 1500}, ["id2"]),
        (ALL, DELETE, []),  # getmail deletes them itself
        (KEEP, ALL, []),  # nobody was going to delete them: the person wants them all again
        (ALL, {"read_all": True, "delete": False}, []),
        (ALL, {**ALL, "only_oldmail_file": True}, []),
    ],
)
def test_read_all_does_not_deliver_again_what_was_to_be_deleted(
    then: Mapping[str, Any], now: Mapping[str, Any], deleted: list[str], path: Path
) -> None:
    Run(path, then).deliver(1, 2)
    run = Run(path, now)
    assert run.deleted == deleted
    assert run.shown == [str(message.unique_id) for message in LISTED if message.unique_id not in deleted]


def test_it_is_deleted_only_if_it_is_still_the_same_message(path: Path) -> None:
    """A server may give the unique-id of a message that has gone to another one (RFC 1939 section 7)."""
    Run(path, ALL).deliver(1, 2)
    run = Run(path, ALL, [Listed(1, "id1", 1001), Listed(2, "id2", 2000)])
    assert run.deleted == ["id2"]
    assert run.shown == ["id1"]


@pytest.mark.parametrize("options", [KEEP, DELETE, ALL])
def test_what_was_taken_back_is_neither_seen_nor_deleted(options: Mapping[str, Any], path: Path) -> None:
    """Only the beginning of a message was delivered; and the run was killed before it had written its seen-file."""
    run = Run(path, options)
    run.deliver(1, 2)
    run.memory.retract(["id1"])
    again = Run(path, options)
    assert set(again.seen) == {"id2"}
    assert "id1" in again.shown
    assert "id1" not in again.deleted


@pytest.mark.parametrize("options", [KEEP, DELETE, ALL])
def test_what_was_taken_back_is_not_seen_though_the_seen_file_had_it(options: Mapping[str, Any], path: Path) -> None:
    """As with to_oldmail_on_each_mail: the run was killed between the doubt and its end."""
    run = Run(path, options)
    run.deliver(1, 2)
    run.memory.write(run.seen)
    run.memory.retract(["id1"])
    again = Run(path, options)
    assert set(again.seen) == set(seen_file(path)) == {"id2"}
    again.deliver(1)
    assert set(Run(path, options).seen) == {"id1", "id2"}


def test_what_a_run_owes_stays_until_it_has_ended_well(path: Path) -> None:
    """The connection may drop after the seen-file was written and before QUIT."""
    run = Run(path, ALL)
    run.deliver(1)
    run.abort()
    Run(path, ALL).abort()
    again = Run(path, ALL)
    assert again.deleted == ["id1"]
    again.finish()
    assert Run(path, ALL).deleted == []


@pytest.mark.parametrize("options", [KEEP, DELETE, {**KEEP, "read_all": True}])
def test_an_error_leaves_no_journal_that_nobody_needs(options: Mapping[str, Any], path: Path) -> None:
    run = Run(path, options)
    run.deliver(1)
    run.abort()
    assert list(path.parent.iterdir()) == [path]


def test_a_run_that_is_not_alone_delivers_nothing(path: Path) -> None:
    """The other one has ended in the meantime, and this one does not know what it delivered."""
    late = Run(path, KEEP)
    early = Run(path, KEEP)
    early.deliver(1, 2, 3)
    early.finish()
    with pytest.raises(StateLocked, match="another run of getmail"):
        late.deliver(1)
    late.finish()
    assert set(seen_file(path)) == {"id1", "id2", "id3"}, "it has not taken away what it does not know"
    assert set(Run(path, KEEP).seen) == {"id1", "id2", "id3"}


def test_a_poll_with_nothing_new_writes_nothing(path: Path) -> None:
    Run(path, KEEP).finish()
    assert seen_file(path) == {}, "but the first one leaves a file, as with getmail's own types"
    assert path.exists()
    write_seen_file(path, {"id1": NOW})
    before = path.stat()
    Run(path, KEEP).finish()
    assert path.stat() == before


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    return monkeypatch


def test_nothing_is_delivered_if_nothing_can_be_written_down(path: Path, full_disk: pytest.MonkeyPatch) -> None:
    run = Run(path, KEEP)
    with pytest.raises(StateError, match="No space left"):
        run.memory.expect_delivery()


def test_a_run_that_deletes_goes_on_without_a_journal(path: Path, full_disk: pytest.MonkeyPatch) -> None:
    """As with getmail's own types; it says so once."""
    run = Run(path, DELETE)
    run.deliver(1, 2, 3)
    assert len(run.warnings) == 1
    assert "if this run is killed" in run.warnings[0]
    full_disk.undo()
    run.finish()
    assert seen_file(path) == {"id1": NOW, "id2": NOW, "id3": NOW}


def test_a_seen_file_that_cannot_be_written_leaves_the_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(path, KEEP)
    run.deliver(1, 2)

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refused)
        run.finish()
    assert f"cannot write {path}" in run.warnings[0]
    assert f"ls -ld {path.parent}" in run.warnings[0]
    assert list(path.parent.iterdir()) == [journal(path)]
    assert set(Run(path, KEEP).seen) == {"id1", "id2"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_a_seen_file_is_whole_or_the_old_one(
    interruption: type[BaseException], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """getmail's own code would put half a file in its place if SIGTERM came here."""
    write_seen_file(path, {"old": 1})

    def interrupted(_: int) -> None:
        raise interruption

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(interruption):
        write_seen_file(path, {"old": 1, "new": 2})
    assert seen_file(path) == {"old": 1}
    assert list(path.parent.iterdir()) == [path]


def test_what_killed_writers_have_left_goes(path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    stays = [path.with_name(f"{path.name}.tmp.{end}") for end in (os.getppid(), "x", "", "1.old")]
    goes = [path.with_name(f"{path.name}.tmp.{number}") for number in (ended.pid, os.getpid(), 2**80)]
    for name in (*stays, *goes):
        name.touch()
    write_seen_file(path, {"a": 1})
    assert sorted(path.parent.iterdir()) == sorted([path, *stays])


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "seen"
    path.symlink_to(target)
    for seen in ({"a": 1}, {"a": 1, "b": 2}):
        write_seen_file(path, seen)
        assert path.is_symlink()
        assert seen_file(target) == seen
    assert list(target.parent.iterdir()) == [target]


def test_unique_ids_that_the_format_cannot_hold_become_no_others(path: Path) -> None:
    """No server's do, see unique_id_of; the journal could have them."""
    write_seen_file(path, {"a\nb": 1, "c\0d": 2, "e\rf": 3, "\ud800": 4, "a b": 5, "ü": 6})
    assert seen_file(path) == {"\\ud800": 4, "a b": 5, "ü": 6}
