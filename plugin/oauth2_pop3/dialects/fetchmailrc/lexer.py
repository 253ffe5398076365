"""The words of a fetchmailrc, as fetchmail's rcfile_l.l finds them: the longest match, and of two the earlier rule.

Every octet belongs to a Word or stands between two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from oauth2_pop3.dialects.source_text import SourceText

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_UNQUOTED = re.compile(r"([^=;:, \t\r\n]+)[ \t]*")  # with the blanks behind it, which spares most of the other matches
_BETWEEN = re.compile(r"(?:[ \t\r;:,]+|(?:#[^\n]*)?\\?\n)+")
_ON_THE_LAST_LINE = re.compile(r"[ \t\r;:,]+")  # a comment wants a line end
_NUMBER = re.compile(r"-?[0-9]+")

NOISE = frozenset(("with", "and", "has", "wants", "options"))

_SYNONYMS = {
    "server": "poll", "local": "localdomains", "proto": "protocol", "preauth": "authenticate",
    "preauthenticate": "authenticate", "auth": "authenticate", "username": "user", "pass": "password",
    "folders": "folder", "smtp": "smtphost", "pre": "preconnect", "post": "postconnect", "pass8": "pass8bits",
    "mimedec": "mimedecode",
}  # fmt: skip
_KEYWORDS = frozenset(
    ("set", "logfile", "idfile", "pidfile", "daemon", "syslog", "invisible", "showdots", "postmaster", "bouncemail",
     "spambounce", "softbounce", "warnings", "tracepolls", "defaults", "poll", "skip", "via", "aka", "localdomains",
     "protocol", "service", "port", "interval", "authenticate", "timeout", "envelope", "qvirtual", "principal",
     "esmtpname", "esmtppassword", "bad-header", "accept", "reject", "user", "password", "folder", "smtphost",
     "fetchdomains", "smtpaddress", "smtpname", "antispam", "mda", "bsmtp", "lmtp", "preconnect", "postconnect",
     "interface", "monitor", "plugin", "plugout", "batchlimit", "fetchlimit", "fetchsizelimit", "fastuidl", "expunge",
     "properties", "is", "here", "there", "to", "no", "keep", "flush", "limitflush", "fetchall", "rewrite", "forcecr",
     "stripcr", "pass8bits", "dropstatus", "dropdelivered", "mimedecode", "idle", "dns", "uidl", "ssl", "sslkey",
     "sslcert", "sslproto", "sslcertck", "sslcertfile", "sslcertpath", "sslcommonname", "sslfingerprint", "checkalias",
     "limit", "sdps", "kpop")
)  # fmt: skip
_AUTH_TYPES = {
    "any": "any", "gssapi": "gssapi", "kerberos4": "kerberos_v4", "kerberos_v4": "kerberos_v4",
    "kerberos5": "kerberos_v5", "kerberos_v5": "kerberos_v5", "kerberos": "kerberos_v4", "ssh": "ssh",
    "implicit": "ssh", "external": "external", "otp": "otp", "opie": "otp", "cram": "cram-md5",
    "cram-md5": "cram-md5", "msn": "msn", "ntlm": "ntlm",
}  # fmt: skip
_PROTOCOLS = frozenset(("auto", "pop2", "pop3", "imap", "apop", "rpop", "etrn", "odmr"))
_NEGATED = re.compile(
    "no(bouncemail|uidl|checkalias|dns|envelope|keep|flush|limitflush|fetchall|rewrite|forcecr|stripcr|pass8(?:bits)?|"
    "dropstatus|dropdelivered|mimedec(?:ode)?|spambounce|idle)"
)
_NAME_FOLLOWS = frozenset(("user", "password", "is", "to"))


class Word(NamedTuple):
    """A word. kind: the keyword it is, or "string", "number", "protocol-name", "auth-type", "=". value: what it says,
    escapes read. start, end: where it stands, quotes included."""

    kind: str
    value: str
    start: int
    end: int


def words(source: SourceText) -> Iterator[Word]:
    """The words of a file, in order; noise words and comments are left out. Raises DialectError."""
    text = source.text
    if (nul := text.find("\0")) >= 0:
        raise source.error(nul, "there is a NUL in the file")
    at, state, last_line = 0, "", text.rfind("\n") + 1
    while at < len(text):
        first = text[at]
        separator = _BETWEEN if at < last_line else _ON_THE_LAST_LINE
        if first in " \t\r\n;:,#\\" and (between := separator.match(text, at)):
            at = between.end()
            continue
        if first == "=":
            yield Word("=", "=", at, at + 1)
            at, state = at + 1, "name"
            continue
        unquoted = _UNQUOTED.match(text, at)
        assert unquoted  # noqa: S101 - whatever is no separator is a word
        (word,), end, behind = unquoted.groups(), unquoted.end(1), unquoted.end()
        if first in "\"'" and (quoted := _QUOTED.match(text, at)) and quoted.end() >= end:
            yield Word("string", unescaped(quoted[0][1:-1]), at, quoted.end())
            at, state = quoted.end(), ""
            continue
        if state == "name":
            yield Word("string", unescaped(word), at, end)
            at, state = behind, ""
            continue
        if word[:2] == "no" and (negated := _NEGATED.fullmatch(word)):
            yield Word("no", "no", at, at + 2)
            at += 2
            word = negated[1]
        known = _KNOWN.get(word)
        if known is None:
            kind = "number" if _NUMBER.fullmatch(word) else "string"
            yield Word(kind, unescaped(word), at, end)
        elif state == "auth" and known[0] == "password":
            yield Word("auth-type", word, at, end) if word == "password" else Word("string", word, at, end)
            state = "" if word == "password" else state
        elif known[0]:
            yield Word(known[0], known[1], at, end)
            state = state if known[2] is None else known[2]
        at = behind


def _known() -> dict[str, tuple[str, str, str | None]]:
    """What each word is that means something: its kind, its value, and the lexer's state after it, if that changes."""
    found: dict[str, tuple[str, str, str | None]] = dict.fromkeys(NOISE, ("", "", None))
    for word in (*_KEYWORDS, *_SYNONYMS, "SDPS", "KPOP"):
        kind = _SYNONYMS.get(word, word.lower() if word in ("SDPS", "KPOP") else word)
        found[word] = kind, word, "name" if kind in _NAME_FOLLOWS else "auth" if kind == "authenticate" else None
    found |= {word: ("auth-type", value, "") for word, value in _AUTH_TYPES.items()}
    for word in _PROTOCOLS:
        found[word], found[word.upper()] = ("protocol-name", word, None), ("protocol-name", word.upper(), None)
    return found


_KNOWN = _known()


_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "r": "\r"}
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{0,2})|(0[0-7]{0,2})|([1-9][0-9]{0,2})|(\n)|(.)|$)", re.DOTALL)


def unescaped(text: str) -> str:
    """A string with its escapes read: \\x42, octal \\041, decimal \\66, \\n, \\t, a backslash before a line end."""

    def one(match: re.Match[str]) -> str:
        hexadecimal, octal, decimal, line_end, other = match.groups()
        if hexadecimal is not None:
            return chr(int(hexadecimal or "0", 16))
        if octal or decimal:
            return chr((int(octal, 8) if octal else int(decimal)) & 255)
        if line_end:
            return ""
        return _ESCAPES.get(other, other) if other else ""

    return _ESCAPE.sub(one, text).partition("\0")[0] if "\\" in text else text


def quoted(text: str) -> str:
    """A string as a fetchmailrc writes it."""
    for quote in "\"'":
        if quote not in text and "\\" not in text and "\n" not in text:
            return f"{quote}{text}{quote}"
    escaped = "".join(f"\\x{ord(c):02x}" if c in '"\\\n' else c for c in text)
    return f'"{escaped}"'
