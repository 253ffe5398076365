"""Servers that get out of step: fetchmail and mpop with the bridge fetch at least what they fetch without it.

tests/hosts/getmail6/test_odd_servers.py has the same kinds for getmail, and test_read_ahead_proxy.py more of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from servers.certificates import Certificates
from servers.scripted_pop3 import Pop3Connection, Respond, ScriptedPop3, multiline
from support.outcomes import Ways
from support.product import Product

MESSAGES = [b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number) for number in range(1, 7)]
ALL = "123456"


def changes(change: Callable[[bytes], bytes], only: str = "") -> Respond:
    """A server that changes its responses to RETR, and to TOP, by which fetchmail fetches; or of one message only."""

    def respond(_: Pop3Connection, line: str) -> bytes | None:
        verb, *arguments = line.split(" ")
        number = arguments[0] if arguments else ""
        if verb not in ("RETR", "TOP") or (only and number != only):
            return None
        return change(multiline("+OK here", MESSAGES[int(number) - 1]))

    return respond


def lists(_: Pop3Connection, line: str) -> bytes | None:
    sizes = b"".join(b"%d 22\r\n" % number for number in range(1, 7))
    return b"\r\n" + multiline("+OK", sizes) if line == "LIST" else None


class Case(NamedTuple):
    """The subjects that are delivered: by fetchmail and by mpop alone, and by both with the bridge."""

    respond: Respond
    fetchmail: str
    mpop: str
    bridged_fetchmail: str
    bridged_mpop: str


CASES = {
    # Alone, both give up at an empty line.
    "an empty line before a response": Case(changes(lambda s: b"\r\n" + s, "3"), "12", "12", ALL, ALL),
    "empty lines before every message": Case(changes(lambda s: b"\r\n\n" + s), "", "", ALL, ALL),
    # A stray line is the host's own affair: it comes as the response to its next command.
    "a stray line after every message": Case(changes(lambda s: s + b"stray\r\n"), "1", "1", "1", "1"),
    "only LF": Case(changes(lambda s: s.replace(b"\r\n", b"\n")), ALL, ALL, ALL, ALL),
    "lines like responses": Case(changes(lambda s: s[:-3] + b"+OK 1 2\r\n.\r\n"), ALL, ALL, ALL, ALL),
    "an empty line before the sizes": Case(lists, ALL, "", ALL, ALL),
}
WAYS = ("fetchmail", "mpop", "bridged fetchmail", "bridged mpop")


@pytest.mark.parametrize("name", CASES)
def test_with_the_bridge_they_fetch_at_least_what_they_fetch_without_it(
    name: str, product: Product, certificates: Certificates
) -> None:
    case = CASES[name]
    with ScriptedPop3(certificates, MESSAGES, case.respond).running() as server:
        ways = Ways(product, certificates)
        outcomes = ways.run_together(WAYS, server, fetchmail="keep", mpop="keep on", timeout="5")
    found = ["".join(outcomes[way].subjects) for way in WAYS]
    assert found == list(case[1:]), outcomes
    assert set(case.fetchmail) <= set(case.bridged_fetchmail)
    assert set(case.mpop) <= set(case.bridged_mpop)
