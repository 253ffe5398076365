"""Servers that get out of step: what comes of each with our retriever, beside getmail's own and mpop.

The rows also say which of the others get over it, because nothing that they get over may stop us.
tests/pop3/test_retrieval.py has every way to get out of step, at every place, with and without PIPELINING; here is the
unmodified getmail, twice in a row.
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
MESSAGES = [b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number) for number in range(1, COUNT + 1)]
WHOLE = multiline("+OK here", MESSAGES[2])
LAST = multiline("+OK here", MESSAGES[-1])


def to(command: str, response: bytes) -> Respond:
    return lambda _, line: response if line == command else None


def to_every_retr(change: Callable[[bytes], bytes]) -> Respond:
    def respond(_: Pop3Connection, line: str) -> bytes | None:
        return change(multiline("+OK here", MESSAGES[int(line[5:]) - 1])) if line.startswith("RETR") else None

    return respond


def closes_at(command: str) -> Respond:
    def respond(_: Pop3Connection, line: str) -> bytes | None:
        if line == command:
            raise EndConnection
        return None

    return respond


def estimating(respond: Respond) -> Respond:
    """LIST says one octet too few of every message."""

    def estimate(client: Pop3Connection, line: str) -> bytes | None:
        if line != "LIST":
            return respond(client, line)
        there = client.server.left
        sizes = (f"{uid[4:]} {len(MESSAGES[int(uid[4:]) - 1]) - 1}\r\n" for uid in there)
        return multiline("+OK", "".join(sizes).encode())

    return estimate


def unstuffed(number: int) -> Respond:
    """A line of this message is a single dot, and the rest looks like a response."""
    return to(f"RETR {number}", b"+OK\r\nSubject: %d\r\n\r\nbody\r\n.\r\n+OK the rest\r\n.\r\n" % number)


def marked(response: bytes) -> Respond:
    """DELE 3 takes effect, whatever the response."""

    def respond(client: Pop3Connection, line: str) -> bytes | None:
        if line != "DELE 3":
            return None
        client.deleted.add(3)
        return response

    return respond


class Case(NamedTuple):
    """One kind of server.

    pipelining: whether it says so to us. lost: the number of the message that cannot be read.
    left: what is on the server after two runs with deletion.
    overcome_by: which of the others have delivered every message once by then, at a server with PIPELINING.
    """

    name: str
    respond: Respond
    pipelining: bool
    lost: int = 0
    left: tuple[str, ...] = ()
    exit_code: int = 0
    overcome_by: tuple[str, ...] = ()


def unreadable(name: str, respond: Respond, number: int, *, pipelining: bool) -> Case:
    return Case(name, respond, pipelining, lost=number, left=(f"uid-{number}",), exit_code=127)


STRAY, OF_DELE = "a stray line after a message", "no response to DELE but another line"
CASES = [
    Case(STRAY, to("RETR 3", WHOLE + b"stray\r\n"), True, overcome_by=("mpop",)),
    Case(f"{STRAY}, the last", to("RETR 6", LAST + b"stray\r\n"), False),
    Case("a stray line after every message", to_every_retr(lambda sent: sent + b"stray\r\n"), False),
    Case("an empty line before a response", to("RETR 3", b"\r\n" + WHOLE), True),
    Case("empty lines before every message", to_every_retr(lambda sent: b"\r\n\n" + sent), False),
    unreadable("a dot that was not stuffed, in the first", unstuffed(1), 1, pipelining=True),
    unreadable("a dot that was not stuffed", unstuffed(3), 3, pipelining=False),
    unreadable("the connection ends", closes_at("RETR 3"), 3, pipelining=False),
    unreadable("the connection ends at the last", closes_at("RETR 6"), 6, pipelining=True),
    Case("two responses to one command", to("RETR 3", WHOLE * 2), True, overcome_by=("stock getmail",)),
    Case("two responses to DELE", marked(b"+OK\r\n+OK\r\n"), False, overcome_by=("mpop",)),
    Case(OF_DELE, to("DELE 3", b"junk\r\n"), True, left=("uid-3",), exit_code=127, overcome_by=("mpop",)),
    Case(
        "only LF",
        to_every_retr(lambda sent: sent.replace(b"\r\n", b"\n")),
        False,
        overcome_by=("stock getmail", "mpop"),
    ),
    Case(
        "lines that look like responses",
        to_every_retr(lambda sent: sent[:-3] + b"+OK 1 2\r\n.\r\n"),
        True,
        overcome_by=("stock getmail", "mpop"),
    ),
]


def outcome_of(respond: Respond, way: str, ways: Ways, certificates: Certificates, *, pipelining: bool) -> Outcome:
    with server_of(respond, certificates, pipelining=pipelining).running() as server:
        return twice(server, way, ways, deletes=True)


def server_of(respond: Respond, certificates: Certificates, *, pipelining: bool) -> ScriptedPop3:
    capabilities = [name for name in CAPABILITIES if pipelining or name != "PIPELINING"]
    return ScriptedPop3(certificates, MESSAGES, respond, capabilities=capabilities)


def twice(server: ScriptedPop3, way: str, ways: Ways, *, deletes: bool) -> Outcome:
    more = {"retriever": "reconnect_pauses = (0, 0, 0)"} if way == "getmail" else {}
    getmail = f"delete = {deletes}".lower()
    return ways.run(way, server, times=2, getmail=getmail, mpop="keep off", timeout="1", **more)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_response_out_of_step_costs_one_message_at_most(
    case: Case, product: Product, certificates: Certificates
) -> None:
    ways = Ways(product, certificates)
    outcome = outcome_of(case.respond, "getmail", ways, certificates, pipelining=case.pipelining)
    subjects = [number for number in ALL if number != str(case.lost)]
    assert (outcome.subjects, outcome.left, outcome.exit_code) == (subjects, list(case.left), case.exit_code), (
        outcome.said
    )
    if case.lost:
        said = f"message {case.lost} (unique-id uid-{case.lost}) cannot be read and stays on the server"
        assert said in outcome.said
    assert "Traceback" not in outcome.said


@pytest.mark.parametrize(("pipelining", "deletes"), [(True, True), (False, True), (True, False), (False, False)])
def test_what_the_last_message_has_lost_shows_before_it_counts_as_delivered(
    pipelining: bool, deletes: bool, product: Product, certificates: Certificates
) -> None:
    """Nothing comes after it that would show it, and sizes do not tell. The next run asks for it again."""
    server = server_of(estimating(unstuffed(COUNT)), certificates, pipelining=pipelining)
    with server.running():
        outcome = twice(server, "getmail", Ways(product, certificates), deletes=deletes)
    assert "message 6 (unique-id uid-6) cannot be read and stays on the server" in outcome.said
    assert outcome.exit_code == 127
    assert outcome.left == (["uid-6"] if deletes else [f"uid-{number}" for number in ALL])
    assert outcome.subjects == ALL, "in the first run it seemed to be whole; the second one takes nothing twice"
    assert server.commands.count("RETR 1") == 1
    assert server.commands.count("RETR 6") > 2, "the second run took it for seen"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "way"),
    [pytest.param(case, way, id=f"{case.name}-{way}") for case in CASES for way in case.overcome_by],
)
def test_what_the_others_get_over(case: Case, way: str, product: Product, certificates: Certificates) -> None:
    """If one of them does not any more, the row may ask less of us."""
    outcome = outcome_of(case.respond, way, Ways(product, certificates), certificates, pipelining=True)
    assert outcome.subjects == ALL, outcome
