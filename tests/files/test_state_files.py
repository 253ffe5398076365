"""Files of state: whole or not at all, private, one process at a time."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3 import access_token_cache
from oauth2_pop3.access_token_cache import SHARE_WITH_GROUP, file_name, state_directory
from oauth2_pop3.errors import OAuth2Pop3Error, StateError, StateLocked
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import StateLock
from servers.authorization_server import AuthorizationServer
from support.product import ADDRESS, Product

ANN = "ann@example.org"
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def python() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """python(CODE): another process, which is killed at the test's end."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


Start = Callable[[str], "subprocess.Popen[str]"]


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# -- write


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 300_000])
def test_a_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    state_files.write(str(path), content)
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_mode_is_not_left_to_the_umask(tmp_path: Path, mode: int, mask: int) -> None:
    before = os.umask(mask)
    try:
        state_files.write(str(tmp_path / "file"), b"x", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_it_is_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def rename(source: str, target: str) -> None:
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    state_files.write(str(tmp_path / "file"), b"x")
    assert done == ["file", "rename", "directory"]


def test_a_writer_that_is_killed_leaves_old_or_new(tmp_path: Path, python: Start) -> None:
    path = tmp_path / "file"
    code = (
        "from oauth2_pop3.files import state_files\n"
        "import itertools\n"
        "for n in itertools.cycle(range(10)):\n"
        f"    state_files.write({str(path)!r}, str(n).encode() * 200_000)\n"
        "    n or print(flush=True)\n"
    )
    for wait in (0.001, 0.004, 0.007, 0.011, 0.017):
        process = python(code)
        said(process)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        content = path.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
        assert len(list(tmp_path.iterdir())) <= 2
    state_files.write(str(path), b"whole")  # what was left behind does no harm
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, python: Start) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    process = python(
        "import resource, signal\n"
        "from oauth2_pop3.files import state_files\n"
        "from oauth2_pop3.errors import StateError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        f"    state_files.write({str(path)!r}, b'x' * 5000)\n"
        "except StateError as error:\n"
        "    print(error, flush=True)\n"
    )
    assert "cannot write" in said(process)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot write") as caught:
        state_files.write(str(tmp_path / "none" / "file"), b"hush")
    assert "hush" not in str(caught.value)
    with pytest.raises(StateError, match="cannot write"):
        state_files.write("/proc/oauth2-pop3", b"x")


def test_a_link_in_the_way_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for name in ("file.tmp", f"file.{os.getpid()}.tmp"):
        (tmp_path / name).symlink_to(victim)
    with suppress(StateError):
        state_files.write(str(tmp_path / "file"), b"x")
    assert victim.read_text() == "untouched"


def test_remove(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state_files.remove(str(tmp_path / "file"))
    state_files.remove(str(tmp_path / "file"))
    with pytest.raises(StateError, match="cannot delete"):
        state_files.remove(str(tmp_path))


# -- private_directory


def test_a_directory_is_made_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    state_files.private_directory(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    path.chmod(0o755)
    state_files.private_directory(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@as_root
def test_a_directory_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(StateError, match="another user"):
        state_files.private_directory(str(path))


def test_a_directory_that_cannot_be_made() -> None:
    with pytest.raises(StateError, match="cannot make"):
        state_files.private_directory("/proc/oauth2-pop3/tokens")


# Regression: its mode is changed, and it is taken for a directory
def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0o644)
    with pytest.raises(StateError, match="directory"):
        state_files.private_directory(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# -- where


def test_where_state_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_directory() == f"{home}/.local/state/oauth2-pop3"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_directory() == f"{home}/.local/state/oauth2-pop3"


# Regression: "~/.local/state", a directory named "~" wherever one happens to be; with HOME="" it is /.local
@pytest.mark.parametrize("value", [None, "", "relative"])
def test_without_a_home(home: Path, tmp_path: Path, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)  # not in /etc/passwd, as in a container
    if value is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", value)
    assert access_token_cache.read(ANN) is None
    with pytest.raises(OAuth2Pop3Error, match="HOME"):  # and nothing is made: the lock is not taken
        StateLock(ANN)


accounts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text("aA.%/2eEfF@~-_+ü", max_size=8),
)


@given(accounts, accounts)
def test_every_account_has_a_file_name_of_its_own(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) is (one.lower() == other.lower())


@given(accounts.filter(bool))
def test_a_file_name_is_one(account: str) -> None:
    name = file_name(account)
    assert name.isascii()
    assert name.isprintable()
    assert "/" not in name
    assert not name.startswith((".", "~"))
    assert file_name(account.lower()) == name


# Regression: UnicodeEncodeError: an argument that is not of the locale's encoding
def test_a_name_that_is_no_text(home: Path) -> None:
    assert access_token_cache.read("ann\udcff@example.org") is None


# -- the cache, which trusts nobody


def cached(text: str, mode: int = 0o600) -> Path:
    """Write the cache. FUTURE in the text becomes a time that is 10,000 seconds away."""
    path = Path(access_token_cache.path(ANN))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("FUTURE", str(int(time.time()) + 10_000)))
    path.chmod(mode)
    return path


def test_the_cache_is_read(home: Path) -> None:
    assert access_token_cache.read(ANN) is None
    cached("FUTURE\ntoken\n")
    assert access_token_cache.read("ANN@example.org", 9000) == "token"
    assert access_token_cache.read(ANN, 11_000) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "FUTURE\n",
        "FUTURE\ntoken",
        "FUTURE\n\n",
        "FUTURE\na\nb\n",
        "x\ntoken\n",
        "FUTURE\né\n",
        "nan\ntoken\n",
    ],  # Regression: nan is not greater than any number, so it never ended
)
def test_a_cache_that_is_damaged(home: Path, text: str) -> None:
    cached(text)
    assert access_token_cache.read(ANN) is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o601])
def test_a_cache_that_others_can_reach(home: Path, mode: int) -> None:
    cached("FUTURE\ntoken\n", mode)
    assert access_token_cache.read(ANN) is None


def test_a_cache_that_is_no_file(home: Path, tmp_path: Path) -> None:
    path = cached("FUTURE\ntoken\n")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert access_token_cache.read(ANN) is None
    path.unlink()
    path.mkdir(mode=0o700)
    assert access_token_cache.read(ANN) is None
    path.rmdir()
    os.mkfifo(path, 0o600)
    assert access_token_cache.read(ANN) is None


@as_root
def test_a_cache_of_somebody_else(home: Path) -> None:
    os.chown(cached("FUTURE\ntoken\n"), NOBODY, NOBODY)
    assert access_token_cache.read(ANN) is None


# -- StateLock

HOLD = """
import sys
from oauth2_pop3.files.state_files import StateLock
with StateLock({account!r}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(home: Path, python: Start) -> None:
    other = python(HOLD.format(account="ANN@example.org"))
    assert said(other) == "held"
    started = time.monotonic()
    with pytest.raises(StateLocked, match=ANN) as caught, StateLock(ANN, timeout=0.3):
        pass
    assert time.monotonic() - started >= 0.3
    assert "fuser" in caught.value.hint
    with StateLock("bob@example.org", timeout=0):
        pass
    other.communicate("")
    with StateLock(ANN, timeout=1):
        pass


def test_it_is_given_back_by_a_process_that_is_killed(home: Path, python: Start) -> None:
    other = python(HOLD.format(account=ANN))
    assert said(other) == "held"
    threading.Timer(0.1, other.kill).start()
    with StateLock(ANN, timeout=60):
        pass


def test_it_is_waited_for(home: Path, python: Start) -> None:
    with StateLock(ANN):
        other = python(HOLD.format(account=ANN))
        assert other.stdout is not None
        assert select.select([other.stdout], [], [], 0.4)[0] == []
    assert said(other) == "held"


def test_it_may_be_taken_again_by_who_has_it(home: Path, python: Start) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with StateLock(ANN):
        with StateLock("Ann@Example.org", timeout=0), StateLock(ANN, timeout=0):
            pass
        contender = python(HOLD.format(account=ANN).replace("org')", "org', timeout=0)"))
        assert said(contender) == ""
        assert contender.wait(5) != 0  # still held
    with StateLock(ANN, timeout=0):
        pass
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # the contender's pipes


def test_an_error_gives_it_back(home: Path, python: Start) -> None:
    with pytest.raises(ZeroDivisionError), StateLock(ANN):
        raise ZeroDivisionError
    assert said(python(HOLD.format(account=ANN))) == "held"


def test_children_do_not_inherit_it(home: Path, python: Start) -> None:
    with StateLock(ANN):
        sleeper = subprocess.Popen(["sleep", "20"], close_fds=False)
    try:
        with StateLock(ANN, timeout=0):
            pass
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_link_in_the_place_of_the_lock(home: Path, tmp_path: Path) -> None:
    locks = Path(state_directory(), "locks")
    locks.mkdir(parents=True)
    (locks / file_name(ANN)).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="cannot open the lock"), StateLock(ANN):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_state_that_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc")
    with pytest.raises(StateError, match="cannot make the directory") as caught, StateLock(ANN):
        pass
    assert "XDG_STATE_HOME" in caught.value.hint


def test_an_address_that_is_too_long_for_a_file_name(home: Path) -> None:
    with pytest.raises(StateError, match="too long"), StateLock("ü" * 60 + "@example.org"):
        pass
    assert access_token_cache.read("x" * 300) is None


# -- state that is shared with a group


def test_what_is_made_is_open_to_the_group_whatever_the_umask(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARE_WITH_GROUP, "1")
    before = os.umask(0o077)
    try:
        with StateLock(ANN):
            state_files.write_state(f"{state_directory()}/tokens/x", b"x")
            state_files.write_copy(f"{state_directory()}/access/x", b"x")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o777 for path in Path(state_directory()).rglob("*") if path.is_file()}
    assert modes == {0o660}
    directories = [path for path in Path(state_directory()).rglob("*") if path.is_dir()]
    assert len(directories) == 3
    assert {stat.S_IMODE(path.stat().st_mode) & 0o777 for path in directories} == {0o770}


@pytest.fixture
def volume(
    signed_in: Product, authorization_server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """State and configuration of an account that has signed in, where any user may come."""
    with tempfile.TemporaryDirectory(prefix="volume-") as directory:
        Path(directory).chmod(0o755)
        for name, variable in ((".local/state", "XDG_STATE_HOME"), (".config", "XDG_CONFIG_HOME")):
            shutil.copytree(signed_in.home / name, f"{directory}/{name}")
            monkeypatch.setenv(variable, f"{directory}/{name}")
        authority = Path(shutil.copy(authorization_server.ca_file, directory))
        config = Path(directory, ".config/oauth2-pop3/config.toml")
        config.write_text(config.read_text().replace(str(authorization_server.ca_file), str(authority)))
        for path in Path(directory).iterdir():
            path.chmod(0o755)
        yield Path(directory)


@as_root
@pytest.mark.parametrize("allowed", [True, False])
def test_a_container_may_give_the_state_to_a_group(
    allowed: bool, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kubernetes does with fsGroup, at each start of a pod: all is the group's, and the user is a new one."""
    user, group = 1_234_567, 2_000
    state = volume / ".local/state/oauth2-pop3"
    subprocess.run(["chown", "-R", f"{NOBODY}:{group}", str(volume / ".local")], check=True)
    subprocess.run(["chown", "-R", f"{user}:{user}", str(volume / ".config")], check=True)
    for path in (state.parent, state, *state.rglob("*")):
        path.chmod(0o2770 if path.is_dir() else 0o660)
    file = state / "tokens" / f"{ADDRESS}.json"
    before = json.loads(file.read_text())
    if allowed:
        monkeypatch.setenv(SHARE_WITH_GROUP, "1")

    def token(*arguments: str) -> subprocess.CompletedProcess[str]:
        as_user = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", sys.executable, "-m"]
        command = [*as_user, "oauth2_pop3", "token", ADDRESS, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    cached, new = token(), token("--min-validity", "99999999")
    if not allowed:
        assert (cached.returncode, new.returncode) == (74, 74)
        assert f"{SHARE_WITH_GROUP}=1" in cached.stderr
        return
    assert (cached.returncode, cached.stdout.strip(), cached.stderr) == (0, before["access_token"], "")
    assert (new.returncode, new.stderr) == (0, "")
    after = json.loads(file.read_text())
    assert (new.stdout.strip(), after["refresh_token"] != before["refresh_token"]) == (after["access_token"], True)
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_gid) == (0o660, group)
    file.chmod(0o664)
    (state / "access" / ADDRESS).chmod(0o664)
    assert "is open to others" in token().stderr
