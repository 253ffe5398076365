"""pop3.Connection reads what a simple reader reads that goes line by line, wherever the network cuts the octets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oauth2_pop3.errors import NetworkError, OutOfStep
from oauth2_pop3.pop3 import connection
from oauth2_pop3.pop3.connection import Connection, Silent
from oauth2_pop3.pop3.socket import Socket

OCTETS = [b"\r", b"\n", b".", b"a", b"\r\n", b"\n.", b"\r\n.", b"\r\n..", b".\r", b"x" * 50, b"+OK\r\n"]

NO_END = [b"\r", b"\r\n", b"a", b"\n..", b"\r\n..", b"x" * 50]  # so that there are many pieces


class Pieces(socket.socket):
    """Brings its octets in pieces, as the network may cut them, and then closes."""

    pieces: tuple[bytes, ...] = ()

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        piece, rest = (self.pieces[0][: len(buffer)], self.pieces[0][len(buffer) :]) if self.pieces else (b"", b"")
        self.pieces = ((rest,) if rest else ()) + self.pieces[1:]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def pieces() -> Iterator[Pieces]:
    with socket.create_server(("127.0.0.1", 0)) as listener, Pieces() as client:
        client.connect(listener.getsockname())
        yield client


@pytest.fixture
def small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that a response is handed on in many pieces."""
    for name, octets in {"_BUFFER": 96, "_ROOM": 32, "_PIECE": 64}.items():
        monkeypatch.setattr(connection, name, octets)


def line_by_line(octets: bytes) -> tuple[bytes, bytes] | None:
    """The content of a multi-line response, and what follows it; None if it does not end."""
    content = b""
    while b"\n" in octets:
        line, octets = octets.split(b"\n", 1)
        if line in (b".", b".\r"):
            return content, octets
        content += line.removeprefix(b".") + b"\n"
    return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from(OCTETS), max_size=40) | st.lists(st.sampled_from(NO_END), max_size=90),
    cuts=st.lists(st.integers(1, 30), max_size=12),
)
def test_it_reads_as_one_that_goes_line_by_line(
    small_buffer: None, pieces: Pieces, parts: list[bytes], cuts: list[int]
) -> None:
    sent = b"".join(parts)
    response = b"+OK\n" + sent + b"\n.\r\nnext\n"
    cut = []
    for size in cuts:
        cut.append(response[:size])
        response = response[size:]
    pieces.pieces = tuple(filter(None, [*cut, response]))
    wire = Connection(Socket(pieces, 5), "test")
    assert wire.line() == b"+OK"
    received: list[bytes] = []
    octets = wire.stream(received.append, 1 << 20)
    content, following = line_by_line(sent + b"\n.\r\nnext\n") or (b"", b"")
    assert b"".join(received) == content
    assert octets == len(content)
    assert not [piece for piece, after in pairwise(received) if piece.endswith(b"\r") and after.startswith(b"\n")]
    for line in following.split(b"\n")[:-1]:
        if len(line) > 60:
            break  # more than the small buffer holds
        if line.strip():
            assert wire.line() == line.rstrip(b"\r")


@pytest.mark.parametrize("end", [b".\n", b".\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\n", b"a\n..\n.\n"])
def test_a_dot_alone_on_a_line_ends_a_response_whatever_ends_the_lines(pieces: Pieces, end: bytes) -> None:
    expected = line_by_line(end)
    for size in range(1, 7):
        octets = b"+OK\n" + end + b"+OK next\n"
        pieces.pieces = tuple(octets[at : at + size] for at in range(0, len(octets), size))
        wire = Connection(Socket(pieces, 5), "test")
        wire.line()
        assert (wire.multiline(1000), wire.line()) == (expected and expected[0], b"+OK next")


@pytest.mark.parametrize("body", [b"\r.\r", b"a\r.\ra\r\n", b"a.\r\n", b". \r\n", b".\r\r\n"])
def test_no_other_dot_does(pieces: Pieces, body: bytes) -> None:
    pieces.pieces = (b"+OK\r\n" + body,)
    wire = Connection(Socket(pieces, 5), "test")
    wire.line()
    with pytest.raises(NetworkError, match="closed"):
        wire.multiline(1000)


def test_empty_lines_before_a_response_are_skipped_but_not_for_ever(pieces: Pieces) -> None:
    pieces.pieces = (b"\r\n\n \r", b"\n+OK\r\n", *[b"\r\n" * 1000] * 100)
    wire = Connection(Socket(pieces, 5), "test")
    assert wire.line() == b"+OK"
    with pytest.raises(OutOfStep, match="nothing but empty lines"):
        wire.line()


def test_a_line_without_an_end(pieces: Pieces) -> None:
    pieces.pieces = (b"x" * 70_000,)
    with pytest.raises(OutOfStep, match="without an end"):
        Connection(Socket(pieces, 5), "test").line()


def test_a_shorter_wait_than_usual() -> None:
    near, far = socket.socketpair()
    with far, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Socket, "peer", ("test", 1))
        wire = Connection(Socket(near, 60), "test")
        with pytest.raises(Silent):
            wire.line(within=0.01)
        wire.close()


def test_what_comes_unasked_is_taken_without_waiting() -> None:
    near, far = socket.socketpair()
    with far, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Socket, "peer", ("test", 1))
        wire = Connection(Socket(near, 5), "test")
        assert wire.unasked() == b""
        far.send(b"\r\n\r\n")
        assert wire.unasked() == b""
        far.send(b"one\r\ntwo\r\nhalf")
        assert [wire.unasked() for _ in range(4)] == [b"one", b"two", b"half", b""]
        far.send(b"-ERR idle\r\n")
        assert wire.unasked() == b"-ERR idle"
        wire.close()
