"""What a POP3 server's refusal means, by its response code and by its words; the words are data, refusals.toml."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from oauth2_pop3.pop3.responses import response_code

CODES = frozenset(("AUTH", "IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM"))
"""The response codes of RFC 2449 section 8.1 and RFC 3206."""

_MOST = 512
"""Characters of a response that are looked at: RFC 2449 section 4 allows no more octets."""


class RefusalMeaning(NamedTuple):
    """What a response other than +OK stands for.

    code: a response code; "" if nothing is known of it.
    remedy: what to do next; "" if there is nothing.
    ends: whether the server ends the session with it.
    """

    code: str
    remedy: str = ""
    ends: bool = False


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("refusals.toml").read_text("utf-8"))


@cache
def _rows() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [(_pattern(row["match"]), row) for row in _tables()["refusal"]]


def judge(line: bytes, mailbox: str = "") -> RefusalMeaning:
    """What a line other than +OK stands for.

    line: without its line end.
    mailbox: whose name in the text does not count.

    A code of RFC 2449 or RFC 3206 counts more than the words, except that [AUTH] is said of temporary problems too.
    """
    said = response_code(line)
    said = _tables()["codes"].get(said, said)
    if said in CODES - {"AUTH"}:
        return RefusalMeaning(said)
    text = _text(line)
    names = _places(mailbox.partition("@")[0], text)
    for pattern, row in _rows():
        if said == "AUTH" and "AUTH" not in (row["code"], row.get("despite")):
            continue
        if any(not _lies_in(names, match) for match in pattern.finditer(text)):
            remedy = row.get("remedy", "").replace("{mailbox}", mailbox)
            return RefusalMeaning(row["code"], remedy, row.get("ends", False))
    return RefusalMeaning(said)


def is_temporary(status: str) -> bool:
    """Whether the `status` with which a token is refused (RFC 7628 section 3.2.2) stands for a temporary problem."""
    return any(fnmatchcase(status.strip().lower(), pattern) for pattern in _tables()["challenge"]["temporary"])


def _pattern(words: str) -> re.Pattern[str]:
    """A row's `match` as a regular expression. "lock" is not found in "blocked", nor "lock busy" in "block busy"."""
    parts = []
    for word in words.split():
        stem = re.escape(word.removesuffix("*"))
        parts.append(stem + r"\w*" if word.endswith("*") else stem)
    joined = r"\s+".join(parts).replace(r"\s+\w*\s+", r"(?:\s|\W.{0,40}?\W)")
    return re.compile(rf"(?<![a-z0-9]){joined}(?![a-z0-9])", re.IGNORECASE)


def _text(line: bytes) -> str:
    """The words after -ERR, without addresses: a server may say back the name of the mailbox."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return " ".join(re.sub(r"\S*@\S*", " ", text[:_MOST]).split())


def _places(name: str, text: str) -> list[tuple[int, int]]:
    """Where a name stands in a text, as a word."""
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) if name else ()
    return [match.span() for match in found]


def _lies_in(places: list[tuple[int, int]], match: re.Match[str]) -> bool:
    return any(begin <= match.start() and match.end() <= end for begin, end in places)
