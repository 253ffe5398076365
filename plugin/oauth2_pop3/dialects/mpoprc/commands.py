"""The commands of mpop's configuration, and what each takes as its argument (conf.c)."""

from __future__ import annotations

import re
from collections.abc import Callable

from oauth2_pop3.dialects.source_text import SourceText, without_password, word_shown

_AUTH = (
    "scram-sha-256-plus",
    "scram-sha-1-plus",
    "scram-sha-256",
    "scram-sha-1",
    "plain",
    "apop",
    "user",
    "gssapi",
    "external",
    "oauthbearer",
    "cram-md5",
    "digest-md5",
    "login",
    "ntlm",
    "xoauth2",
)
_SWALLOWED = re.compile(r"(?:\A|\s)password\s")
"""A command that mpop takes for a part of another one's argument, and that would be shown as such: as a user's name."""
_FREE = frozenset({"eval", "password", "passwordeval", "filter", "delivery"})
"""Commands whose argument may have any words in it."""


def has_swallowed_password(command: str, argument: str) -> bool:
    """Whether there is the command `password` in the argument of another one, where a line end is missing."""
    return command not in _FREE and _SWALLOWED.search(argument) is not None


def check(source: SourceText, command: str, argument: str, start: int, at: int) -> None:
    """Refuse what mpop would refuse. mpop accepts any password, so no message shows one.

    start, at: where the line begins, and the argument in it. Raises DialectError.
    """
    rule = _RULES.get(command)
    if rule is None:
        raise source.error(
            start,
            f"mpop has no command {word_shown(command)}",
            directive=word_shown(command),
        )
    expected, takes = rule
    if not takes(argument):
        shown = without_password(argument)[:60]
        raise source.error(
            at,
            f"{command} {shown!r}: {expected} is expected",
            directive=command,
        )


def integer(text: str) -> int:
    """Read a number as strtol(3) does with base 0; -1 if the text is not such a number, or the number is below 0."""
    match = re.fullmatch(r"[\s]*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)|\s*-0+", text, re.ASCII)
    if not match:
        return -1
    digits = match[1] or "0"
    return int(digits, 16) if digits[:2] in ("0x", "0X") else int(digits, 8 if digits[0] == "0" else 10)


def _in(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: low <= integer(text) <= high


def _size(text: str) -> bool:
    unit = {"k": 10, "m": 20}.get(text[-1:], 0)
    number = integer(text[:-1] if unit else text)
    return text == "off" or (text[:1] != "" and 0 <= number <= ((1 << 63) - 1) >> unit)


def _fingerprint(text: str) -> bool:
    pairs = re.fullmatch(r"[0-9a-fA-F]{2}([: ][0-9a-fA-F]{2})*", text)
    return not text or (pairs is not None and len(text) in (47, 59, 95))


def _delivery(text: str) -> bool:
    return bool(re.match(r"(mda|maildir|mbox|exchange)[ \t]", text))


_SWITCH: tuple[str, Callable[[str], bool]] = ("on or off", lambda text: text in ("", "on", "off"))
_TEXT: tuple[str, Callable[[str], bool]] = ("an argument", bool)
_ANY: tuple[str, Callable[[str], bool]] = ("anything", lambda _: True)
_INT_MAX = (1 << 31) - 1
_RULES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "eval": _TEXT,
    "host": _TEXT,
    "port": ("a port number", _in(1, 65535)),
    "timeout": ("off or a number of seconds", lambda text: text == "off" or _in(1, _INT_MAX)(text)),
    "pipelining": ("on, off or auto", lambda text: text in ("", "on", "off", "auto")),
    "received_header": _SWITCH,
    "delivery": ("mda, maildir, mbox or exchange, and its argument", _delivery),
    "uidls_file": _TEXT,
    "auth": ("a method of authentication", lambda text: text in ("", "on", *_AUTH)),
    **dict.fromkeys(("user", "password", "passwordeval", "ntlmdomain", "tls_force_sslv3"), _ANY),
    "tls": _SWITCH,
    "tls_starttls": _SWITCH,
    **dict.fromkeys(("tls_key_file", "tls_cert_file", "tls_trust_file", "tls_crl_file"), _ANY),
    "tls_fingerprint": ("a fingerprint", _fingerprint),
    "tls_certcheck": _SWITCH,
    "tls_min_dh_prime_bits": ("a number", lambda text: not text or _in(1, _INT_MAX)(text)),
    **dict.fromkeys(("tls_priorities", "tls_host_override", "filter", "proxy_host", "source_ip", "socket"), _ANY),
    "only_new": _SWITCH,
    # A duration since mpop 1.4.23.
    "keep": (
        "on, off or a duration",
        lambda text: bool(re.fullmatch(r"|on|off|(\s*\+?[0-9]+[dhms])+", text, re.ASCII)),
    ),
    "killsize": ("off or a size", _size),
    "skipsize": ("off or a size", _size),
    "proxy_port": ("a port number", lambda text: not text or _in(1, 65535)(text)),
}
"""For each command, what its argument must be, in words and as a function that checks it."""
