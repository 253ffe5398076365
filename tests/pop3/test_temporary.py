"""What is temporary, and what is not, by every way to fetch mail: ours beside the stock hosts at the same server."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from servers.certificates import Certificates
from servers.scripted_pop3 import SIGN_IN, Pop3Connection, Respond, ScriptedPop3
from servers.stub import Request, StubResponse, stub
from support.outcomes import Ways
from support.product import Product

MESSAGES = [
    f"From: bob@example.org\r\nMessage-ID: <{number}@example.org>\r\nSubject: {number}\r\n\r\nHello.\r\n".encode()
    for number in (1, 2, 3)
]
KEEP = {"fetchmail": "keep", "mpop": "keep on"}
EXCHANGE = b"-ERR Server Unavailable. 15\r\n"
FAILED, DONE = 127, 0  # getmail's
OPERATION = ["getmail", "stock getmail", "check"]
FETCHMAIL = ["fetchmail", "bridged fetchmail"]
MPOP = ["mpop", "bridged mpop"]


def responds(to: str, response: bytes) -> Respond:
    """A server that responds so to lines that begin so: "" is the greeting."""

    def respond(_client: Pop3Connection, line: str) -> bytes | None:
        return response if line == to or (to and line.startswith(f"{to} ")) else None

    return respond


class Kind(NamedTuple):
    """One server, and what is to come of it.

    exit_codes: by way.
    delivered: by the ways that deliver at all: getmail, the stock one too, and fetchmail by both ways.
    asks: whether the product asks for a new token. calls: whether it calls a person.
    """

    respond: Respond
    exit_codes: dict[str, int]
    delivered: tuple[str, ...] = ()
    asks: bool = False
    calls: bool = False


# fetchmail: 2 a connection that broke, 3 a wrong password, 4 a protocol error, 9 a lock, 14 a busy server.
# mpop: 76 a protocol error, 77 a refusal of the password: it knows nothing else.
SIGN_IN_IS_BUSY = {
    "getmail": FAILED,
    "stock getmail": FAILED,
    "check": 75,
    "fetchmail": 3,
    "bridged fetchmail": 14,
    "mpop": 77,
    "bridged mpop": 77,
}
KINDS = {
    "greeting": Kind(
        responds("", EXCHANGE),
        {**SIGN_IN_IS_BUSY, "bridged fetchmail": 2, "mpop": 76},
    ),
    "sign-in, Exchange": Kind(responds(SIGN_IN, EXCHANGE), SIGN_IN_IS_BUSY),
    "sign-in, [SYS/TEMP]": Kind(responds(SIGN_IN, b"-ERR [SYS/TEMP] Later\r\n"), SIGN_IN_IS_BUSY),
    "sign-in, too many": Kind(responds(SIGN_IN, b"-ERR Too many simultaneous connections\r\n"), SIGN_IN_IS_BUSY),
    "sign-in, locked": Kind(  # the token was good: check has nothing to complain of
        responds(SIGN_IN, b"-ERR maildrop already locked\r\n"),
        {**SIGN_IN_IS_BUSY, "check": 0, "fetchmail": 9, "bridged fetchmail": 9},
    ),
    "sign-in, refused": Kind(
        responds(SIGN_IN, b"-ERR Authentication failure: unknown user name or bad password.\r\n"),
        {**SIGN_IN_IS_BUSY, "check": 77, "bridged fetchmail": 3},
        asks=True,
        calls=True,
    ),
    "sign-in, refused with another code": Kind(
        responds(SIGN_IN, b"-ERR [ALERT] Bad credentials\r\n"),
        {"getmail": FAILED, "check": 77},
        asks=True,
        calls=True,
    ),
    "no token was seen": Kind(
        responds("AUTH", b"-ERR [AUTH] Command is not valid in this state.\r\n"),
        {"getmail": FAILED, "check": 76, "bridged fetchmail": 3, "bridged mpop": 77},
    ),
    "STAT": Kind(
        responds("STAT", EXCHANGE),
        {"getmail": DONE, "stock getmail": DONE, "check": 75, "fetchmail": 4, "bridged fetchmail": 4},
    ),
    "LIST": Kind(responds("LIST", EXCHANGE), {"getmail": FAILED, "stock getmail": FAILED, "check": 0}),
    "RETR": Kind(
        responds("RETR 2", EXCHANGE),
        {"getmail": FAILED, "stock getmail": FAILED},
        delivered=("1", "3"),
    ),
}


def new_token(_request: Request) -> StubResponse:
    document = {"access_token": "another-token", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "another"}
    return StubResponse(200, document)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind(name: str, product: Product, certificates: Certificates, tmp_path: Path) -> None:
    kind = KINDS[name]
    called, asked = tmp_path / "called", []

    def token_endpoint(request: Request) -> StubResponse:
        asked.append(request.form["grant_type"])
        return new_token(request)

    with (
        stub(token_endpoint) as url,
        ScriptedPop3(certificates, MESSAGES, kind.respond).running() as server,
    ):
        ways = Ways(product, certificates, token_endpoint=url, settings=f'notify_command = "touch {called}"')
        outcomes = ways.run_together(kind.exit_codes, server, **KEEP)
    assert {way: outcome.exit_code for way, outcome in outcomes.items()} == kind.exit_codes, outcomes
    for way, outcome in outcomes.items():
        assert "Traceback" not in outcome.said, way
        if kind.delivered and way != "check":
            assert outcome.subjects == list(kind.delivered), way
        if way in ("getmail", "check") and outcome.exit_code:
            assert "-ERR" in outcome.said, "the server's own words"
        if way in ("getmail", "stock getmail") and outcome.exit_code == DONE:
            assert outcome.subjects == ["1", "2", "3"], way
    assert bool(asked) is kind.asks
    assert called.exists() is kind.calls


# -- deletion


@pytest.mark.parametrize(("verb", "left"), [("DELE 2", ["uid-2"]), ("QUIT", ["uid-1", "uid-2", "uid-3"])])
def test_what_is_not_deleted_for_now(verb: str, left: list[str], product: Product, certificates: Certificates) -> None:
    """The server is not asked again and again in this run: the next one does that."""
    with ScriptedPop3(certificates, MESSAGES, responds(verb, EXCHANGE)).running() as server:
        outcome = Ways(product, certificates).run("getmail", server, getmail="delete = true")
    assert (outcome.exit_code, outcome.subjects, outcome.left) == (FAILED, ["1", "2", "3"], left)
    assert server.commands.count("AUTH XOAUTH2") == 1


# -- an end in the middle


def test_exchange_refuses_one_message_and_ends_the_session(product: Product, certificates: Certificates) -> None:
    """Its two lines come at once, so the second is there when the response to another RETR is due."""

    def respond(client: Pop3Connection, line: str) -> bytes | None:
        refuses = client.number == 1 and line == "RETR 2"
        return b"-ERR Server Unavailable. 21\r\n-ERR Connection is closed. 22\r\n" if refuses else None

    with ScriptedPop3(certificates, MESSAGES, respond).running() as server:
        outcome = Ways(product, certificates).run("getmail", server, retriever="reconnect_pauses = (0.01,)\n")
    assert outcome.subjects == ["1", "3"]
    assert outcome.exit_code == FAILED
    assert "temporary problem with this message" in outcome.said


def reset(connection: socket.socket) -> None:
    connection.recv(1, socket.MSG_PEEK)  # the handshake has begun
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(connection: socket.socket) -> None:
    connection.recv(65536)


@pytest.mark.parametrize("in_handshake", [close, reset])
def test_a_connection_that_ends_in_the_handshake(
    in_handshake: Callable[[socket.socket], None], product: Product, certificates: Certificates
) -> None:
    server = ScriptedPop3(certificates, MESSAGES, lambda *_: None, in_handshake=in_handshake)
    ways = {"getmail": FAILED, "check": 75, "bridged fetchmail": 2}
    with server.running(), suppress(ConnectionError):
        outcomes = Ways(product, certificates).run_together(ways, server, **KEEP)
    assert {way: outcome.exit_code for way, outcome in outcomes.items()} == ways
    for outcome in outcomes.values():
        assert "not trusted" not in outcome.said
        assert "no TLS connection to localhost" in outcome.said
