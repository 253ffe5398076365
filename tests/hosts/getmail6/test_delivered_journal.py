"""The journal alone: what it takes, what a kill may leave of it, and whose file it may be."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oauth2_pop3.errors import StateError, StateLocked
from oauth2_pop3.hosts.getmail6 import delivered_journal
from oauth2_pop3.hosts.getmail6.delivered_journal import HEADER, Delivered, DeliveredJournal

RECORDS = [Delivered("a", 1790000000, None), Delivered("b c", 1790000001, 2048), Delivered("ü", 1790000002, 0)]
ODD = ["a\nb", "a\r\nb\0c", " ", "", "\udcff\ud800", "你好 \u2028", '"], [null', "x" * 100_000]
HOLDS_IT = """\
import sys
from pathlib import Path
from oauth2_pop3.hosts.getmail6.delivered_journal import Delivered, DeliveredJournal
journal = DeliveredJournal(Path(sys.argv[1]))
journal.read()
journal.open()
journal.append(Delivered("other", 1, None))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def written(path: Path, records: list[Delivered]) -> None:
    journal = DeliveredJournal(path)
    journal.read()
    journal.open()
    for record in records:
        journal.append(record)
    journal.close()


def test_what_was_written_is_read_and_goes_when_it_is_not_needed(path: Path) -> None:
    old = os.umask(0)
    try:
        written(path, RECORDS[:2])
        written(path, RECORDS[2:])
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    journal = DeliveredJournal(path)
    assert journal.read() == RECORDS
    journal.remove()
    assert not path.exists()
    assert DeliveredJournal(path).read() == []


def test_a_run_that_delivers_nothing_writes_nothing(path: Path) -> None:
    journal = DeliveredJournal(path)
    assert journal.read() == []
    journal.append(RECORDS[0])  # with only_oldmail_file, nothing is fetched before this
    journal.remove()
    journal.close()
    assert not path.exists()


@pytest.mark.parametrize("unique_id", ODD)
def test_any_unique_id_is_one_record(unique_id: str, path: Path) -> None:
    records = [Delivered(unique_id, 5, 7), RECORDS[0]]
    written(path, records)
    assert DeliveredJournal(path).read() == records


def test_a_kill_at_any_octet_costs_one_record_at_most(path: Path) -> None:
    """Whatever is left of the last line, or of the header, earlier records stay, and later ones are added."""
    written(path, RECORDS)
    whole = path.read_bytes()
    ends = [end for end in range(len(HEADER) + 1, len(whole) + 1) if whole[end - 1 : end] == b"\n"]
    later = Delivered("later", 9, 9)
    for cut in (0, 1, 40, *range(len(HEADER) - 1, len(whole) + 1)):
        for padding in (b"", b"\0" * 20):  # a loss of power may leave zeros
            path.write_bytes(whole[:cut] + padding)
            complete = RECORDS[: sum(end - (not padding) <= cut for end in ends)]  # or only its line's end is missing
            assert DeliveredJournal(path).read() == complete
            written(path, [later])
            assert DeliveredJournal(path).read() == [*complete, later]
            path.unlink()


def test_lines_that_are_no_records_are_left_out(path: Path) -> None:
    deep = b"[" * 100_000
    odd = [b"", b"null", b"1", b'"ab"', b'["a", 1]', b'["a", "1", 2]', b"[1, 2, 3]", b'["a", true, 2]', b"\xff", deep]
    odd += [b'["a", ' + b"9" * 5000 + b", 1]", b'["a", 1.5, null]']
    path.write_bytes(HEADER + b"\n".join(odd) + b'\n["a", 1, null]\n')
    assert DeliveredJournal(path).read() == [Delivered("a", 1, None)]


def test_it_is_never_somebody_elses_file(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(HEADER + b'["skipped", 1, null]\n')
    before = target.read_bytes()

    def refused(word: str) -> None:
        with pytest.raises(StateError, match=word):
            DeliveredJournal(path).read()

    path.symlink_to(target)
    refused("symbolic link")
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    refused("symbolic link")
    path.unlink()
    os.mkfifo(path)
    refused("not a regular file")
    path.unlink()
    path.mkdir()
    refused("a directory")
    path.rmdir()
    path.write_bytes(b"unique-id\x001790000000\n")
    refused("is not a journal")
    path.unlink()
    journal = DeliveredJournal(path)
    journal.read()
    path.symlink_to(target)  # in the meantime
    with pytest.raises(StateError):
        journal.open()
    journal.remove()
    assert target.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_file_is_refused_unless_the_directory_is_theirs(path: Path) -> None:
    written(path, RECORDS)
    os.chown(path, 65534, 65534)
    with pytest.raises(StateError, match="belongs to another user"):
        DeliveredJournal(path).read()
    os.chown(path.parent, 65534, 65534)  # a network file system may show one owner for everything
    assert DeliveredJournal(path).read() == RECORDS


def test_two_runs_at_once(path: Path) -> None:
    """The second one knows what the first one has delivered so far, and neither adds to it nor takes it away."""
    early = DeliveredJournal(path)
    assert early.read() == []
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDS_IT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "open\n"
    late = DeliveredJournal(path)
    assert late.read() == [Delivered("other", 1, None)]
    for journal in (early, late):
        with pytest.raises(StateLocked, match="another run of getmail") as caught:
            journal.open()
        assert f"fuser {path}" in str(caught.value)
        journal.remove()
    first.kill()
    first.communicate()
    with pytest.raises(StateLocked):
        early.open()  # it does not know what is in the file
    early.remove()
    assert DeliveredJournal(path).read() == [Delivered("other", 1, None)]
    late.open()
    late.remove()
    assert not path.exists()


def test_records_are_synced_once_a_second_and_never_before_a_later_message(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, synced = 100.0, []
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    journal = DeliveredJournal(path)
    journal.read()
    journal.open()
    synced.clear()
    sizes = []
    for _ in range(3):
        for record in RECORDS:
            journal.append(record)
        sizes.append(path.stat().st_size)
        now += 1.5
    assert synced == sizes[:2]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_takes_nothing(call: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = DeliveredJournal(path)
    with monkeypatch.context() as patch, pytest.raises(StateError, match=f"cannot write {path}.*No space") as caught:
        patch.setattr(os, call, full)
        journal.open()
    assert f"df {path.parent}" in caught.value.hint
    emptied = DeliveredJournal(path)
    emptied.read()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        patch.setattr(delivered_journal, "sync_directory", lambda _: None)
        emptied.remove()
    assert not path.exists(), "nothing has to be written for that"
    written(path, RECORDS[:1])  # once there is room again
    journal = DeliveredJournal(path)
    journal.read()
    journal.open()
    with monkeypatch.context() as patch, pytest.raises(StateError, match="No space"):
        patch.setattr(os, call, full)
        journal.append(RECORDS[1])
    journal.append(RECORDS[2])
    assert DeliveredJournal(path).read()[-1] == RECORDS[2]
    assert RECORDS[0] in DeliveredJournal(path).read()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    journal = DeliveredJournal(tmp_path / "missing" / "journal")
    assert journal.read() == []
    with pytest.raises(StateError, match="No such file") as caught:
        journal.open()
    assert not isinstance(caught.value, StateLocked)
