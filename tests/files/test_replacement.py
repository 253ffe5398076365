"""Replacing a file: made ready before the content is known, and written whatever the disk does."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from oauth2_pop3.errors import StateError
from oauth2_pop3.files import replacement as module
from oauth2_pop3.files.replacement import Replacement, sync_directory, temporary_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "token.json"
    file.write_bytes(b"old, and longer than the new one")
    return file


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0, 0.0))


def failing(call: Callable[..., object], times: int, number: int = errno.EIO) -> Callable[..., object]:
    """The system call, whose first calls fail."""
    left = [times]

    def fail(*arguments: object) -> object:
        if left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return call(*arguments)

    return fail


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("call", ["pwrite", "ftruncate", "fsync", "replace"])
def test_a_failing_call_is_met_by_another_attempt(
    call: str, times: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode = path.stat().st_ino
    with Replacement(str(path), room=1000) as replacement:
        monkeypatch.setattr(os, call, failing(getattr(os, call), times))
        replacement.commit_at_any_price(b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != inode
    assert list(path.parent.iterdir()) == [path]


def test_at_the_last_the_old_content_is_written_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inode = path.stat().st_ino
    with Replacement(str(path), room=1000) as replacement:
        monkeypatch.setattr(os, "replace", failing(os.replace, 100, errno.EACCES))
        replacement.commit_at_any_price(b"new")
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", inode)
    assert list(path.parent.iterdir()) == [path]


def test_nothing_helps_against_a_dead_disk_and_that_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Replacement(str(path), room=1000) as replacement:
        monkeypatch.setattr(os, "pwrite", failing(os.pwrite, 100))
        with pytest.raises(StateError, match="Input/output error"):
            replacement.commit_at_any_price(b"new")


def test_there_may_be_no_old_file(tmp_path: Path) -> None:
    with Replacement(str(tmp_path / "first"), room=1000) as replacement:
        replacement.commit_at_any_price(b"new")
    assert (tmp_path / "first").read_bytes() == b"new"


def test_the_room_is_reserved_and_given_back(path: Path) -> None:
    with Replacement(str(path), room=100_000) as replacement:
        assert Path(temporary_of(str(path))).stat().st_blocks * 512 >= 100_000
        replacement.commit(b"new")
    assert path.stat().st_size == 3
    assert path.stat().st_blocks * 512 < 100_000


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_reserves_nothing(number: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(os.posix_fallocate, 1, number))
    with Replacement(str(path), room=1000) as replacement:
        replacement.commit(b"new")
    assert path.read_bytes() == b"new"


def test_no_room_shows_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(os.posix_fallocate, 1, errno.ENOSPC))
    with pytest.raises(StateError, match="No space left"):
        Replacement(str(path), room=1000)
    assert path.read_bytes().startswith(b"old")
    assert list(path.parent.iterdir()) == [path]


def of_directories(number: int) -> Callable[[int], None]:
    """fsync(2) on a file system that syncs files and not directories."""
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    return fsync


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_whose_directories_cannot_be_synced(
    number: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", of_directories(number))
    with Replacement(str(path)) as replacement:
        replacement.commit(b"new")
    assert path.read_bytes() == b"new"


def test_a_directory_that_fails_to_sync_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not for a content that cannot be had again: it is there."""
    monkeypatch.setattr(os, "fsync", of_directories(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_directory(str(path.parent))
    with Replacement(str(path)) as replacement, pytest.raises(StateError, match="wrote, but cannot sync"):
        replacement.commit(b"new")
    with Replacement(str(path), room=1000) as replacement:
        replacement.commit_at_any_price(b"newer")
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize("kind", ["file", "link", "hard link", "fifo"])
def test_what_is_in_the_way_is_removed_and_not_used(kind: str, path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    temporary = Path(temporary_of(str(path)))
    if kind == "file":
        temporary.write_bytes(b"left by a process that was killed, and longer than all else that is written here")
    elif kind == "link":
        temporary.symlink_to(elsewhere)
    elif kind == "hard link":
        temporary.hardlink_to(elsewhere)
    else:
        os.mkfifo(temporary)
    with Replacement(str(path)) as replacement:
        replacement.commit(b"new")
    assert (path.read_bytes(), elsewhere.read_bytes()) == (b"new", b"precious")
    assert not temporary.exists()
