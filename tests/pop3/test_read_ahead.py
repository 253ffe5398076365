"""How far the retriever and the bridge read ahead: the numbers that both have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oauth2_pop3.bridge.messages_ahead import BRIDGE_LIMITS
from oauth2_pop3.hosts.getmail6.options import Options
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.providers.provider import Provider

LIMITS = ReadAheadLimits(messages=16, octets=1000)


def test_there_is_one_set_of_numbers() -> None:
    assert (ReadAheadLimits().messages, ReadAheadLimits().octets) == (128, 16 << 20)
    assert Options(username="ann@example.org", account="ann@example.org").read_ahead == ReadAheadLimits().messages
    assert replace(BRIDGE_LIMITS, largest=0) == ReadAheadLimits()


@pytest.mark.parametrize("once", [True, False])
def test_a_provider_that_gives_out_a_message_only_once(once: bool) -> None:
    limits = LIMITS.for_provider(Provider(name="x", retrieved_once=once))
    assert limits.allow({}) is not once


@pytest.mark.parametrize(
    ("capabilities", "allowed"),
    [({}, True), ({"EXPIRE": ("NEVER",)}, True), ({"EXPIRE": ("0",)}, False), ({"EXPIRE": ("0", "USER")}, False)],
)
def test_a_server_that_deletes_what_was_retrieved(capabilities: dict[str, tuple[str, ...]], allowed: bool) -> None:
    assert LIMITS.allow(capabilities) is allowed
    assert not replace(LIMITS, messages=0).allow(capabilities)


def test_messages_are_asked_for_many_at_a_time() -> None:
    assert LIMITS.is_time_to_ask(14, 16)
    assert not LIMITS.is_time_to_ask(15, 16)
    assert LIMITS.is_time_to_ask(0, 1)
    assert not LIMITS.is_time_to_ask(1, 1)
    assert not LIMITS.is_time_to_ask(0, 0)


def test_the_octets_that_may_wait() -> None:
    assert LIMITS.have_room(600, 400)
    assert not LIMITS.have_room(601, 400)
    assert LIMITS.have_room(5000, 0), "one message may be larger than all may be together"
    assert not replace(LIMITS, largest=4999).have_room(5000, 0)
