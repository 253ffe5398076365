"""fetchmailrc: read as fetchmail reads it, and translated so that fetchmail sees what was meant and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.fetchmailrc_grammar import CORPUS, files, fuzz, nearly_files, sign_ins
from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.fetchmailrc import FetchmailFile, FetchmailRc
from oauth2_pop3.dialects.fetchmailrc.lexer import quoted, unescaped
from oauth2_pop3.dialects.source_text import SourceText
from oauth2_pop3.errors import DialectError
from oauth2_pop3.translation.unified_diff import unified_diff
from servers import programs

Dump = dict[str, Any]
_CONTROL = re.compile(r"(?<!\\)((?:\\\\)*)\\0x([0-9a-f]{2})")
"""fetchmail prints a control character as \\0x04, which Python reads as NUL and x04."""
SERVER = {"plugin", "auth"}
USER = {
    "password",
    "ssl",
    "sslproto",
    "sslkey",
    "sslcert",
    "sslcertck",
    "sslcertfile",
    "sslcertpath",
    "sslcommonname",
    "sslfingerprint",
}


@pytest.fixture(scope="session")
def fetchmail() -> str:
    return programs.find("fetchmail")


def dump(fetchmail: str, content: bytes, directory: Path) -> list[Dump] | str:
    """What fetchmail reads in the file, an entry for each user; or what it says if it refuses it."""
    file = directory / "fetchmailrc"
    file.write_bytes(content.translate(bytes([*range(128), *b"Z" * 128])))  # it garbles what is not ASCII
    file.chmod(0o600)
    environment = {"HOME": str(directory), "PATH": "/usr/bin:/bin", "LC_ALL": "C", "USER": "root", "LOGNAME": "root"}
    result = subprocess.run(
        [fetchmail, "--configdump", "-f", file],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    if result.returncode:
        return result.stderr.decode("iso-8859-1") or "refused"
    found: dict[str, Any] = {}
    exec(_CONTROL.sub(r"\1\\x\2", result.stdout.decode("iso-8859-1")), found)  # it prints Python
    entries = []
    for server in found["fetchmailrc"]["servers"]:
        entries += [{**server, **user} for user in server.pop("users")]
    return entries


def read(content: bytes) -> FetchmailFile:
    return FetchmailFile(SourceText("/home/ann/.fetchmailrc", content))


def translated(content: bytes) -> bytes:
    file = read(content)
    return file.source.edited(file.translate(sign_ins(file)).edits)


def differs_as_it_must(content: bytes, fetchmail: str, directory: Path) -> None:
    file = read(content)
    chosen = sign_ins(file)
    translation = file.translate(chosen)
    result = file.source.edited(translation.edits)
    before, after = dump(fetchmail, content, directory), dump(fetchmail, result, directory)
    assert not isinstance(before, str), (before, content)
    assert not isinstance(after, str), (after, result)
    again = read(result)
    assert len(before) == len(after) == len(file.accounts)
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        changed = {key for key in old if old[key] != new[key]}
        if not again.accounts[number].uses_oauth2_pop3 or number not in chosen:
            assert not changed, (number, changed, result)
            continue
        assert changed <= SERVER | USER, (number, changed, result)
        assert new["plugin"].startswith("oauth2-pop3 bridge %h "), result
        assert (new["auth"], new["password"], new["ssl"], new["sslproto"]) == ("password", "oauth2-pop3", 0, "")
        arguments = new["plugin"].split()
        assert ("--starttls" in arguments) == (not old["ssl"] and arguments[3] != "995")
        assert arguments[3] == str(_port(old))
        for key, option in (("sslcommonname", "--server-hostname"), ("sslfingerprint", "--fingerprint")):
            assert (option in arguments) == bool(old[key])
            assert not old[key] or arguments[arguments.index(option) + 1] == old[key]
        for key, option in (("sslcert", "--certfile"), ("sslkey", "--keyfile" if old["sslcert"] else "--certfile")):
            name = (old[key] or "").rpartition("/")[2]
            if name and name.isprintable():  # else fetchmail garbles what it prints
                assert arguments[arguments.index(option) + 1].endswith(name)
        assert ("--certfile" in arguments) == bool(old["sslcert"] or old["sslkey"])
        assert arguments.count("--ca-certs") == bool(old["sslcertfile"]) + bool(old["sslcertpath"])


def _port(entry: Dump) -> int:
    service = entry["service"] or ("pop3s" if entry["ssl"] else "pop3")
    return int({"pop3": "110", "pop3s": "995"}.get(service, service))


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.rc")))
def test_the_corpus(name: str, fetchmail: str, tmp_path: Path) -> None:
    content = (CORPUS / name).read_bytes()
    differs_as_it_must(content, fetchmail, tmp_path)
    again = translated(content)
    assert translated(again) == again, "translating twice changes nothing more"


def test_the_corpus_is_large_enough() -> None:
    assert len(list(CORPUS.glob("*.rc"))) >= 40


def test_most_of_the_corpus_is_translated() -> None:
    changed = [path.name for path in CORPUS.glob("*.rc") if translated(path.read_bytes()) != path.read_bytes()]
    assert len(changed) > 35


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_random_files(fetchmail: str, tmp_path: Path, content: bytes) -> None:
    differs_as_it_must(content, fetchmail, tmp_path)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(nearly_files())
def test_what_fetchmail_refuses_is_refused(fetchmail: str, tmp_path: Path, content: bytes) -> None:
    said = dump(fetchmail, content, tmp_path)
    try:
        file = read(content)
    except DialectError as error:
        assert isinstance(said, str), (error, content)
    else:
        assert not isinstance(said, str), (said, content)
        got = [(account.name, account.username) for account in file.accounts]
        asked = [
            (entry["pollname"], entry["remote"] if name else "") for entry, (_, name) in zip(said, got, strict=True)
        ]
        assert got == asked or not content.isascii()


@pytest.mark.parametrize(
    ("content", "line", "column", "words"),
    [
        (b"poll\n", 2, 1, "string after poll is expected, but the file ends"),
        (b"poll x proto pop4\n", 1, 14, "protocol-name .* is expected here, not 'pop4'"),
        (b"poll x proto pop3\nuser a pass b\nproto imap\n", 3, 1, "option of the server"),
        (b"user a\n", 1, 1, "poll, skip, defaults or set is expected"),
        (b"poll x port pop3\n", 1, 13, "number after port"),
        (b"poll a user b\ndefaults keep\n", 2, 1, "more than one `defaults`"),
        (b"poll a port 0\n", 1, 1, "port of a"),
        (b"poll a user b idle\npoll c user d\n", 1, 15, "idle is for a file of one account"),
        (b"poll a user b folder c d idle\n", 1, 26, "idle is for a file of one account"),
        (b"poll a interface eth0 user b\n", 1, 1, "interface of a: NAME/ADDRESS"),
        (b"poll a interface eth0/1.2.3.4.5 user b\n", 1, 1, "interface of a: NAME/ADDRESS"),
        (b"poll a user b pass c\0d\n", 1, 21, "NUL"),
    ],
)
def test_where_and_what(content: bytes, line: int, column: int, words: str) -> None:
    with pytest.raises(DialectError, match=words) as caught:
        read(content)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.file == "/home/ann/.fetchmailrc"


@pytest.mark.parametrize("content", [b"poll a user b pass my secret ssl\n", b'poll a user b pass "my "secret ssl\n'])
def test_no_part_of_a_password_is_shown(content: bytes) -> None:
    with pytest.raises(DialectError) as caught:
        read(content)
    assert "secret" not in str(caught.value)


def test_users_of_an_entry_go_together() -> None:
    file = read((CORPUS / "two_users_one_without_a_domain.rc").read_bytes())
    translation = file.translate(sign_ins(file))
    assert not translation.edits
    assert "split the entry" in translation.remarks[0][0]
    file = read((CORPUS / "two_users_that_differ.rc").read_bytes())
    assert "differ in TLS settings" in file.translate(sign_ins(file)).remarks[0][0]


def test_the_tls_settings_move_to_the_bridge() -> None:
    result = translated((CORPUS / "tls_settings.rc").read_bytes()).decode()
    for words in (
        "--ca-certs /home/ann/certs/ca.pem",
        "--certfile /home/ann/client.pem",
        "--keyfile /home/ann/client.key",
        "--server-hostname mail.example.org",
        "--fingerprint 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00",
        "--tls-min-version 1.3",
    ):
        assert words in result
    assert result.splitlines()[1:] == [
        '\tuser "ann@gmail.com"',
        "\tpassword 'oauth2-pop3'",
        "\tsslproto ''",
        "\tkeep",
    ]


def test_somebody_else_s_account_and_our_own_authorities() -> None:
    file = read((CORPUS / "plain.rc").read_bytes())
    sign_in = SignIn(address="person@gmail.com", command="/opt/bin/oauth2-pop3", ca_certs="/etc/ca.pem")
    result = file.source.edited(file.translate({0: sign_in}).edits).decode()
    bridge = "/opt/bin/oauth2-pop3 bridge %h 995 --account person@gmail.com --ca-certs /etc/ca.pem"
    assert f'plugin "{bridge}"' in result
    assert read(result.encode()).accounts[0].uses_oauth2_pop3


def test_what_fetchmail_cannot_hand_to_a_plugin() -> None:
    file = read((CORPUS / "plain.rc").read_bytes())
    for odd in (
        SignIn(address="ann@gmail.com", command="/My Files/oauth2-pop3"),
        SignIn(address="ann@gmail.com", ca_certs="/x%p"),
        SignIn(address="an%hn@gmail.com"),
        SignIn(address="an n@gmail.com"),
    ):
        translation = file.translate({0: odd})
        assert not translation.edits
        assert "symbolic link" in translation.remarks[0][0]
    beside = FetchmailFile(SourceText("/My Files/rc", b"poll pop.gmail.com proto pop3 user a ssl sslcertfile ca.pem"))
    assert "absolute path without white space" in beside.accounts[0].obstacle


@pytest.mark.parametrize("home", ["łukasz", "jürgen", os.fsdecode(b"j\xfcrgen")])
def test_letters_outside_ascii_in_what_fetchmail_runs(home: str) -> None:
    file = read((CORPUS / "plain.rc").read_bytes())
    command = f"/home/{home}/oauth2-pop3"
    sign_in = SignIn(address="ü@gmail.com", command=command, ca_certs=f"/home/{home}/ca.pem")
    result = file.source.edited(file.translate({0: sign_in}).edits)
    plugin = f"{command} bridge %h 995 --account ü@gmail.com --ca-certs /home/{home}/ca.pem"
    assert os.fsencode(plugin) in result
    assert read(result).accounts[0].uses_oauth2_pop3


def test_a_path_that_is_no_utf_8_keeps_its_octets() -> None:
    """Once, a name in ISO 8859-1 came out as UTF-8."""
    text = b"poll pop.gmail.com proto pop3 user a@gmail.com pass x ssl sslcertfile \xfc.pem"
    assert b"--ca-certs /home/ann/\xfc.pem" in translated(text)
    odd = FetchmailFile(SourceText("/home/\udcfc/rc", text))
    assert b"--ca-certs /home/\xfc/\xfc.pem" in odd.source.edited(odd.translate(sign_ins(odd)).edits)


def test_no_tls_setting_is_dropped() -> None:
    """Two places of authorities stay two, and a key without a certificate has the certificate in its file."""
    text = b"poll pop.gmail.com proto pop3 user a@gmail.com pass x ssl sslcertpath /d sslcertfile /f sslkey /k\n"
    assert b'bridge %h 995 --ca-certs /d --ca-certs /f --certfile /k"' in translated(text)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"# " * 150_000, b"poll x user y " + b"pass z " * 50_000])
def test_no_quadratic_time(content: bytes) -> None:
    """Once, it took minutes."""
    began = time.process_time()
    try:
        file = read(content)
    except DialectError:
        return
    finally:
        assert time.process_time() - began < 10
    unified_diff(file.source, file.translate({0: SignIn(address="y")}).edits, file.secrets)
    assert time.process_time() - began < 10


def test_the_passwords_leave_the_file() -> None:
    for path in CORPUS.glob("defaults_with_password*.rc"):
        rest = translated(path.read_bytes()).count(b"for all")
        assert rest == ("others" in path.name), path
    for name in ("password_twice", "plain", "two_users", "comments_everywhere"):
        result = translated((CORPUS / f"{name}.rc").read_bytes())
        for secret in (b"hunter2", b'"x"', b'"one"', b'"two"', b" one", b" two"):
            assert secret not in result


def test_secrets_are_all_passwords() -> None:
    file = read((CORPUS / "esmtp.rc").read_bytes())
    assert [file.source.text[start:end] for start, end in file.secrets] == ['"another secret"', "x"]


def test_recognised() -> None:
    dialect = FetchmailRc()
    for path in CORPUS.glob("*.rc"):
        assert path.name == "empty.rc" or dialect.recognises("x", path.read_bytes()), path
    assert dialect.recognises("/home/ann/.fetchmailrc", b"")
    for other in (b"account x\nhost y\n", b"[retriever]\ntype = x\n", b"", b"\xff\0", b"defaults\naccount x\nhost y\n"):
        assert not dialect.recognises("x", other)


@given(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20))
def test_quoted_and_unescaped(text: str) -> None:
    written = quoted(text)
    assert unescaped(written[1:-1]) == text


@pytest.mark.slow
def test_fuzz() -> None:
    fuzz(seed=1, count=2000)


@pytest.mark.slow
def test_one_megabyte() -> None:
    one = b'poll pop.gmail.com proto pop3 user "a@gmail.com" password "x" is ann here ssl keep # a comment\n'
    code = (
        "import sys; from oauth2_pop3.dialects.fetchmailrc import FetchmailFile\n"
        "from oauth2_pop3.dialects import SignIn\n"
        "from oauth2_pop3.dialects.source_text import SourceText\n"
        "file = FetchmailFile(SourceText('x', sys.stdin.buffer.read()))\n"
        "chosen = {n: SignIn(address=a.username) for n, a in enumerate(file.accounts)}\n"
        "print(file.source.edited(file.translate(chosen).edits).count(b'oauth2-pop3 bridge'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=one * 11_000,
        capture_output=True,
        timeout=60,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout == b"11000\n"
