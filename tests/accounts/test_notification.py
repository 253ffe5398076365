"""notify_command: what it is told, how often, and that nothing breaks if it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oauth2_pop3.accounts import notification
from oauth2_pop3.accounts.config import Config
from support import CONTRIB
from support.product import ADDRESS

MAIL = CONTRIB / "notify/mail.sh"
COMMAND = f"oauth2-pop3 login {ADDRESS}"


def told(tmp_path: Path) -> list[str]:
    file = tmp_path / "told"
    return file.read_text().splitlines() if file.exists() else []


def config(tmp_path: Path, body: str = "", every: int = 86400) -> Config:
    """A command that writes down what it finds in its environment."""
    script = tmp_path / "tell"
    line = '"$OAUTH2_POP3_ACCOUNT|$OAUTH2_POP3_REASON|$OAUTH2_POP3_COMMAND"'
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' {line} >> {tmp_path}/told\n{body}\n")
    script.chmod(0o755)
    return Config(tmp_path / "config.toml", notify_command=str(script), notify_every=every)


def notify(settings: Config, reason: str = "it ended", account: str = ADDRESS) -> None:
    notification.notify(account, reason, COMMAND, settings)


def notified(home: Path) -> Path:
    return home / ".local/state/oauth2-pop3/notified" / ADDRESS


def test_once_an_account_until_reset(home: Path, tmp_path: Path) -> None:
    settings = config(tmp_path)
    notify(settings)
    notify(settings)
    notify(settings, account="bob@example.org")
    assert told(tmp_path) == [f"{ADDRESS}|it ended|{COMMAND}", f"bob@example.org|it ended|{COMMAND}"]
    assert notified(home).stat().st_mode & 0o777 == 0o600
    notification.reset(ADDRESS)
    notification.reset(ADDRESS)
    notify(settings)
    assert len(told(tmp_path)) == 3


@pytest.mark.parametrize(("age", "runs"), [(50, 1), (150, 2), (-1000, 2)])
def test_again_after_notify_every(age: int, runs: int, home: Path, tmp_path: Path) -> None:
    """A file dated in the future, after the clock was set back, does not silence it for ever."""
    settings = config(tmp_path, every=100)
    notify(settings)
    moment = time.time() - age
    os.utime(notified(home), (moment, moment))
    notify(settings)
    assert len(told(tmp_path)) == runs


@pytest.mark.usefixtures("home")
def test_no_shell_reads_the_reason(tmp_path: Path) -> None:
    reason = "$(touch hacked); `touch hacked`; 'x' \"y\" | tee hacked"
    notify(config(tmp_path), reason)
    assert told(tmp_path) == [f"{ADDRESS}|{reason}|{COMMAND}"]


@pytest.mark.usefixtures("home")
def test_it_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(notification, "TIMEOUT", 0.2)
    notify(config(tmp_path, "exec sleep 600"))
    assert capsys.readouterr().err == "oauth2-pop3: notify_command did not end within 0 seconds\n"


def test_it_is_written_down_before_it_runs(home: Path, tmp_path: Path) -> None:
    notify(config(tmp_path, f"test -e {notified(home)} || echo too early >> {tmp_path}/told; exit 3"))
    notify(config(tmp_path))
    assert len(told(tmp_path)) == 1, "one that fails is not run at each poll either"


@pytest.mark.usefixtures("home")
def test_what_it_prints_goes_to_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled(), (tmp_path / "err").open("w") as err, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", err)
        notify(config(tmp_path, "echo said"))
    assert (tmp_path / "err").read_text() == "said\n"
    assert capfd.readouterr().out == ""


# Regression: AttributeError, because a daemon's sys.stderr is None
@pytest.mark.parametrize("body", ["echo said", "exit 3"])
@pytest.mark.usefixtures("home")
def test_without_standard_error(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    notify(config(tmp_path, body))
    assert len(told(tmp_path)) == 1
    assert capfd.readouterr().out == "", "standard output belongs to the token"


def test_a_state_directory_that_cannot_be_written(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".local/state/oauth2-pop3").mkdir()
    notified(home).parent.write_text("a file")
    notify(config(tmp_path))
    assert told(tmp_path) == [], "it would run at each poll"
    assert capsys.readouterr().err.startswith("oauth2-pop3: notify_command ")


@pytest.mark.parametrize("program", ["mail", "sendmail"])
def test_mail_by_what_there_is(program: str, tmp_path: Path) -> None:
    """A PATH with next to nothing: mail(1), or else sendmail, which takes the headers on its standard input."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "id", "uname", "cat"):
        found = next(path for path in (Path("/bin", name), Path("/usr/bin", name)) if path.exists())
        (programs / name).symlink_to(found)
    (programs / program).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/got\ncat >> {tmp_path}/got\n')
    (programs / program).chmod(0o755)
    environment = {
        "PATH": str(programs),
        "OAUTH2_POP3_ACCOUNT": ADDRESS,
        "OAUTH2_POP3_REASON": "it $(ended)",
        "OAUTH2_POP3_COMMAND": COMMAND,
    }
    subprocess.run([MAIL, "admin@example.org"], env=environment, check=True, timeout=180)
    got = (tmp_path / "got").read_text()
    assert "admin@example.org" in got
    assert f"oauth2-pop3: {ADDRESS} needs you" in got
    assert f"{ADDRESS}: it $(ended)\n" in got
    assert f"\n  {COMMAND}\n" in got
    assert ("Subject: " in got) == (program == "sendmail")
