"""The commands of a client, as the bridge reads them."""

from __future__ import annotations

import pytest

from oauth2_pop3.bridge.commands import CommandLines, of_a_message
from oauth2_pop3.pop3.connection import LINE_LIMIT


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"RETR 12", (b"RETR", 12, b"RETR ", b"")),
        (b"retr 1", (b"RETR", 1, b"retr ", b"")),
        (b"TOP 3 99999999", (b"TOP", 3, b"TOP ", b" 99999999")),
        (b"Dele 999999999", (b"DELE", 999999999, b"Dele ", b"")),
        (b"LIST 4", (b"LIST", 4, b"LIST ", b"")),
    ],
)
def test_a_command_about_one_message(line: bytes, expected: tuple[bytes, int, bytes, bytes]) -> None:
    assert of_a_message(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        *(b"RETR", b"RETR ", b"RETR 0", b"RETR 01", b"RETR +1", b"RETR -1", b"RETR 1 ", b"RETR  1", b"RETR 1 2"),
        *(
            b"RETR\t1",
            b"RETR 1\r",
            b"RETR 1\n",
            b" RETR 1",
            b"TOP 1",
            b"TOP 1 ",
            b"TOP 1 -1",
            b"TOP 1 2 3",
            b"TOP 01 1",
        ),
        *(
            b"TOP 01 1",
            b"DELE 1 1",
            b"LIST 1 1",
            b"UIDL 1",
            b"RETR 1234567890",
            b"RETR 1.",
            "RETR \u0661".encode(),
            b"RETR\xa01",
        ),
    ],
)
def test_what_a_server_might_read_differently(line: bytes) -> None:
    assert of_a_message(line) is None


def test_lines() -> None:
    lines = CommandLines()
    taken = []
    for piece in (b"LI", b"ST\r", b"\nSTAT\nRETR 1\r\r\n", b"\r\n\nNO", b"OP"):
        lines.add(piece)
        while (line := lines.peek()) is not None:
            assert lines.peek() == line, "it stays until it is skipped"
            taken.append(line)
            lines.skip()
    assert taken == [b"LIST", b"STAT", b"RETR 1\r", b"", b""]
    assert len(lines) == 4
    assert lines.rest() == b"NOOP"
    assert (len(lines), lines.peek(), lines.rest()) == (0, None, b"")
    lines.add(b"QUIT\r\n")
    assert lines.peek() == b"QUIT"


def test_a_line_without_an_end() -> None:
    lines = CommandLines()
    lines.add(b"STAT\r\n" + b"x" * LINE_LIMIT)
    assert not lines.is_endless, "a whole line comes first"
    lines.skip()
    assert lines.is_endless
    assert lines.rest() == b"x" * LINE_LIMIT
