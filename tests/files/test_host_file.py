"""A host's file is replaced in one rename or not at all, and nothing of it is lost."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files import host_file
from oauth2_pop3.files.host_file import HostFile, write_new
from oauth2_pop3.files.private_file import SIZE_LIMIT

OLD, NEW = b"old\r\n\xff\0", b"new"


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    file = tmp_path / "rc"
    file.write_bytes(OLD)
    file.chmod(0o640)
    return file


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_replaced_with_a_backup(rc: Path) -> None:
    backup = HostFile.read(str(rc)).replace(NEW)
    assert (rc.read_bytes(), backup.read_bytes()) == (NEW, OLD)
    assert stat.S_IMODE(rc.stat().st_mode) == 0o640
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert names(rc.parent) == {"rc", "rc.before-oauth2-pop3"}


def test_backups_are_not_overwritten_and_are_put_back_in_turn(rc: Path) -> None:
    for content in (b"1", b"2", b"3"):
        HostFile.read(str(rc)).replace(content)
    for content in (b"2", b"1", OLD):
        HostFile.read(str(rc)).undo()
        assert rc.read_bytes() == content
    with pytest.raises(ConfigError, match="no backup"):
        HostFile.read(str(rc)).undo()
    kept = {rc.with_name(name).read_bytes() for name in names(rc.parent) if "after" in name}
    assert kept == {b"1", b"2", b"3"}, "what an undo takes away is kept too"


def test_a_symbolic_link_stays_one(rc: Path) -> None:
    link = rc.parent / "link"
    link.symlink_to("rc")
    backup = HostFile.read(str(link)).replace(NEW)
    assert link.is_symlink()
    assert rc.read_bytes() == NEW
    assert backup == rc.with_name("rc.before-oauth2-pop3")
    HostFile.read(str(link)).undo()
    assert link.is_symlink()
    assert rc.read_bytes() == OLD


@pytest.mark.parametrize("how", ["write", "rename"])
def test_changed_by_somebody_else_in_between(how: str, rc: Path) -> None:
    file = HostFile.read(str(rc))
    if how == "write":
        rc.write_bytes(b"theirs")
    else:
        (rc.parent / "other").write_bytes(OLD)
        (rc.parent / "other").rename(rc)
    before = rc.read_bytes()
    with pytest.raises(ConfigError, match="changed by another program"):
        file.replace(NEW)
    assert rc.read_bytes() == before
    assert names(rc.parent) == {"rc"}


def test_a_directory_that_cannot_be_written(rc: Path) -> None:
    file = HostFile.read(str(rc))
    rc.with_name("rc.before-oauth2-pop3").mkdir()
    rc.with_name("rc.before-oauth2-pop3.2").mkdir()
    assert file.replace(NEW).name == "rc.before-oauth2-pop3.3"


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "seteuid"), reason="needs two users")
def test_somebody_else_s_file(rc: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a file of another user")
    os.chown(rc, 65534, 65534)
    backup = HostFile.read(str(rc)).replace(NEW)
    for path in (rc, backup):
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    os.chown(rc, 1, 1)
    os.chmod(rc, 0o644)
    for parent in (rc.parent, *rc.parent.parents):
        if os.stat(parent).st_uid == 0 and parent != Path("/") and str(parent) != "/tmp":
            parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="belongs to another user"):
            HostFile.read(str(rc)).replace(b"x")
    finally:
        os.seteuid(0)
    assert rc.read_bytes() == NEW


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"\n" * (SIZE_LIMIT + 1))
    for name in ("", "fifo", "large", "missing", "x" * 300, "a\0b"):
        with pytest.raises(ConfigError):
            HostFile.read(str(tmp_path / name) if name else str(tmp_path))


def test_a_full_disk_leaves_it_as_it_was(rc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        HostFile.read(str(rc)).replace(NEW)
    assert rc.read_bytes() == OLD
    assert names(rc.parent) == {"rc"}


_STEPS = """
import os, signal, sys
from oauth2_pop3.files.host_file import HostFile

left = 0

def step(event, _):
    global left
    if event == "open" or event.startswith("os."):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

fsync, write = os.fsync, os.write
os.fsync = lambda descriptor: step("os.fsync", descriptor) or fsync(descriptor)
sys.addaudithook(step)
number = 0
for line in sys.stdin:
    # One child for each line; it is killed before the system call of that number.
    number, action = line.split()
    child = os.fork()
    if not child:
        file = HostFile.read(sys.argv[1])
        left = int(number)
        file.replace(b"new") if action == "replace" else file.undo()
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("action", ["replace", "undo"])
def test_killed_at_every_step(action: str, rc: Path) -> None:
    """The old or the new file is in place, the other one is whole somewhere, and the command can be run again."""
    if action == "undo":
        HostFile.read(str(rc)).replace(NEW)
    before, after = (OLD, NEW) if action == "replace" else (NEW, OLD)
    start = {path.name: path.read_bytes() for path in rc.parent.iterdir()}
    seen = set()
    with subprocess.Popen(
        [sys.executable, "-c", _STEPS, str(rc)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(1, 99):
            print(number, action, file=process.stdin, flush=True)
            status = int(process.stdout.readline())
            now = rc.read_bytes()
            seen.add(now)
            assert now in (before, after)
            others = [path.read_bytes() for path in rc.parent.glob("rc.*")]
            assert OLD in (now, *others)
            assert stat.S_IMODE(rc.stat().st_mode) == 0o640
            if not status:
                break
            assert os.WTERMSIG(status) == signal.SIGKILL
            if action == "replace":
                HostFile.read(str(rc)).replace(NEW)
            elif HostFile.has_backup(rc):
                HostFile.read(str(rc)).undo()
            assert rc.read_bytes() == after, "begun again, it is done"
            for path in rc.parent.iterdir():
                path.unlink()
            for name, content in start.items():
                (rc.parent / name).write_bytes(content)
            rc.chmod(0o640)
    assert number > 8
    assert seen == {before, after}


def test_what_comes_in_behind_the_rename_leaves_the_backup(rc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, an error at the last sync took the backup away, and with it the passwords."""

    def interrupted(_: Path) -> None:
        if rc.read_bytes() == NEW:
            raise KeyboardInterrupt

    monkeypatch.setattr(host_file, "sync_directory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        HostFile.read(str(rc)).replace(NEW)
    assert rc.read_bytes() == NEW
    assert rc.with_name("rc.before-oauth2-pop3").read_bytes() == OLD


def test_write_new(tmp_path: Path) -> None:
    write_new(str(tmp_path / "out"), NEW)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="exists already"):
        write_new(str(tmp_path / "out"), OLD)
    with pytest.raises(ConfigError):
        write_new(str(tmp_path / "no/where"), OLD)
    assert (tmp_path / "out").read_bytes() == NEW


def test_what_a_killed_process_left_goes_and_nothing_else(rc: Path) -> None:
    left = rc.with_name(".rc.abc.tmp-oauth2-pop3")
    others = [rc.with_name(name) for name in (".rc.abc", ".other.abc.tmp-oauth2-pop3", ".rc.now.tmp-oauth2-pop3")]
    for path in (left, *others):
        path.write_bytes(b"a password")
        if path != others[-1]:
            os.utime(path, (1, 1))
    HostFile.read(str(rc)).replace(NEW)
    assert not left.exists()
    assert all(path.exists() for path in others)
