"""getmailrc: read as getmail reads it, and translated so that getmail sees what was meant and nothing else."""

from __future__ import annotations

import configparser
import functools
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from dialects.getmail_forks import GetmailForks
from dialects.getmailrc_grammar import CORPUS, files, fuzz, nearly_files, sign_ins
from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.getmailrc import GetmailFile, GetmailRc
from oauth2_pop3.dialects.getmailrc.syntax import parse
from oauth2_pop3.dialects.source_text import SourceText
from oauth2_pop3.errors import DialectError

Dump = dict[str, str]
GONE = {"password", "password_command", "use_xoauth2", "use_apop", "ssl_version"}
NEW = {"account", "mechanism", "unique_ids", "starttls", "envelope_recipient", "allow_insecure_loopback"}
GETMAIL = {"PyPI's": str(Path(sys.executable).with_name("getmail")), "Debian's": "/usr/bin/getmail"}


@functools.cache
def forks(getmail: str) -> GetmailForks:
    """Of this getmail: one for all tests."""
    return GetmailForks(getmail)


def dump(content: bytes, directory: Path, getmail: str = GETMAIL["PyPI's"]) -> tuple[str, Dump, str] | str:
    """What getmail reads in the file: the retriever's type and options, and the rest; its error if it refuses it."""
    home = directory / "home"
    (home / ".getmail").mkdir(parents=True, exist_ok=True)
    for name in ("cur", "new", "tmp"):
        (home / "Maildir" / name).mkdir(parents=True, exist_ok=True)
    (home / "Maildir/ca.pem").touch()
    (home / ".getmail/getmailrc").write_bytes(content)
    result = forks(getmail).run(
        *("--dump", "--getmaildir", str(home / ".getmail"), "--rcfile", "getmailrc"),
        environment={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    said = result.stdout.decode(errors="replace")
    found = re.search(r"(?m)^\s*retriever:\s*([\w-]+)\((.*)\)\s*$((?s:.*))", said)
    if not found:
        return said + result.stderr.decode(errors="replace")
    return found[1], dict(re.findall(r'(\w+)="(.*?)"(?:, |$)', found[2])), found[3]


def read(content: bytes) -> GetmailFile:
    return GetmailFile(SourceText("/home/ann/.getmail/getmailrc", content))


def translated(content: bytes, *, keep_type: bool = False) -> bytes:
    file = read(content)
    return file.source.edited(file.translate(sign_ins(file), keep_type=keep_type).edits)


def differs_as_it_must(content: bytes, directory: Path, getmail: str = GETMAIL["PyPI's"]) -> None:
    before, after = dump(content, directory, getmail), dump(translated(content), directory, getmail)
    assert not isinstance(before, str), before
    assert not isinstance(after, str), after
    if not sign_ins(read(content)):
        assert before == after
        return
    (kind, old, rest), (new_kind, new, new_rest) = before, after
    assert new_kind == "oauth2-pop3"
    assert rest == new_rest, "destination, filters and options"
    for name in old.keys() - GONE:
        if name == "port" and new[name] == "None":
            assert old[name] == ("995" if "SSL" in kind else "110")
        else:
            assert _meaning(old[name]) == _meaning(new[name]) or new[name] == "None", name
    assert not {name for name in GONE - {"password"} if new.get(name, "None") != "None"}
    assert new["password"] == "*"  # getmail's word for it, whether there is one or not
    assert (new["unique_ids"] == "false") == ("BrokenUIDL" in kind)
    assert (new["starttls"] == "true") == ("SSL" not in kind)
    given = {name for name in NEW if new.get(name, "None") != "None"}
    assert given <= {"unique_ids", "starttls", "envelope_recipient"}


def _meaning(value: str) -> str:
    """The type oauth2-pop3 gets options as text, and getmail's own types get them converted."""
    return {"1": "True", "true": "True", "0": "False"}.get(value, value).replace('"', "'").rstrip(",)")


@pytest.mark.parametrize("getmail", GETMAIL)
@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.rc")))
def test_the_corpus(name: str, getmail: str, tmp_path: Path) -> None:
    if not Path(GETMAIL[getmail]).exists():
        pytest.skip(f"{getmail} getmail is not installed")
    content = (CORPUS / name).read_bytes()
    if getmail == "PyPI's":
        differs_as_it_must(content, tmp_path)
    elif "already" not in name:  # Debian's getmail has no plugin here, and does not know the type
        assert not isinstance(dump(content, tmp_path, GETMAIL[getmail]), str)
    again = translated(content)
    assert translated(again) == again, "translating twice changes nothing more"


@pytest.mark.parametrize("content", [(CORPUS / "plain.rc").read_bytes(), b"[retriever]\ntype = x\n", b"no section\n"])
def test_a_fork_of_getmail_says_what_getmail_says(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "Maildir").mkdir()
    (tmp_path / "getmailrc").write_bytes(content)
    arguments = ("--dump", "--getmaildir", str(tmp_path), "--rcfile", "getmailrc")
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    getmail = GETMAIL["PyPI's"]
    forked = forks(getmail).run(*arguments, environment=environment)
    alone = subprocess.run([getmail, *arguments], env=environment, capture_output=True, check=False)
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_the_corpus_is_large_enough() -> None:
    assert len(list(CORPUS.glob("*.rc"))) >= 40


def test_most_of_the_corpus_is_translated() -> None:
    changed = [path.name for path in CORPUS.glob("*.rc") if translated(path.read_bytes()) != path.read_bytes()]
    assert len(changed) > 30


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_random_files(tmp_path: Path, content: bytes) -> None:
    differs_as_it_must(content, tmp_path)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(nearly_files())
def test_what_the_parser_refuses_is_refused_and_what_it_takes_is_read_alike(content: bytes) -> None:
    """RawConfigParser itself, as getmail uses it: with universal line ends, and [DEFAULT] cleared."""
    text = content.decode().replace("\r\n", "\n").replace("\r", "\n")
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(text.splitlines(keepends=True))
    except configparser.Error as error:
        with pytest.raises(DialectError):
            parse(SourceText("x", content))
        assert error
        return
    parser._defaults = {}  # type: ignore[attr-defined]
    found = parse(SourceText("x", content))
    found.pop("DEFAULT", None)
    assert {name: dict(parser.items(name)) for name in parser.sections()} == {
        name: {key: option.value for key, option in options.items()} for name, options in found.items()
    }


@pytest.mark.parametrize(
    ("content", "line", "column", "words"),
    [
        (b"type = x\n", 1, 1, "a section such as"),
        (b"[retriever]\ntype = x\ntype = y\n", 3, 1, "option type is there twice"),
        (b"[retriever]\ntype = x\n[retriever]\n", 3, 1, "section .retriever. is there twice"),
        (b"[retriever]\ntype = x\nnothing\n", 3, 1, "NAME = VALUE is expected"),
        (b"[retriever]\ntype = x\n", 3, 1, "no .destination. with a type"),
        (b"[retriever]\n[destination]\ntype = x\n", 4, 1, "no type in .retriever."),
        (b"[retriever]\ntype = SimplePOP3Retriever\n[destination]\ntype = x\n", 5, 1, "no server in .retriever."),
        (b"[retriever]\ntype = x\n[destination]\ntype = Maildir\n", 5, 1, "no path in .destination."),
        (b"[retriever]\ntype=x\nuse_apop = si\n[destination]\ntype=x\n", 3, 12, "true or false is expected"),
        (b"[retriever]\ntype=x\n[destination]\ntype=x\n[options]\nverbose=x\n", 6, 9, "a whole number is expected"),
    ],
)
def test_where_and_what(content: bytes, line: int, column: int, words: str) -> None:
    with pytest.raises(DialectError, match=words) as caught:
        read(content)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("option", ["starttls = no", "unique_ids = false", "envelope_recipient = delivered-to:1"])
def test_an_option_that_would_come_to_mean_something(option: str) -> None:
    """getmail's own type ignores it with a warning; the type oauth2-pop3 would do what it says."""
    account = read((CORPUS / "plain.rc").read_bytes().replace(b"password", f"{option}\npassword".encode())).accounts[0]
    assert option.split()[0] in account.obstacle


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"[x]\na" + b" " * 300_000 + b"y\n", b"[x]\n" + b"[" * 300_000])
def test_no_quadratic_time(content: bytes) -> None:
    """Once, it took minutes."""
    began = time.process_time()
    with pytest.raises(DialectError):
        read((CORPUS / "plain.rc").read_bytes() + content)
    assert time.process_time() - began < 10


def test_no_part_of_a_password_is_shown() -> None:
    with pytest.raises(DialectError) as caught:
        read(b"[retriever]\npassword = one\ntwosecret\n")
    assert "twosecret" not in str(caught.value)


def test_the_passwords_leave_the_file() -> None:
    for path in CORPUS.glob("*.rc"):
        if sign_ins(read(path.read_bytes())):
            result = translated(path.read_bytes()).decode()
            assert not re.search(r"(?mi)^\s*password", result.replace("password = not read", "")), path
            for secret in ("hunter2", "second", "third", "mail/gmail"):
                assert secret not in result, path
    assert b"# a comment in between" in translated((CORPUS / "password_command_lines.rc").read_bytes())


def test_what_it_becomes() -> None:
    assert translated((CORPUS / "broken_uidl_no_tls.rc").read_bytes()).decode() == (
        "[retriever]\ntype = oauth2-pop3\nunique_ids = false\nstarttls = true\nserver = pop.gmail.com\n"
        "username = ann@gmail.com\n\n[destination]\ntype = Maildir\npath = ~/Maildir/\n"
    )
    assert translated((CORPUS / "crlf.rc").read_bytes()).startswith(
        b"[retriever]\r\ntype = oauth2-pop3\r\nunique_ids = false\r\nserver"
    )
    file = read((CORPUS / "plain.rc").read_bytes())
    sign_in = SignIn(address="person@gmail.com", port=1995, starttls=True)
    result = file.source.edited(file.translate({0: sign_in}).edits).decode()
    assert "\nstarttls = false\nport = 995\naccount = person@gmail.com\n" in result


def test_keep_type(tmp_path: Path) -> None:
    for name in ("plain", "stock_xoauth2", "password_command_lines", "no_end", "capitals"):
        content = (CORPUS / f"{name}.rc").read_bytes()
        result = translated(content, keep_type=True)
        after = dump(result, tmp_path)
        assert not isinstance(after, str), after
        kind, options, _ = after
        assert kind == "SimplePOP3SSLRetriever"
        assert options["use_xoauth2"] == "True"
        assert options["password_command"] == "('oauth2-pop3', 'token', 'ann@gmail.com')"
        assert options["ca_certs"] != "None", "getmail's own type would not verify TLS"
        assert read(result).accounts[0].uses_oauth2_pop3
        assert translated(result, keep_type=True) == result
    file = read((CORPUS / "no_tls_class.rc").read_bytes())
    translation = file.translate(sign_ins(file), keep_type=True)
    assert not translation.edits
    assert "does not use TLS" in translation.remarks[0][0]
    remarks = read((CORPUS / "plain.rc").read_bytes()).translate({0: SignIn(address="a@b")}, keep_type=True).remarks[0]
    assert "6.19.11" in remarks[0]
    assert "ca_certs" in remarks[1]


def test_secrets_are_all_passwords() -> None:
    file = read((CORPUS / "password_lines.rc").read_bytes())
    assert [file.source.text[start:end] for start, end in file.secrets] == ["first", "second", "third"]


def test_recognised() -> None:
    dialect = GetmailRc()
    assert all(dialect.recognises("x", path.read_bytes()) for path in CORPUS.glob("*.rc"))
    for other in (b"account x\nhost y\n", b"poll x\n", b"", b"\xff\0", b"1 1234\0abc\n"):
        assert not dialect.recognises("/home/ann/.getmail/oldmail-x", other)


@pytest.mark.slow
def test_fuzz() -> None:
    fuzz(seed=1, count=2000)


@pytest.mark.slow
def test_one_megabyte() -> None:
    content = (CORPUS / "plain.rc").read_bytes() + b"".join(
        b"[section-%d]\nname = value\n  and more of it\n# a comment\n" % number for number in range(24_000)
    )
    assert len(content) > 1 << 20
    assert translated(content).count(b"oauth2-pop3") == 1
