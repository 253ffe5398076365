"""The files that `translate` takes if the user names none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oauth2_pop3.dialects.fetchmailrc import FetchmailRc
from oauth2_pop3.dialects.getmailrc import GetmailRc
from oauth2_pop3.errors import ConfigError
from oauth2_pop3.translation.locations import find

GETMAILRC = b"[retriever]\ntype = SimplePOP3SSLRetriever\n"


class AnyRc(FetchmailRc):
    locations = ("~/.rc", "~/.config/any")


def test_a_file_in_its_own_place_is_taken_whatever_is_in_it(home: Path) -> None:
    """If it cannot be read in that dialect, that must be an error, not silence."""
    (home / ".rc").write_bytes(b"what is this")
    assert find([AnyRc()], with_backup=False, warn=pytest.fail) == [str(home / ".rc")]


def test_in_a_directory_only_what_the_dialect_recognises(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = home / "elsewhere/getmail"
    directory.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "elsewhere"))
    for name in ("b", "a", ".a.swp", "a~", "a.bak", "a.dpkg-old", "a.before-oauth2-pop3.2"):
        (directory / name).write_bytes(GETMAILRC)
    (directory / "oldmail").write_bytes(b"1 2\0")
    (directory / "log").mkdir()
    assert find([GetmailRc()], with_backup=False, warn=pytest.fail) == [str(directory / "a"), str(directory / "b")]


def test_for_undo_only_what_has_a_backup(home: Path) -> None:
    for name in (".fetchmailrc", ".rc"):
        (home / name).touch()
    with pytest.raises(ConfigError, match="found no backup in ~/.rc, ~/.config/any"):
        find([AnyRc()], with_backup=True, warn=pytest.fail)
    (home / ".rc.before-oauth2-pop3").touch()
    assert find([AnyRc()], with_backup=True, warn=pytest.fail) == [str(home / ".rc")]


def test_what_may_not_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, who may read everything."""
    (home / ".rc").touch()
    (home / ".config/any").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(Path, "iterdir", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    said: list[str] = []
    with pytest.raises(ConfigError, match="found no configuration file"):
        find([AnyRc()], with_backup=False, warn=said.append)
    assert said == [
        f"{home}/.rc is left out: this user may not read it",
        f"{home}/.config/any is left out: Permission denied",
    ]
