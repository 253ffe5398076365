"""Random getmailrc files, for Hypothesis and the fuzzer: ``python tests/dialects/getmailrc_grammar.py 100000``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for when it is run as a script

import dialects
from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.getmailrc import GetmailFile
from oauth2_pop3.dialects.source_text import SourceText

CORPUS = Path(__file__).with_name("getmailrc")

_filler = st.sampled_from(["", "", "", "# a comment\n", "; another\n", "\n", "  # indented\n", "   \n"])
_values = st.text("abXY09 #;=:%()\"'[]", max_size=10).map(str.strip)
_TYPES = [f"{kind}POP3{tls}Retriever" for kind in ("Simple", "BrokenUIDL") for tls in ("SSL", "SSL", "")]


@st.composite
def _option(draw: st.DrawFn, name: str, value: str, indent: str) -> str:
    if draw(st.booleans()):
        name = draw(st.sampled_from([name.upper(), name.title()]))
    delimiter = draw(st.sampled_from([" = ", "=", ": ", ":", " =  ", "\t=\t"]))
    lines = f"{indent}{name}{delimiter}{value}{draw(st.sampled_from(['', ' ']))}\n"
    if name == "password" and draw(st.integers(0, 3)) == 0:
        lines += f"{indent}   {draw(_values) or 'more'}\n"
    return lines + draw(_filler)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file that getmail takes; its Maildir is ~/Maildir."""
    indent = draw(st.sampled_from(["", "", "  ", "\t"]))
    options = {
        "type": draw(st.sampled_from(_TYPES)),
        "server": draw(st.sampled_from(["pop.gmail.com", "outlook.office365.com", "pop.example.net"])),
        "username": draw(st.sampled_from(["ann@gmail.com", "bob@hotmail.com", "cyd"])),
    }
    more = st.sampled_from(
        [
            ("password", draw(_values)),
            ("port", "995"),
            ("timeout", "60"),
            ("use_apop", "false"),
            ("use_xoauth2", "no"),
            ("password_command", '("echo", "x")'),
            ("delete_dup_msgids", "true"),
        ]
    )
    options.update(draw(st.lists(more, max_size=5)))
    names = draw(st.permutations(list(options)))
    sections = [
        "[retriever]\n" + draw(_filler) + "".join(draw(_option(name, options[name], indent)) for name in names),
        "[destination]\ntype = Maildir\npath = ~/Maildir/\n",
    ]
    if draw(st.booleans()):
        sections.append(f"[options]\n{draw(_filler)}verbose = 2\nread_all = {draw(st.sampled_from(['true', 'no']))}\n")
    if draw(st.booleans()):
        sections.append("[filter-1]\ntype = Filter_external\npath = /usr/bin/env\n")
    text = draw(_filler) + "".join(draw(st.permutations(sections)))
    if draw(st.integers(0, 4)) == 0:
        text = text.replace("\n", "\r\n")
    return (text.rstrip("\r\n") if draw(st.booleans()) else text).encode()


_PIECES = st.sampled_from(
    [
        "x",
        " ",
        "\n",
        "\n ",
        "=",
        "[",
        "]",
        "[retriever]\n",
        "[x]\n",
        "port = 1\n",
        "x y\n",
        "# ",
        "  more\n",
        "= x\n",
        "\t",
    ]
)


@st.composite
def nearly_files(draw: st.DrawFn) -> bytes:
    """A file with a few changes, so that RawConfigParser takes some and refuses others."""
    text = draw(files()).decode()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(_PIECES) + text[at + draw(st.integers(0, 3)) :]
    return text.encode()


def sign_ins(file: GetmailFile) -> dict[int, SignIn]:
    """The account, if it is one of Google's or Microsoft's and can be translated."""
    [account] = file.accounts
    fits = account.server in ("pop.gmail.com", "outlook.office365.com") and "@" in account.username
    if not fits or account.protocol != "pop3" or account.obstacle or account.uses_oauth2_pop3:
        return {}
    return {0: SignIn(address=account.username)}


def fuzz(seed: int, count: int) -> int:
    """No exception but DialectError, nothing lost; how many were taken."""
    with_type = dialects.fuzz(CORPUS, partial(_check, keep_type=True), seed=seed + 1, count=count // 3)
    return with_type + dialects.fuzz(CORPUS, partial(_check, keep_type=False), seed=seed, count=count - count // 3)


def _read(content: bytes) -> GetmailFile:
    return GetmailFile(SourceText("/x", content))


def _check(content: bytes, *, keep_type: bool) -> bool:
    return dialects.check_translation(_read, content, sign_ins, keep_type=keep_type)


if __name__ == "__main__":
    dialects.main(fuzz)
