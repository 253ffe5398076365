"""Files that hold a secret: only regular files, of the right owner, closed to others, are read."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from oauth2_pop3.errors import ConfigError, StateError
from oauth2_pop3.files.private_file import read_private, read_regular

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "it's a file"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    return path


def refusal(path: Path, **options: bool | int | str) -> StateError:
    with pytest.raises(StateError) as caught:
        read_private(str(path), **options)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    return caught.value


def test_what_is_read(file: Path, tmp_path: Path) -> None:
    assert read_private(str(file)) == b"secret"
    assert read_private(str(tmp_path / "missing")) is None
    large = os.urandom(300_000)
    file.write_bytes(large)
    assert read_private(str(file)) == large


def test_the_callers_error_is_raised(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="holds a key and is open to others"):
        read_private(str(file), ConfigError, holds="a key")


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_the_hint_can_be_pasted(file: Path, mode: int) -> None:
    file.chmod(mode)
    error = refusal(file)
    assert f"(mode {mode:04o})" in error.message
    _, _, command = error.hint.partition(". Run: ")
    assert shlex.split(command) == ["chmod", "600", str(file)]


@as_root
def test_the_owner(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(file, NOBODY, NOBODY)
    assert "another user (uid 65534)" in refusal(file).message
    refusal(file, or_root=True)
    os.chown(file, 0, 0)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    refusal(file)
    assert read_private(str(file), or_root=True) == b"secret"


def test_a_symbolic_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert "symbolic link" in refusal(link).message
    assert read_private(str(link), follow_links=True) == b"secret"
    file.chmod(0o644)  # the file's mode counts, and not the link's
    refusal(link, follow_links=True)
    link.unlink()
    link.symlink_to(link)
    refusal(link, follow_links=True)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)  # nobody writes to it: reading it would wait for ever
    assert "not a regular file" in refusal(tmp_path / "fifo").message
    assert "a directory" in refusal(tmp_path).message
    assert "not a regular file" in refusal(Path("/dev/null")).message
    assert "null byte" in refusal(tmp_path / "a\0b").message
    (tmp_path / "file").touch()
    assert "Not a directory" in refusal(tmp_path / "file" / "below").message


def test_the_limit(file: Path) -> None:
    assert read_private(str(file), limit=6) == b"secret"
    assert "larger" in refusal(file, limit=5).message


def test_owner_and_mode_are_those_of_what_was_read(file: Path) -> None:
    found = read_regular(str(file), StateError)
    assert found is not None
    assert found[0] == b"secret"
    assert os.path.samestat(found[1], file.stat())
