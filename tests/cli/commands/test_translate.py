"""`translate`: the command."""

from __future__ import annotations

import gc
import json
import re
import stat
from pathlib import Path

import pytest

from oauth2_pop3.cli import main
from support.product import Product

FETCHMAILRC = """\
# mine
poll pop.gmail.com proto pop3
  user "ann@gmail.com" there is "ann" here password "hunter2" ssl keep
poll pop.gmx.net proto pop3 user "ann@gmx.de" password "gmx-secret" ssl # stays
poll imap.gmail.com proto imap user "ann@gmail.com" password "imap-secret" ssl
"""
SECRETS = ("hunter2", "gmx-secret", "imap-secret")


@pytest.fixture
def rc(product: Product) -> Path:
    file = product.home / ".fetchmailrc"
    file.write_text(FETCHMAILRC)
    file.chmod(0o600)
    return file


def no_secret(text: str) -> bool:
    return not any(secret in text for secret in SECRETS)


# -- the command


def test_it_shows_and_changes_nothing(product: Product, rc: Path) -> None:
    before = rc.stat()
    result = product.run("translate", str(rc))
    assert result.returncode == 0, result.stderr
    assert rc.read_text() == FETCHMAILRC
    assert rc.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in product.home.glob(".fetchmailrc*")] == [".fetchmailrc"]
    assert no_secret(result.stdout + result.stderr)
    assert '+poll pop.gmail.com proto pop3 plugin "' in result.stdout
    for line in (
        "line 3: ann@gmail.com at pop.gmail.com: signs in with OAuth 2.0 as ann@gmail.com (google)",
        "To do: Run: oauth2-pop3 login ann@gmail.com",
        "line 4: ann@gmx.de at pop.gmx.net: left as it is. GMX has no OAuth for POP3.",
        "line 5: ann@gmail.com at imap.gmail.com: left as it is. It is not POP3 but IMAP.",
        "Nothing was changed yet: add --write.",
    ):
        assert line in result.stdout


def test_write_and_undo(product: Product, rc: Path) -> None:
    rc.chmod(0o640)
    result = product.run("translate", str(rc), "--write")
    assert result.returncode == 0, result.stderr
    assert no_secret(result.stdout)
    backup = rc.with_name(".fetchmailrc.before-oauth2-pop3")
    assert backup.read_text() == FETCHMAILRC
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert f"The backup is {backup}. It still has the passwords" in result.stdout
    translated = rc.read_text()
    assert stat.S_IMODE(rc.stat().st_mode) == 0o640
    assert "hunter2" not in translated
    assert translated.splitlines()[0] == "# mine"
    assert translated.splitlines()[3:] == FETCHMAILRC.splitlines()[3:]
    again = product.run("translate", str(rc), "--write")
    assert again.returncode == 0
    assert "There is nothing to change." in again.stdout
    assert "uses oauth2-pop3 already" in again.stdout
    assert rc.read_text() == translated
    assert product.run("translate", str(rc), "--undo").returncode == 0
    assert rc.read_text() == FETCHMAILRC
    assert not backup.exists()
    nothing = product.run("translate", str(rc), "--undo")
    assert nothing.returncode == 78
    assert "no backup" in nothing.stderr


def test_output_elsewhere(product: Product, rc: Path) -> None:
    other = product.home / "other"
    assert product.run("translate", str(rc), "--output", str(other)).returncode == 0
    assert stat.S_IMODE(other.stat().st_mode) == 0o600
    assert rc.read_text() == FETCHMAILRC
    result = product.run("translate", str(rc), "--output", "-")
    assert result.stdout == other.read_text()
    assert "signs in with OAuth 2.0" in result.stderr
    there = product.run("translate", str(rc), "--output", str(other))
    assert there.returncode == 78
    assert "exists already" in there.stderr
    assert product.run("translate", str(rc), str(rc), "--output", "-").returncode == 64
    assert product.run("translate", str(rc), "--output", "-", "--json").returncode == 64


def test_json(product: Product, rc: Path) -> None:
    [result] = json.loads(product.run("translate", str(rc), "--json", check=True).stdout)
    assert list(result) == ["file", "dialect", "changed", "written", "backup", "diff", "remarks", "accounts"]
    assert (result["dialect"], result["changed"], result["written"]) == ("fetchmailrc", True, False)
    assert [account["outcome"] for account in result["accounts"]] == ["translated", "left", "left"]
    assert list(result["accounts"][0]) == [
        "line",
        "name",
        "protocol",
        "server",
        "port",
        "username",
        "outcome",
        "address",
        "provider",
        "why",
        "remarks",
        "todo",
    ]
    assert no_secret(json.dumps(result))


def test_only(product: Product, rc: Path) -> None:
    rc.write_text(FETCHMAILRC + 'poll pop.gmail.com proto pop3 user "bob@gmail.com" password "y" ssl\n')
    result = product.run("translate", str(rc), "--only", "bob@gmail.com", "--write")
    assert result.returncode == 0
    assert rc.read_text().startswith(FETCHMAILRC)
    assert "not among the accounts of --only" in result.stdout
    missing = product.run("translate", str(rc), "--only", "cyd@gmail.com")
    assert missing.returncode == 64


def test_without_a_file_it_looks_where_the_hosts_look(
    product: Product, rc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = product.home / "nowhere"
    getmail = product.home / ".getmail"
    getmail.mkdir()
    (getmail / "getmailrc").write_text(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = ann@gmail.com\npassword = x\n"
        "[destination]\ntype = Maildir\npath = ~/Maildir/\n"
    )
    (getmail / "oldmail-pop.gmail.com-995-ann@gmail.com").write_text("1 0\0")
    (product.home / ".mpoprc").write_text(
        "account a\nhost pop.gmail.com\nuser ann@gmail.com\npassword x\ntls on\ntls_starttls off\ndelivery mda cat\n"
    )
    found = json.loads(product.run("translate", "--json").stdout)
    names = {Path(file["file"]).name: file.get("dialect") for file in found}
    assert names["getmailrc"] == "getmailrc"
    assert names[".fetchmailrc"] == "fetchmailrc"
    assert names[".mpoprc"] == "mpoprc"
    elsewhere = product.home / "elsewhere/mpop"
    elsewhere.mkdir(parents=True)
    (product.home / ".mpoprc").rename(elsewhere / "config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(elsewhere.parent))
    assert str(elsewhere / "config") in product.run("translate", "--json").stdout
    assert not any("oldmail" in name for name in names)
    assert product.run("translate", str(nowhere)).returncode == 78


def test_a_file_that_cannot_be_read_wholly(product: Product, rc: Path) -> None:
    rc.write_text(FETCHMAILRC + "pol x\n")
    result = product.run("translate", str(rc), "--write")
    assert result.returncode == 78
    assert re.search(r"\.fetchmailrc:6:1: poll, skip, defaults or set is expected here, not 'pol'", result.stderr)
    assert rc.read_text() == FETCHMAILRC + "pol x\n"
    assert not rc.with_name(".fetchmailrc.before-oauth2-pop3").exists()
    other = product.home / "x"
    other.write_text("what is this\n")
    assert "--dialect" in product.run("translate", str(other)).stderr
    assert product.run("translate", str(other), "--dialect", "mpoprc").returncode == 78
    assert product.run("translate", str(rc), "--write", "--undo").returncode == 64


def test_one_that_cannot_be_read_does_not_stop_the_others(product: Product, rc: Path) -> None:
    bad = product.home / ".mpoprc"
    bad.write_text("host x\n")
    result = product.run("translate", str(bad), str(rc), "--write")
    assert result.returncode == 78
    assert "hunter2" not in rc.read_text()
    assert bad.read_text() == "host x\n"


def test_copies_in_a_host_s_directory_are_left_alone(product: Product) -> None:
    """Once, an editor's copy was translated too, and a large memory of seen mail stopped everything."""
    directory = product.home / ".getmail"
    directory.mkdir()
    text = (
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = ann@gmail.com\npassword = x\n"
        "[destination]\ntype = Maildir\npath = ~/Maildir/\n"
    )
    for name in ("getmailrc", "work", "getmailrc~", "work.bak", ".work.swp", "work.after-oauth2-pop3"):
        (directory / name).write_text(text)
    with (directory / "oldmail-x").open("wb") as file:
        file.truncate(17 << 20)
    result = json.loads(product.run("translate", "--json", "--write", check=True).stdout)
    assert [Path(one["file"]).name for one in result] == ["getmailrc", "work"]
    result = json.loads(product.run("translate", "--json", "--undo", check=True).stdout)
    assert [Path(one["file"]).name for one in result] == ["getmailrc", "work"]
    assert (directory / "work").read_text() == text


def test_no_line_of_a_comment_shows_a_password(product: Product, rc: Path) -> None:
    rc.write_text(FETCHMAILRC.replace("# mine", '# password "gmx-secret"'))
    result = product.run("translate", str(rc), check=True)
    assert no_secret(result.stdout)
    assert "There may be an old password in one (line 1): remove it by hand" in result.stdout


def test_undo_does_not_need_the_config(product: Product, rc: Path) -> None:
    """Once, a mistake in config.toml kept a backup from being put back."""
    product.run("translate", str(rc), "--write", check=True)
    product.configure("nonsense = ")
    assert product.run("translate", str(rc), "--write").returncode == 78
    assert product.run("translate", str(rc), "--undo").returncode == 0
    assert rc.read_text() == FETCHMAILRC


def test_keep_type_is_refused_for_a_host_without_oauth(product: Product, rc: Path) -> None:
    result = product.run("translate", str(rc), "--keep-type")
    assert result.returncode == 64
    assert f"--keep-type is not for {rc}, which is a fetchmailrc" in result.stderr


def test_an_error_is_followed_by_what_to_do(product: Product) -> None:
    result = product.run("translate", "--dialect", "bogus")
    assert result.returncode == 64
    assert result.stderr.splitlines() == [
        "oauth2-pop3: there is no dialect bogus (known: fetchmailrc, getmailrc, mpoprc)",
        "  Is its plugin installed?",
    ]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(home: Path, tmp_path: Path, enabled: bool) -> None:
    """Once, it was off for the rest of the process."""
    file = tmp_path / "fetchmailrc"
    file.write_text(FETCHMAILRC)
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert main(["translate", str(file)]) == 0
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
