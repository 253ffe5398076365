"""mpoprc: read as mpop reads it, and translated so that mpop sees the difference that was meant and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from dialects import mpoprc_grammar
from dialects.mpoprc_grammar import CORPUS, files, fuzz
from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.mpoprc import MpopFile, MpopRc
from oauth2_pop3.dialects.source_text import SourceText
from oauth2_pop3.errors import DialectError
from oauth2_pop3.translation.unified_diff import unified_diff
from servers import programs

Dump = dict[str, str]
SET = {"auth", "password", "passwordeval"}


@pytest.fixture(scope="session")
def mpop() -> str:
    return programs.find("mpop")


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment whose `oauth2-pop3` does nothing but print, as mpop runs passwordeval for --pretend."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("oauth2-pop3", "gpg", "pass", "mutt_oauth2.py"):
        (directory / name).write_text("#!/bin/sh\necho a-token\n")
        (directory / name).chmod(0o755)
    (tmp_path / "home").mkdir()
    return {"PATH": f"{directory}:/usr/bin:/bin", "HOME": str(tmp_path / "home"), "LC_ALL": "C"}


def pretend(mpop: str, content: bytes, names: list[str], shell: dict[str, str], directory: Path) -> list[Dump] | str:
    """What mpop reads of each account; its error if it refuses the file."""
    file = directory / "mpoprc"
    file.write_bytes(content)
    file.chmod(0o600)
    dumps = []
    for name in names or ["none"]:
        result = subprocess.run(
            [mpop.encode(), b"-C", os.fsencode(file), b"--pretend", name.encode("iso-8859-1")],
            env=shell,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
        said = result.stderr.decode("iso-8859-1")
        if f"{file}: line " in said:
            return said
        lines = [line.partition(" = ") for line in result.stdout.decode("iso-8859-1").splitlines()]
        dumps.append({key: value for key, equals, value in lines if equals} or {"error": said})
    return dumps


def read(content: bytes) -> MpopFile:
    return MpopFile(SourceText("mpoprc", content))


def sign_ins(file: MpopFile) -> dict[int, SignIn]:
    """Every Google and Microsoft account that can be translated."""
    servers = {"pop.gmail.com": ("oauthbearer", "xoauth2"), "outlook.office365.com": ("xoauth2",)}
    return {
        number: SignIn(address=account.username, mechanisms=servers[account.server])
        for number, account in enumerate(file.accounts)
        if account.server in servers
        and "@" in account.username
        and not account.obstacle
        and not account.uses_oauth2_pop3
    }


def translated(file: MpopFile, chosen: dict[int, SignIn] | None = None) -> bytes:
    return file.source.edited(file.translate(sign_ins(file) if chosen is None else chosen).edits)


def differs_as_it_must(content: bytes, mpop: str, shell: dict[str, str], tmp_path: Path) -> None:
    """By mpop's own word: what is translated uses the helper, and everything else is as it was."""
    file = read(content)
    names = [section.name for section in file._sections]
    chosen = sign_ins(file)
    result = translated(file, chosen)
    before, after = (pretend(mpop, text, names, shell, tmp_path) for text in (content, result))
    assert not isinstance(before, str), before
    assert not isinstance(after, str), (after, result)
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if number in chosen:
            assert changed <= SET, (number, changed, result)
            assert new["auth"] == chosen[number].mechanisms[0].upper().replace("-", ""), new
            assert new["passwordeval"].startswith("oauth2-pop3 token "), new
            assert new["password"] == "*"
        elif "host" in old and old["host"] != "(not set)" and old["user"] != "(not set)":
            assert not changed, (number, changed, result)
        else:
            assert changed <= {"password"}, (number, changed, result)
    for number in chosen:  # mpop would send no old password
        words = read(result)._sections[number].settings
        assert not words["password"].argument if "password" in words else True


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.rc")))
def test_the_corpus(name: str, mpop: str, shell: dict[str, str], tmp_path: Path) -> None:
    content = (CORPUS / name).read_bytes()
    differs_as_it_must(content, mpop, shell, tmp_path)
    again = translated(read(content))
    assert translated(read(again)) == again, "translating twice changes nothing more"


def test_the_corpus_is_large_enough() -> None:
    assert len(list(CORPUS.glob("*.rc"))) >= 40


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_random_files(mpop: str, shell: dict[str, str], tmp_path: Path, content: bytes) -> None:
    differs_as_it_must(content, mpop, shell, tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(mpoprc_grammar.nearly_files())
def test_what_mpop_refuses_is_refused(mpop: str, shell: dict[str, str], tmp_path: Path, content: bytes) -> None:
    said = pretend(mpop, content, [], shell, tmp_path)
    try:
        file = read(content)
    except DialectError as error:
        assert isinstance(said, str), (error, content)
    else:
        names = [section.name for section in file._sections][:1]
        said = pretend(mpop, content, names, shell, tmp_path)
        assert not isinstance(said, str), (said, content)


@pytest.mark.parametrize(
    ("content", "line", "column", "words"),
    [
        (b"host x\n", 1, 1, "first command must be account or defaults"),
        (b"account a\nhost h\nhots x\n", 3, 1, "no command hots"),
        (b"account a\nport 99999\n", 2, 6, "a port number is expected"),
        (b"account a\n  tls  maybe\n", 2, 8, "on or off is expected"),
        (b"account a\naccount a\n", 2, 9, "defined already"),
        (b"account a : b\n", 1, 9, "not defined yet"),
        (b"account\n", 1, 8, "name of an account"),
        (b"defaults x\n", 1, 10, "takes no argument"),
        (b"account a\nhost h" + b"x" * 600, 2, 1, "line is too long: mpop takes 499"),
        (b"account a\nhost\0 h\n", 2, 5, "NUL"),
        (b"account a\ndelivery\n", 2, 9, "mda, maildir"),
    ],
)
def test_where_and_what(content: bytes, line: int, column: int, words: str) -> None:
    with pytest.raises(DialectError, match=words) as caught:
        read(content)
    assert (caught.value.line, caught.value.column, caught.value.file) == (line, column, "mpoprc")


def test_the_passwords_leave_the_file() -> None:
    content = (CORPUS / "password_in_defaults.rc").read_bytes()
    assert b"for-all" not in translated(read(content))
    content = (CORPUS / "password_in_defaults_for_others_too.rc").read_bytes()
    assert translated(read(content)).count(b"for-all") == 1


def test_a_carriage_return_without_a_line_feed_stays_a_part_of_the_name() -> None:
    file = read(b"account a\nhost pop.gmail.com\ntls on\nuser a@gmail.com\r")
    again = read(translated(file, {0: SignIn(address="a@gmail.com")}))
    assert again.accounts[0].username == file.accounts[0].username == "a@gmail.com\r"


def test_a_password_that_moves_to_another_account_is_not_shown() -> None:
    content = (
        b"account a\nhost pop.gmail.com\ntls on\nuser a@gmail.com\npassword hunter2\n"
        b"account b : a\nhost pop.example.net\nuser b\n"
    )
    file = read(content)
    edits = file.translate({0: SignIn(address="a@gmail.com")}).edits
    assert file.source.edited(edits).endswith(
        b"user b\nauth\npassword hunter2\npasswordeval\n".replace(b"auth\n", b"auth on\n")
    )
    assert "hunter2" not in unified_diff(file.source, edits, file.secrets)


def test_secrets_are_all_passwords() -> None:
    content = b'defaults\npassword one\naccount a\npassword "two three"\neval echo password four\npassword\n'
    content += b"passwordeval echo five\npasswordeval oauth2-pop3 token a@b\n"
    file = read(content)
    assert [file.source.text[start:end] for start, end in file.secrets] == [
        "one",
        '"two three"',
        "echo password four",
        "echo five",
    ]


def test_an_old_mpop() -> None:
    content = (CORPUS / "plain.rc").read_bytes()
    for version, mechanism in {(1, 4, 10): b"auth oauthbearer", (1, 4, 18): b"auth xoauth2"}.items():
        file = MpopFile(SourceText("mpoprc", content), version)
        result = translated(file, {0: SignIn(address="ann@gmail.com", mechanisms=("xoauth2", "oauthbearer"))})
        assert mechanism in result
    file = MpopFile(SourceText("mpoprc", content), (1, 2, 8))
    translation = file.translate(sign_ins(file))
    assert not translation.edits
    assert "install a later version" in translation.remarks[0][0]
    file = MpopFile(SourceText("mpoprc", content), (1, 4, 22))
    assert file.translate(sign_ins(file)).remarks[0] == []


def test_the_installed_mpop_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files there are. Without an mpop, Debian 12's is assumed."""
    content = (CORPUS / "plain.rc").read_bytes()
    monkeypatch.setenv("PATH", str(tmp_path))
    remarks = MpopRc().read("x", content).translate({0: SignIn(address="ann@gmail.com")}).remarks[0]
    assert "mpop 1.4.18 cannot send" in remarks[0]
    program = tmp_path / "mpop"
    program.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/log\necho mpop version 1.4.10\n")
    program.chmod(0o755)
    dialect = MpopRc()
    for _ in range(2):
        remarks = dialect.read("x", content).translate({0: SignIn(address="ann@gmail.com")}).remarks[0]
        assert "mpop 1.4.10 cannot send" in remarks[0]
    assert (tmp_path / "log").read_text() == "asked\n"


def test_recognised() -> None:
    dialect = MpopRc()
    for path in CORPUS.glob("*.rc"):
        assert path.name == "only_comments.rc" or dialect.recognises("x", path.read_bytes()), path
    assert dialect.recognises("/home/ann/.mpoprc", b"")
    assert dialect.recognises("/home/ann/.config/mpop/config", b"")
    for other in (b"poll x proto pop3\n", b"[retriever]\ntype = x\n", b"", b"\xff\0", b"account x\nfrom y\nhost z\n"):
        assert not dialect.recognises("x", other)


@pytest.mark.slow
def test_fuzz() -> None:
    fuzz(seed=1, count=2000)


@pytest.mark.slow
def test_one_megabyte(capsys: pytest.CaptureFixture[str]) -> None:
    """Linear: ten times as large is not a hundred times as slow. The figure is for the note, the bound is generous."""
    one = "account a{0}\nhost pop.gmail.com\ntls on\ntls_starttls off\nuser a{0}@gmail.com\npassword x\n"
    content = "".join(one.format(number) for number in range(12_000)).encode()
    assert len(content) > 1 << 20
    code = (
        "import sys, time; from oauth2_pop3.dialects.mpoprc import MpopFile; from oauth2_pop3.dialects import SignIn\n"
        "from oauth2_pop3.dialects.source_text import SourceText\n"
        "data = sys.stdin.buffer.read(); file = MpopFile(SourceText('x', data))\n"
        "chosen = {n: SignIn(address=a.username) for n, a in enumerate(file.accounts)}\n"
        "print(file.source.edited(file.translate(chosen).edits).count(b'oauth2-pop3 token'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"12000\n"
