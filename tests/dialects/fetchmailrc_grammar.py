"""Random fetchmailrc files, for Hypothesis and the fuzzer: ``python tests/dialects/fetchmailrc_grammar.py 100000``."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for when it is run as a script

import dialects
from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.fetchmailrc import FetchmailFile
from oauth2_pop3.dialects.source_text import SourceText

CORPUS = Path(__file__).with_name("fetchmailrc")

_gap = st.sampled_from([" ", " ", " ", "\n", "\n\t", "  ", " , ", ";", "\r\n  ", " # a comment\n", " with ", " and "])
_plain = st.text("abXY09-_./@", min_size=1, max_size=8).filter(lambda word: not word[0].isdigit() and word[0] != "-")


@st.composite
def _string(draw: st.DrawFn, texts: st.SearchStrategy[str] = _plain) -> str:
    text = draw(texts)
    style = draw(st.sampled_from(['"', "'", '"']))
    if draw(st.integers(0, 5)) == 0 and text:
        text = f"\\x{ord(text[0]):02x}{text[1:]}" if draw(st.booleans()) else f"\\{ord(text[0]):03o}{text[1:]}"
    return f"{style}{text}{style}"


_password = _string(st.text("abc XY$#%=;é", max_size=8))
_path = _string(st.sampled_from(["/etc/ssl/ca.pem", "ca.pem", "/a b/c", "/x%h"]))
_host = st.sampled_from(["pop.gmail.com", "pop.example.net", "outlook.office365.com", "gmail"])
_server = st.one_of(
    st.sampled_from(
        [
            "port 995",
            "port 110",
            "service pop3s",
            "service 995",
            "timeout 60",
            "interval 2",
            "no dns",
            "dns",
            "uidl",
            "nouidl",
            "auth password",
            "auth any",
            "preauth ntlm",
            "tracepolls",
            "bad-header accept",
            "envelope 1 X-To",
            "no envelope",
            "proto imap",
            "proto POP3",
            "proto pop3",
        ]
    ),
    st.builds("via {}".format, st.sampled_from(["pop.gmail.com", "'pop.example.net'"])),
    st.builds("aka {}".format, _string()),
    st.builds("plugin {}".format, st.sampled_from(["'nc %h %p'", '"oauth2-pop3 bridge %h 995"', "''"])),
)
_user = st.one_of(
    st.sampled_from(
        [
            "ssl",
            "ssl",
            "no ssl",
            "keep",
            "nokeep",
            "fetchall",
            "sslcertck",
            "no sslcertck",
            "limit 100",
            "sslproto TLS1.3",
            "sslproto ''",
            "sslproto tls1.2+",
            "antispam 550 571",
            "is joe here",
            "to joe",
            "rewrite",
            "warnings 5",
            "sslcommonname x.example.org",
            "sslfingerprint '11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00'",
        ]
    ),
    st.builds("password {}".format, _password),
    st.builds("{} {}".format, st.sampled_from(["sslcertfile", "sslcertpath", "sslcert", "sslkey"]), _path),
    st.builds("mda {}".format, _string()),
)
_name = st.sampled_from(['"ann@gmail.com"', "bob@gmail.com", "'cyd@hotmail.com'", "dan", '"eve\\x40gmail.com"'])


@st.composite
def _entry(draw: st.DrawFn, *, defaults: bool = False) -> list[str]:
    words = ["defaults"] if defaults else [draw(st.sampled_from(["poll", "poll", "skip", "server"])), draw(_host)]
    if draw(st.integers(0, 3)):
        words.append("proto pop3")
    words += draw(st.lists(_server, max_size=3))
    if defaults or draw(st.integers(0, 4)) == 0:
        return [*words, *draw(st.lists(_user, max_size=4))]
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        words += [f"user {draw(_name)}", *draw(st.lists(_user, max_size=5))]
        if draw(st.booleans()):
            words.append(f"password {draw(_password)}")
    return words


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file that fetchmail takes."""
    words = draw(st.sampled_from([[], [], ["set daemon 60"], ["set no bouncemail", "set syslog"]]))
    if draw(st.integers(0, 2)) == 0:
        words = [*words, *draw(_entry(defaults=True))]
    for _ in range(draw(st.integers(0, 3))):
        words = [*words, *draw(_entry())]
    text = draw(st.sampled_from(["", "# first\n", "\n"]))
    for word in words:
        text += word + draw(_gap)
    return f"{text}\n".encode("iso-8859-1")


_PIECES = st.sampled_from(
    [
        '"',
        "'",
        " ",
        "\n",
        "=",
        "here ",
        "there ",
        "x ",
        " 12 ",
        "user ",
        "pass ",
        " no ",
        "is a=b c * here ",
        "is a=b=c ",
        "poll ",
        "defaults ",
        "proto ",
        "auth ",
        "#",
        "\\",
        "\\\n",
        " proto apop ",
        " proto sdps ",
        " auth password ",
        " auth pass ",
        " service nothing ",
        " lmtp ",
        " folder a b ",
        " pass8 ",
        " nopass8bits ",
        "Keep ",
        " idle ",
        " folder a b idle ",
        " interface eth0 ",
        " interface eth0/1.2.3.4/255.0.0.0 ",
    ]
)


@st.composite
def nearly_files(draw: st.DrawFn) -> bytes:
    """A file with a few changes, so that fetchmail takes some and refuses others."""
    text = draw(files()).decode("iso-8859-1")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        piece = draw(_PIECES)
        text = text[:at] + piece + text[at + draw(st.integers(0, 3)) :]
    return text.encode("iso-8859-1")


def sign_ins(file: FetchmailFile) -> dict[int, SignIn]:
    """Every account of Google's and Microsoft's servers that can be translated."""
    return {
        number: SignIn(address=account.username)
        for number, account in enumerate(file.accounts)
        if account.server in ("pop.gmail.com", "outlook.office365.com")
        and account.protocol == "pop3"
        and "@" in account.username
        and not account.obstacle
        and not account.uses_oauth2_pop3
    }


def fuzz(seed: int, count: int) -> int:
    """No exception but DialectError, nothing lost; how many were taken."""
    return dialects.fuzz(CORPUS, _check, seed=seed, count=count)


def _read(content: bytes) -> FetchmailFile:
    return FetchmailFile(SourceText("/x", content))


def _check(content: bytes) -> bool:
    return dialects.check_translation(_read, content, sign_ins)


if __name__ == "__main__":
    dialects.main(fuzz)
