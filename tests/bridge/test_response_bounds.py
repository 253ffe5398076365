"""Where responses begin and end, whatever ends their lines, and in blocks of any size."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oauth2_pop3.bridge.response_bounds import ResponseBounds
from oauth2_pop3.errors import Pop3Error
from oauth2_pop3.pop3.connection import LINE_LIMIT

OCTETS = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\n.\n", b"\n.\r\n", b"..", b"x"]), max_size=30)


def divided(blocks: list[bytes]) -> list[bytes]:
    """Multi-line responses, and at last what is left of one."""
    bounds = ResponseBounds()
    found = [b""]
    for block in blocks:
        for part in bounds.parts(block):
            found[-1] += part.data
            if part.is_first_line:
                bounds.lines_follow()
            if part.is_end:
                found.append(b"")
    found[-1] += bounds.unfinished()
    return found


def by_the_rule(data: bytes) -> list[bytes]:
    """A response is a line, and lines up to the one that is a single dot; a line ends in LF, before which CR may be."""
    found = [b""]
    for line in data.splitlines(keepends=True) if b"\r" not in data else data.replace(b"\n", b"\n\0").split(b"\0"):
        is_first = not found[-1]
        found[-1] += line
        if not is_first and line in (b".\n", b".\r\n"):
            found.append(b"")
    return found


@settings(deadline=None)
@given(octets=OCTETS, cuts=st.lists(st.integers(1, 12), max_size=12))
@example(octets=[b"+OK\r\n", b".\r\n", b"+OK\n", b".\n", b"+OK\r\n"], cuts=[])
@example(octets=[b"+OK\r\n", b"a\r.\r\n", b"b\n.\r", b"\r\n", b"..\r\n", b".\r\n"], cuts=[9, 1, 1, 1, 1, 1])
def test_a_line_that_is_a_single_dot_ends_a_response(octets: list[bytes], cuts: list[int]) -> None:
    data = b"".join(octets)
    blocks, at = [], 0
    for size in cuts:
        blocks.append(data[at : at + size])
        at += size
    assert divided([*blocks, data[at:]]) == by_the_rule(data)
    assert divided([data[n : n + 1] for n in range(len(data))]) == by_the_rule(data)


def test_a_first_line_without_an_end() -> None:
    bounds = ResponseBounds()
    with pytest.raises(Pop3Error, match="without an end"):
        for _ in range(LINE_LIMIT + 1):
            list(bounds.parts(b"x"))


def test_the_lines_of_a_message_may_have_any_length() -> None:
    assert divided([b"+OK\r\n", *[b"x" * 65536] * 20, b"\r\n.\r\n"])[1:] == [b""]
