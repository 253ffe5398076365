"""A run over files on disk: what is written, what stays, and that one bad file does not stop the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from oauth2_pop3.translation import batch
from oauth2_pop3.translation.batch import Failed, Translated, Undone
from oauth2_pop3.translation.translate import Translator

OLD = b"poll pop.gmail.com proto pop3 user ann@gmail.com pass hunter2 ssl\n"


@pytest.fixture
def files(home: Path) -> list[str]:
    """A file that can be translated, between two that cannot."""
    for name, content in {"fetchmail-bad": b"pol x\n", "fetchmailrc": OLD}.items():
        (home / name).write_bytes(content)
    return [str(home / name) for name in ("fetchmail-bad", "fetchmailrc", "missing")]


def translated(files: list[str], *, write: bool = False, output: str = "") -> list[Translated | Failed]:
    return list(batch.translate(files, Translator(), write=write, output=output, warn=pytest.fail))


def test_one_that_fails_does_not_stop_the_others(files: list[str]) -> None:
    bad, good, missing = translated(files)
    assert isinstance(bad, Failed)
    assert isinstance(missing, Failed)
    assert (bad.name, missing.name) == (files[0], files[2])
    assert bad.error.__traceback__ is None, "it would keep all that was read of the file"
    assert isinstance(good, Translated)
    assert (good.changed, good.backup) == (True, "")
    assert Path(files[1]).read_bytes() == OLD


def test_write_and_undo(files: list[str]) -> None:
    [good] = translated(files[1:2], write=True)
    assert isinstance(good, Translated)
    assert Path(good.backup).read_bytes() == OLD
    assert Path(files[1]).read_bytes() == good.file.content
    [again] = translated(files[1:2], write=True)
    assert isinstance(again, Translated)
    assert (again.changed, again.backup) == (False, ""), "there is no second backup of what stays as it is"
    undone, missing = batch.undo(files[1:], dialect="", warn=pytest.fail)
    assert isinstance(undone, Undone)
    assert isinstance(missing, Failed)
    assert str(undone.backup) == good.backup
    assert undone.kept.read_bytes() == good.file.content
    assert Path(files[1]).read_bytes() == OLD


def test_output(files: list[str], home: Path) -> None:
    [good] = translated(files[1:2], output=str(home / "other"))
    assert isinstance(good, Translated)
    assert (home / "other").read_bytes() == good.file.content
    assert Path(files[1]).read_bytes() == OLD
    [refused] = translated(files[1:2], output=str(home / "other"))
    assert isinstance(refused, Failed), "nothing is overwritten"
