"""Targets: what POP3 servers send, line by line and as whole sessions."""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos.fuzz_target import Run, Target
from oauth2_pop3.errors import AuthenticationRejected, MaildropLocked, OAuth2Pop3Error, OutOfStep, Pop3Error
from oauth2_pop3.pop3 import responses, sasl
from oauth2_pop3.pop3.connection import Connection
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.socket import Socket
from oauth2_pop3.retrieval.retrieval import Retrieval

TOKEN = "token-that-nobody-may-see"
_ENDS = (AuthenticationRejected, MaildropLocked, OutOfStep)
"""Errors after which nobody goes on with a session."""
BETWEEN = b"\n%%%\n"
"""What separates the responses of a script: each is what the server sends for one line of the client's."""


class Server:
    """A socket to a server that sends the next part of its script for each line that it gets, and closes at the end."""

    def __init__(self, script: bytes) -> None:
        self.received = b""
        self._parts = iter(script.split(BETWEEN))
        self._blocks = random.Random(zlib.crc32(script))
        self._sent = next(self._parts)
        self._closed = False

    def recv_into(self, space: memoryview) -> int:
        block = self.recv(min(len(space), self._blocks.choice((1, 3, 50, 100_000))))
        space[: len(block)] = block
        return len(block)

    def recv(self, most: int) -> bytes:
        self._check()
        block, self._sent = self._sent[:most], self._sent[most:]
        return block

    def send(self, data: bytes) -> int:
        self._check()
        self.received += data
        for _ in range(data.count(b"\n")):
            self._sent += next(self._parts, b"")
        return len(data)

    def _check(self) -> None:
        if self._closed:
            raise OSError(9, "Bad file descriptor")

    def setblocking(self, _: bool) -> None:
        """It never blocks."""

    def fileno(self) -> int:
        return -1

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 995

    def close(self) -> None:
        self._closed = True


def _session(script: bytes, server: Server | None = None) -> Session:
    """A session behind the greeting and CAPA, as Session.connect makes it."""
    plain: Any = server or Server(script)
    wire = Connection(Socket(plain, 180.0, lambda *_: False), "pop.example.org")
    session = Session(wire)
    session.dialogue.expect_ok("the greeting", wire.line())
    session.capabilities = session.capa()
    return session


@contextmanager
def _lines(_: Path) -> Iterator[Run]:
    """One line, or the lines of CAPA. What LIST and UIDL say is read in whole sessions."""

    def parse(content: bytes) -> None:
        responses.response_code(content)
        assert responses.text_of(content).isprintable()
        responses.capabilities_of(content)

    yield parse


@contextmanager
def _challenge(_: Path) -> Iterator[Run]:
    """A challenge of SASL: the JSON of a refusal."""

    def parse(content: bytes) -> None:
        sasl.read_refusal(content.decode("ascii", "replace"))
        details = sasl.read_refusal(base64.b64encode(content).decode())
        assert all(isinstance(value, str) for value in details.values())

    yield parse


@contextmanager
def _sign_in(_: Path) -> Iterator[Run]:
    """Greeting, CAPA and AUTH. No message may repeat the token."""

    def parse(content: bytes) -> None:
        server = Server(content)
        try:
            session = _session(content, server)
            mechanism = sasl.choose(session.capabilities.get("SASL", ()))
            one_line = b"one" in content
            session.authenticate(mechanism, "you@example.org", TOKEN, port=995, one_line=one_line)
        except OAuth2Pop3Error as error:
            assert TOKEN not in f"{error}" or len(server.received) < 40, "it was sent the token, and is quoted with it"
            raise

    yield parse


@contextmanager
def _commands(_: Path) -> Iterator[Run]:
    """Every command of a session, one after the other, as long as the server does no more than refuse them."""

    def parse(content: bytes) -> None:
        session = _session(content)
        for command in (
            session.stat,
            session.listings,
            lambda: session.top(1, 0),
            session.sizes,
            lambda: session.delete(1),
            lambda: session.delete_all([1, 2, 3]),
            session.quit,
        ):
            try:
                command()
            except _ENDS:
                raise
            except Pop3Error:
                continue

    yield parse


@contextmanager
def _retrieval(_: Path) -> Iterator[Run]:
    """A run of the retriever, with and without reading ahead."""

    def parse(content: bytes) -> None:
        number = zlib.crc32(content)
        run = Retrieval(
            lambda: _session(content),
            read_ahead=ReadAheadLimits(messages=(0, 2, 128)[number % 3]),
            unique_ids=number % 5 > 0,
            line_feeds=bool(number & 64),
            pauses=(0.0,),
        )
        listed, repeated = run.listing()
        run.expect([message.unique_id for message in listed])
        for message in listed[:50]:
            with suppress(OAuth2Pop3Error):
                run.fetch(message.unique_id).content()
                run.delete(message.unique_id)
        if listed:
            with suppress(OAuth2Pop3Error):
                run.top(listed[-1].unique_id)
        for message in repeated[:3]:
            with suppress(OAuth2Pop3Error):
                run.delete_number(message.number)
        run.finish()

    yield parse


_GREETING = b"+OK ready <1.2@example.org>\r\n"
_CAPA = b"+OK\r\nTOP\r\nUIDL\r\nSASL XOAUTH2 OAUTHBEARER\r\nPIPELINING\r\nEXPIRE NEVER\r\n.\r\n"
_PLAIN_CAPA = b"+OK\r\nUIDL\r\nSASL XOAUTH2\r\n.\r\n"
_LIST = b"+OK\r\n1 12\r\n2 9\r\n3 7\r\n.\r\n"
_UIDL = b"+OK\r\n1 a/b\r\n2 a-b\r\n3 c\r\n.\r\n"
_MAIL = (b"+OK\r\nA: b\r\n\r\nc\r\n\r\n.\r\n", b"+OK\r\nA: b\r\n\r\n..\r\n.\r\n", b"+OK\r\nA: b\r\n\r\n.\r\n")
_OK = b"+OK done\r\n"
_REFUSAL = base64.b64encode(b'{"status": "invalid_token", "scope": "mail", "schemes": "bearer"}')
_LINES = (
    _OK,
    b"-ERR [SYS/TEMP] try again later",
    b"-ERR [IN-USE] locked",
    b"-ERR [LOGIN-DELAY] wait",
    b"-ERR Server Unavailable. 15",
    b"12 345",
    b"whqtswO00WBw418f9t5JxYwZ",
    _CAPA,
)
_WORDS = (
    *(b"+OK", b"-ERR", b"+ ", b".", b"\r\n.\r\n", b"\n.\n", b"..", b"\r\n", b"[AUTH]", b"[SYS/TEMP]", b"[IN-USE]"),
    *(BETWEEN, _OK, b"-ERR no\r\n", b"PIPELINING\r\n", b"SASL ", b"EXPIRE 0\r\n", b"AccessTokenExpired"),
    *(TOKEN.encode(), b"1 1\r\n", b"4 2147483648\r\n", b"2 c\r\n", b"+ " + _REFUSAL + b"\r\n"),
)
_RUN = (_GREETING, _CAPA, _LIST, _UIDL, _CAPA, *_MAIL, _OK, _OK, _OK, b"+OK 0 0\r\n", b"+OK bye\r\n")
TARGETS = (
    Target("pop3_lines", _lines, _LINES, words=_WORDS),
    Target(
        "sasl_challenge",
        _challenge,
        [_REFUSAL],
        documents=[{"status": "400", "scope": "mail", "openid-configuration": "https://auth.example.org"}],
    ),
    Target(
        "pop3_sign_in",
        _sign_in,
        [
            BETWEEN.join((_GREETING, _CAPA, b"+ \r\n", b"+ " + _REFUSAL + b"\r\n", b"-ERR [AUTH] no\r\n")),
            BETWEEN.join((_GREETING, _CAPA, b"+ \r\n", b"+OK one " + TOKEN.encode() + b"\r\n")),
            BETWEEN.join((_GREETING, b"-ERR what\r\n", b"-ERR " + TOKEN.encode() + b"\r\n")),
        ],
        words=_WORDS,
    ),
    Target(
        "pop3_session",
        _commands,
        [
            BETWEEN.join((_GREETING, _CAPA, b"+OK 3 28\r\n", _LIST, _UIDL, _MAIL[0], _LIST, *[_OK] * 5)),
            BETWEEN.join((_GREETING, _PLAIN_CAPA, b"+OK 3 28\r\n", _LIST, _UIDL, _MAIL[0], _LIST, *[_OK] * 5)),
        ],
        words=_WORDS,
    ),
    Target(
        "pop3_retrieval",
        _retrieval,
        [
            BETWEEN.join(_RUN),
            BETWEEN.join((_GREETING, _PLAIN_CAPA, _LIST, _UIDL, _PLAIN_CAPA, *_MAIL, *[_OK] * 5)),
            BETWEEN.join((_GREETING, _CAPA, _LIST, *_MAIL, *[_OK] * 5)),
        ],
        words=_WORDS,
    ),
)
