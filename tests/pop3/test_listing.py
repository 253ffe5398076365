"""LIST and UIDL are read as they come, whatever the borders, and what is remembered of them is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import Pop3Error
from oauth2_pop3.pop3 import listing
from oauth2_pop3.pop3.listing import Listing, octets_of, unique_id_of

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70)


@given(
    st.dictionaries(st.integers(1, 10**6), visible, max_size=20), st.integers(1, 40), st.sampled_from(["\r\n", "\n"])
)
def test_borders_do_not_matter(unique_ids: dict[int, str], size: int, end: str) -> None:
    lines = "".join(f"{number} {uid}{end}" for number, uid in unique_ids.items()).encode()
    read = Listing("UIDL", "test", unique_id_of)
    for at in range(0, len(lines), size):
        read.write(lines[at : at + size])
    assert read.end() == unique_ids


def test_a_line_of_list_may_say_more() -> None:
    read = Listing("LIST", "test", octets_of)
    read.write(b"1 120 octets\r\n2 0\r\n")
    assert read.end() == {1: 120, 2: 0}


@pytest.mark.parametrize("line", [b"1", b"", b"x 1", b"0 1", b"1 x", b"1 " + b"9" * 5000, b"9" * 5000 + b" 1", b"1 -1"])
def test_a_line_that_cannot_be_understood(line: bytes) -> None:
    read = Listing("LIST", "test", octets_of, hint="Do something.")
    with pytest.raises(Pop3Error, match="test responded to LIST with") as caught:
        read.write(line + b"\r\n")
    assert caught.value.hint == "Do something."


@pytest.mark.parametrize("line", [b"1 1\r\n", b"%d 1\r\n"])
def test_more_messages_than_any_maildrop_has(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MESSAGES_LIMIT", 1000)
    read = Listing("LIST", "test", octets_of)
    with pytest.raises(Pop3Error, match="lists more than 1000 messages"):
        for number in range(1, 1002):
            read.write(line % number if b"%" in line else line)


def test_a_line_without_an_end_is_not_collected() -> None:
    read = Listing("LIST", "test", octets_of)
    with pytest.raises(Pop3Error, match="responded to LIST"):
        for _ in range(100):
            read.write(b"x" * 10_000)
