"""A message as it comes from the server: pieces go in, and the whole comes out, from memory and from a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.retrieval import spool as spool_module
from oauth2_pop3.retrieval.spool import Spool

LINE_ENDS = [b"\r\n", b"\r", b"\n", b"\n\r", b"\r\r\n", b"a", b"."]
PIECES = st.lists(st.lists(st.sampled_from(LINE_ENDS), max_size=12).map(b"".join), max_size=4)


@pytest.fixture(autouse=True, params=["in memory", "in a file"], scope="module")
def where(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        if request.param == "in a file":
            monkeypatch.setattr(spool_module, "IN_MEMORY", 0)
        yield


@given(pieces=PIECES, line_feeds=st.booleans())
def test_what_goes_in_comes_out(pieces: list[bytes], line_feeds: bool) -> None:
    pieces = [piece + b"a" if piece.endswith(b"\r") else piece for piece in pieces]  # none ends within CRLF
    told: list[int] = []
    spool = Spool(line_feeds=line_feeds, watch=told.append)
    for piece in pieces:
        spool.write(piece)
    whole = b"".join(pieces)
    converted = whole.replace(b"\r\n", b"\n")
    assert spool.content() == (converted if line_feeds else whole)
    assert spool.octets == len(whole)
    assert spool.has_bare_cr == (line_feeds and b"\r" in converted)
    assert told[-1:] == [len(whole)] * bool(pieces)
    if (file := spool.file()) is not None:
        assert file.read() == spool.content()
