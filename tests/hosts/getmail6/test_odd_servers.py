"""Servers that get out of step: what comes of each with our retriever, beside getmail's own and mpop.

The rows show what the others do too, because nothing that they get over may stop us. tests/pop3/test_retrieval.py has
every way to get out of step, with and without PIPELINING; here is the unmodified getmail, twice in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from servers.certificates import Certificates
from servers.scripted_pop3 import CAPABILITIES, EndConnection, Pop3Connection, Respond, ScriptedPop3, multiline
from support.outcomes import Outcome, Ways
from support.product import Product

COUNT = 6
ALL = [str(number) for number in range(1, COUNT + 1)]
OTHERS = [number for number in ALL if number != "3"]
MESSAGES = [b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number) for number in range(1, COUNT + 1)]
WHOLE = multiline("+OK here", MESSAGES[2])


def to(command: str, response: bytes) -> Respond:
    return lambda _, line: response if line == command else None


def to_every_retr(change: Callable[[bytes], bytes]) -> Respond:
    def respond(_: Pop3Connection, line: str) -> bytes | None:
        return change(multiline("+OK here", MESSAGES[int(line[5:]) - 1])) if line.startswith("RETR") else None

    return respond


def closes(_: Pop3Connection, line: str) -> bytes | None:
    if line == "RETR 3":
        raise EndConnection
    return None


def marked(response: bytes) -> Respond:
    """DELE 3 takes effect, whatever the response."""

    def respond(client: Pop3Connection, line: str) -> bytes | None:
        if line != "DELE 3":
            return None
        client.deleted.add(3)
        return response

    return respond


class Case(NamedTuple):
    """stock, mpop: what they have delivered after two runs with deletion; "-": not all, or something twice."""

    name: str
    respond: Respond
    subjects: list[str]
    left: list[str]
    exit_code: int
    stock: str
    mpop: str


CASES = [
    Case("a stray line after a message", to("RETR 3", WHOLE + b"stray\r\n"), ALL, [], 0, "-", "all"),
    Case("a stray line after every message", to_every_retr(lambda sent: sent + b"stray\r\n"), ALL, [], 0, "-", "-"),
    Case("an empty line before a response", to("RETR 3", b"\r\n" + WHOLE), ALL, [], 0, "-", "-"),
    Case("empty lines before every message", to_every_retr(lambda sent: b"\r\n\n" + sent), ALL, [], 0, "-", "-"),
    Case(
        "a dot that was not stuffed",
        to("RETR 3", b"+OK\r\nSubject: 3\r\n\r\nbody\r\n.\r\n+OK the rest\r\n.\r\n"),
        OTHERS,
        ["uid-3"],
        127,
        "-",
        "-",
    ),
    Case("two responses to one command", to("RETR 3", WHOLE * 2), ALL, [], 0, "all", "-"),
    Case("the connection ends", closes, OTHERS, ["uid-3"], 127, "-", "-"),
    Case("two responses to DELE", marked(b"+OK\r\n+OK\r\n"), ALL, [], 0, "-", "all"),
    Case("no response to DELE but another line", to("DELE 3", b"junk\r\n"), ALL, ["uid-3"], 127, "-", "all"),
    Case("only LF", to_every_retr(lambda sent: sent.replace(b"\r\n", b"\n")), ALL, [], 0, "all", "all"),
    Case(
        "lines that look like responses",
        to_every_retr(lambda s: s[:-3] + b"+OK 1 2\r\n.\r\n"),
        ALL,
        [],
        0,
        "all",
        "all",
    ),
]


def outcome_of(case: Case, way: str, ways: Ways, certificates: Certificates, *, pipelining: bool) -> Outcome:
    capabilities = [name for name in CAPABILITIES if pipelining or name != "PIPELINING"]
    server = ScriptedPop3(certificates, MESSAGES, case.respond, capabilities=capabilities)
    with server.running():
        more = {"retriever": "reconnect_pauses = (0, 0, 0)"} if way == "getmail" else {}
        return ways.run(way, server, times=2, getmail="delete = true", mpop="keep off", timeout="1", **more)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_response_out_of_step_costs_one_message_at_most(
    case: Case, product: Product, certificates: Certificates
) -> None:
    pipelining = CASES.index(case) % 2 == 0
    outcome = outcome_of(case, "getmail", Ways(product, certificates), certificates, pipelining=pipelining)
    assert (outcome.subjects, outcome.left, outcome.exit_code) == (case.subjects, case.left, case.exit_code), (
        outcome.said
    )
    if case.left and case.subjects == OTHERS:
        assert "message 3 (unique-id uid-3) cannot be read and stays on the server" in outcome.said
    assert "Traceback" not in outcome.said


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_others_make_of_it(case: Case, product: Product, certificates: Certificates) -> None:
    ways = Ways(product, certificates)
    for way, expected in {"stock getmail": case.stock, "mpop": case.mpop}.items():
        outcome = outcome_of(case, way, ways, certificates, pipelining=True)
        assert ("all" if outcome.subjects == ALL else "-") == expected, (way, outcome)
