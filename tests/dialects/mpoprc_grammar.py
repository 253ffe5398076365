"""Random mpoprc files, for Hypothesis and for the fuzzer: ``python tests/dialects/mpoprc_grammar.py 100000``."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for when it is run as a script

import dialects
from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.mpoprc import MpopFile
from oauth2_pop3.dialects.source_text import SourceText

CORPUS = Path(__file__).with_name("mpoprc")

_words = st.text("abcXYZ019$'\"#:,;=\\é ", max_size=8).map(lambda word: word.strip(" "))
_switch = st.sampled_from(["", "on", "off"])
_setting = st.one_of(
    st.tuples(st.just("host"), st.sampled_from(["pop.gmail.com", "pop.example.net", "outlook.office365.com"])),
    st.tuples(st.just("user"), st.sampled_from(["ann@gmail.com", "bob@example.org", "cyd", "o'x@gmail.com", ""])),
    st.tuples(st.just("password"), _words),
    st.tuples(st.just("passwordeval"), st.sampled_from(["", "echo x", "oauth2-pop3 token ann@gmail.com"])),
    st.tuples(st.just("auth"), st.sampled_from(["", "on", "plain", "user", "apop", "xoauth2", "oauthbearer"])),
    st.tuples(st.just("port"), st.sampled_from(["995", "110", "0x3e3", "01743"])),
    st.tuples(st.sampled_from(["tls", "tls_starttls", "only_new", "received_header", "keep"]), _switch),
    st.tuples(st.sampled_from(["killsize", "skipsize"]), st.sampled_from(["off", "1k", "0x10m", "77"])),
    st.tuples(st.just("timeout"), st.sampled_from(["off", "30"])),
    st.tuples(st.just("filter"), _words),
    st.tuples(st.just("delivery"), st.sampled_from(["mda cat", "maildir ~/M", "mbox ~/m"])),
)
_end = st.sampled_from(["\n", "\n", "\n", "\r\n"])
_filler = st.sampled_from(["", "", "", "# a comment\n", "\n", "  # indented\n", "   \n"])


@st.composite
def _line(draw: st.DrawFn, command: str, argument: str) -> str:
    if argument and draw(st.booleans()) and command != "account":
        argument = f'"{argument}"'
    indent, blank = draw(st.sampled_from(["", "", " ", "\t"])), draw(st.sampled_from([" ", "\t", "   "]))
    tail = draw(st.sampled_from(["", "", " "]))
    return f"{indent}{command}{blank if argument else ''}{argument}{tail}{draw(_end)}{draw(_filler)}"


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file that mpop takes: accounts that inherit from one another, and `defaults` in between."""
    names: list[str] = []
    text = draw(_filler)
    for number in range(draw(st.integers(1, 4))):
        if draw(st.integers(0, 3)) == 0:
            text += draw(_line("defaults", ""))
        else:
            name = f"account {number}"
            parents = draw(st.lists(st.sampled_from(names), max_size=2)) if names else []
            text += draw(_line("account", f"{name} : {', '.join(parents)}" if parents else name))
            names.append(name)
        for command, argument in draw(st.lists(_setting, max_size=7)):
            text += draw(_line(command, argument))
        if draw(st.integers(0, 3)):  # most are complete
            for command, argument in (("tls", "on"), ("tls_starttls", "off"), ("delivery", "mda cat")):
                text += draw(_line(command, argument))
    if draw(st.booleans()):
        text = text.rstrip("\r\n ")
    return text.encode("iso-8859-1")


@st.composite
def nearly_files(draw: st.DrawFn) -> bytes:
    """A file with a few changes, so that mpop takes some and refuses others."""
    text = draw(files()).decode("iso-8859-1")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        piece = draw(
            st.sampled_from(
                [
                    "x",
                    " ",
                    "\n",
                    '"',
                    ":",
                    ",",
                    "tls ",
                    "port 0\n",
                    "port 1x\n",
                    "account 0\n",
                    "defaults x\n",
                    "delivery x\n",
                    "keep maybe\n",
                    "killsize 1g\n",
                    "timeout 0\n",
                    "auth nonsense\n",
                    "tls_fingerprint 1:2\n",
                    "proxy_port x\n",
                    "\t",
                ]
            )
        )
        cut = draw(st.integers(0, 3))
        text = text[:at] + piece + text[at + cut :]
    return text.encode("iso-8859-1")


def fuzz(seed: int, count: int) -> int:
    """No exception but DialectError, nothing lost; how many were taken."""
    return dialects.fuzz(CORPUS, _check, seed=seed, count=count)


def sign_ins(file: MpopFile) -> dict[int, SignIn]:
    """Two accounts of three, if they can be translated."""
    return {
        number: SignIn(address="ann@gmail.com")
        for number, account in enumerate(file.accounts)
        if not account.obstacle and not account.uses_oauth2_pop3 and number % 3 != 1
    }


def _read(content: bytes) -> MpopFile:
    return MpopFile(SourceText("/x", content))


def _check(content: bytes) -> bool:
    return dialects.check_translation(_read, content, sign_ins)


if __name__ == "__main__":
    dialects.main(fuzz)
