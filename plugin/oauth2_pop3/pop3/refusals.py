"""What a POP3 server's refusal means, by its response code and by its words; the words are data, refusals.toml."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from oauth2_pop3.errors import AuthenticationRejected, MaildropLocked, NetworkError, Pop3Error
from oauth2_pop3.pop3.responses import response_code, text_of

CODES = frozenset(("AUTH", "IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM"))
"""The response codes of RFC 2449 section 8.1 and RFC 3206."""

_BEFORE_TOKEN = ("the greeting", "STLS", "AUTH ")  # what is refused here is not a token
_OF_ONE_MESSAGE = ("RETR ", "TOP ", "DELE ")
_MOST = 512
"""Characters of a response that are looked at: RFC 2449 section 4 allows no more octets."""
_LINK_OR_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]*|\S*@\S*", re.IGNORECASE)
_QUOTED_NAME = re.compile(r"""\b(user|for)[\s:]+(["'])[^"']*\2""", re.IGNORECASE)


class RefusalMeaning(NamedTuple):
    """What a response other than +OK stands for.

    code: one of CODES; "" if nothing is known of it.
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


def response_error(host: str, command: str, line: bytes, *, mailbox: str = "") -> Pop3Error | NetworkError:
    """The error for a server's response to a command that is not +OK, by its response code and its words.

    command: "AUTH" is one to which the token was sent, "AUTH XOAUTH2" one without it.
    mailbox: as of judge().

    A refusal of RETR, TOP or DELE is of one message, whatever the reason: the others may still come.
    """
    said = f"the POP3 server {host} responded to {command} with {text_of(line)!r}"
    code, remedy, ends = judge(line, mailbox)
    if ends and command not in ("the greeting", "AUTH"):
        return NetworkError(f"the POP3 server {host} ended the session ({said})")
    of_one_message = command.startswith(_OF_ONE_MESSAGE)
    if code == "SYS/TEMP" and of_one_message:
        return Pop3Error(f"the server has a temporary problem with this message ({said})")
    error = None if of_one_message else _error_that_passes(code, said)
    if error is not None:
        error.response_code = code
        return error
    by_code = code == _code(line)
    if code == "AUTH" and (command == "AUTH" or (by_code and not command.startswith(_BEFORE_TOKEN))):
        return AuthenticationRejected(f"the sign-in was refused ({said})")
    if b"AccessTokenExpired" in line:  # Exchange, in the middle of a session
        return AuthenticationRejected(f"the access token has expired ({said})")
    if code == "SYS/PERM" and by_code:
        return Pop3Error(f"the server has a permanent problem ({said})")
    return Pop3Error(said, hint=remedy)


def _error_that_passes(code: str, said: str) -> MaildropLocked | NetworkError | None:
    if code == "IN-USE":
        return MaildropLocked(f"another session has the maildrop open ({said})", hint="The next run should succeed.")
    if code == "LOGIN-DELAY":
        return MaildropLocked(f"the server wants a pause between sign-ins ({said})", hint="Run less often.")
    return NetworkError(f"the server has a temporary problem ({said})") if code == "SYS/TEMP" else None


def judge(line: bytes, mailbox: str = "") -> RefusalMeaning:
    """What a line other than +OK stands for.

    line: without its line end.
    mailbox: whose name in the text does not count.

    A code of RFC 2449 or RFC 3206, or one of IMAP's that stands for it, counts more than the words, except that [AUTH]
    is said of temporary problems too. Any other code counts for nothing.
    """
    said = _code(line)
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


def _code(line: bytes) -> str:
    """Which of CODES the server says itself; "" if none."""
    said = response_code(line)
    said = _tables()["codes"].get(said, said)
    return said if said in CODES else ""


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
    """The words after -ERR, without links, addresses and quoted names: a server may say back the mailbox's."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    text = _LINK_OR_ADDRESS.sub(" ", text[:_MOST])
    return " ".join(_QUOTED_NAME.sub(r"\1 ", text).split())


def _places(name: str, text: str) -> list[tuple[int, int]]:
    """Where a name stands in a text, as a word."""
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) if name else ()
    return [match.span() for match in found]


def _lies_in(places: list[tuple[int, int]], match: re.Match[str]) -> bool:
    return any(begin <= match.start() and match.end() <= end for begin, end in places)
