"""Reading ahead: whatever the client asks, it gets what the server would have sent to it directly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos import fuzz_read_ahead
from oauth2_pop3.bridge.messages_ahead import BRIDGE_LIMITS
from oauth2_pop3.bridge.read_ahead_proxy import ReadAheadProxy
from oauth2_pop3.errors import Pop3Error
from support.maildrop_model import Conversation, Maildrop

NUMBERS = st.integers(0, 9)
LINES = st.one_of(
    st.sampled_from([*fuzz_read_ahead.SIMPLE, *fuzz_read_ahead.ODD]).map(lambda line: [line]),
    st.builds("{} {}".format, st.sampled_from(["RETR", "retr", "DELE", "LIST", "UIDL", "NOOP"]), NUMBERS).map(
        lambda line: [line]
    ),
    st.builds(
        lambda forms, first, count: [form.format(n) for n in range(first, first + count) for form in forms],
        st.lists(st.sampled_from(["LIST {}", "RETR {}", "TOP {} 0", "TOP {} 99999999", "DELE {}"]), min_size=1),
        st.integers(1, 3),
        st.integers(2, 8),
    ),
)


@settings(deadline=None)
@given(
    bodies=st.lists(st.sampled_from(fuzz_read_ahead.BODIES), max_size=8),
    groups=st.lists(LINES, max_size=8),
    capa=st.sampled_from(fuzz_read_ahead.CAPAS),
    refused=st.frozensets(st.builds("{} {}".format, st.sampled_from(["DELE", "RETR", "TOP", "QUIT"]), NUMBERS)),
    end=st.sampled_from([b"\r\n", b"\n"]),
    strict=st.booleans(),
    patience=st.integers(0, 3),
    seed=st.integers(0, 1 << 30),
)
def test_the_client_gets_what_the_server_says(
    bodies: list[bytes],
    groups: list[list[str]],
    capa: str,
    refused: frozenset[str],
    end: bytes,
    strict: bool,
    patience: int,
    seed: int,
) -> None:
    lines = [*(line for group in groups for line in group), "QUIT"]
    direct = Maildrop(bodies, capa=capa, refused=refused, end=end, strict=strict)
    fuzz_read_ahead.compare(direct, lines, patience, random.Random(seed))


@pytest.mark.parametrize("first", [0, 2000])
def test_random_sessions(first: int) -> None:
    """2,000 of them each; tests/chaos tries more."""
    for seed in range(first, first + 2000):
        try:
            fuzz_read_ahead.one(random.Random(seed))
        except Exception as error:
            raise AssertionError(f"python tests/chaos/fuzz_read_ahead.py --seed {seed} --inputs 1") from error


def sequential(capa: str, count: int) -> tuple[Maildrop, int]:
    """Fetch and delete as fetchmail does; returns how many messages had come before they were asked for."""
    server = Maildrop([b"%d" % n for n in range(1, count + 1)], capa=capa)
    conversation = Conversation(server, ReadAheadProxy())
    ready = 0
    for number in range(1, count + 1):
        assert conversation.ask(f"LIST {number}").startswith(b"+OK %d " % number)
        conversation.received = b""
        conversation.between.from_client(b"RETR %d\r\n" % number)
        ready += bool(conversation.between.for_client)
        conversation.settle()
        assert conversation.received == message(number, b"%d" % number)
        assert conversation.ask(f"DELE {number}") == b"+OK marked\r\n"
    return server, ready


def message(number: int, body: bytes) -> bytes:
    return b"+OK message %d\r\n%b\r\n.\r\n" % (number, body)


@pytest.mark.parametrize("capa", ["PIPELINING", "TOP"])
def test_what_the_client_asks_for_next_has_come_already(capa: str) -> None:
    server, ready = sequential(capa, 300)
    assert ready >= 297
    assert server.asked.count("RETR 7") == 1
    assert len(server.marked) == 300
    assert len(server.asked) <= 603, "nothing is asked twice, and CAPA, LIST and LIST 1 once"


@pytest.mark.parametrize("asked", ["", "CAPA", "LIST", "CAPA LIST"])
def test_a_client_that_pipelines_may_do_so_whatever_it_has_asked_before(asked: str) -> None:
    server, between = Maildrop([b"m"] * 100), ReadAheadProxy()
    round_trips = 0
    for commands in [*(word.encode() for word in asked.split()), b"\r\n".join(b"RETR %d" % n for n in range(1, 101))]:
        between.from_client(commands + b"\r\n")
        while between.for_server:
            sent = bytes(between.for_server)
            between.for_server.clear()
            between.from_server(server.responses(sent))
            round_trips += 1
    assert between.for_client.count(b"\r\nm\r\n.\r\n") == 100
    assert round_trips < 10
    assert server.asked.count("CAPA") == 1, "and nothing is asked twice"


def test_nothing_is_read_ahead_where_a_message_may_be_gone_once_it_was_retrieved() -> None:
    server, ready = sequential("EXPIRE 0 USER,PIPELINING", 20)
    assert ready == 0
    assert [line for line in server.asked if line.startswith("RETR")] == [f"RETR {n}" for n in range(1, 21)]


def test_no_more_than_the_window_is_asked_for() -> None:
    server = Maildrop([b"m"] * 1000)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(1, 20):
        conversation.ask(f"RETR {number}")
        ahead = sum(line.startswith("RETR") for line in server.asked) - number
        assert ahead <= min(2**number, BRIDGE_LIMITS.messages)


# -- what a server may make the bridge keep


def kept(between: ReadAheadProxy) -> int:
    """Octets that are neither the client's nor the server's yet."""
    return sum(len(block) for exchange in between._ahead._exchanges.values() for block in exchange.blocks)


def test_a_large_message_is_not_read_ahead() -> None:
    server = Maildrop([b"m", b"m" * (3 << 20), b"m"])
    conversation = Conversation(server, ReadAheadProxy())
    conversation.ask("RETR 1")
    assert "RETR 2" not in server.asked
    assert len(conversation.ask("RETR 2")) > 3 << 20


def test_a_command_waits_for_no_more_than_two_megabytes_of_messages() -> None:
    conversation = Conversation(Maildrop([b"m" * 900_000] * 40), ReadAheadProxy())
    conversation.ask("RETR 1")
    asked = 0
    for number in range(2, 12):
        conversation.between.from_client(b"RETR %d\r\n" % number)
        asked = max(asked, bytes(conversation.between.for_server).count(b"RETR"))
        conversation.settle()
    assert asked == 2


def test_a_message_larger_than_list_says_is_let_go_and_fetched_when_it_is_asked_for() -> None:
    server = Maildrop([b"m", b"m" * (5 << 20), b"m"], sizes={2: 1})
    between = ReadAheadProxy()
    conversation = Conversation(server, between)
    conversation.ask("RETR 1")
    assert server.asked[-1] == "RETR 2"
    assert kept(between) == 0
    assert len(conversation.ask("RETR 2")) > 5 << 20
    assert server.asked.count("RETR 2") == 2


def test_many_messages_larger_than_list_says_are_let_go_too() -> None:
    """Each of them is small enough to be kept."""
    large = b"m" * (2 << 20)
    server = Maildrop([b"m"] * 20 + [large] * 100, sizes=dict.fromkeys(range(1, 121), 1))
    between = ReadAheadProxy()
    conversation = Conversation(server, between)
    most = 0
    for number in range(1, 20):
        conversation.ask(f"RETR {number}")
        most = max(most, kept(between))
    assert 0 < most <= 2 * BRIDGE_LIMITS.octets + len(large)
    assert conversation.ask("RETR 60") == message(60, large)


def test_a_message_that_would_have_to_wait_for_another_response_is_not_kept_without_limit() -> None:
    """RETR 2 is on its way when STAT goes to the server. The client wants it only after STAT's response."""
    server = Maildrop([b"m", b"m" * (40 << 20)], sizes={2: 1}, capa="PIPELINING")
    between = ReadAheadProxy()
    between.from_client(b"LIST\r\nRETR 1\r\n")
    commands = 0
    while b"RETR 2" not in between.for_server:
        sent = bytes(between.for_server)
        between.for_server.clear()
        between.from_server(server.responses(sent))
        commands += 1
        assert commands < 20
    between.for_client.clear()
    between.from_client(b"STAT\r\nRETR 2\r\n")
    sent = bytes(between.for_server)
    assert sent == b"RETR 2\r\nSTAT\r\nRETR 2\r\n"
    first, second = server.responses(b"RETR 2\r\n"), server.responses(b"STAT\r\nRETR 2\r\n")
    for at in range(0, len(first), 65536):
        between.from_server(first[at : at + 65536])
        assert sum(len(block) for exchange in between._exchanges._owed for block in exchange.blocks) == 0
        assert not between.for_client
    between.from_server(second)
    assert between.for_client == second


@pytest.mark.parametrize("command", [b"LIST", b"UIDL", b"CAPA"])
def test_a_listing_without_end_is_passed_on_as_it_comes(command: bytes) -> None:
    between = ReadAheadProxy()
    between.from_client(command + b"\r\n")
    between.from_server(b"+OK\r\n")
    waiting, came = 0, 0
    for _ in range(300):
        between.from_server(b"12345 67890\r\n" * 5000)
        came += len(between.for_client)
        between.for_client.clear()
        waiting = max(waiting, between._exchanges.awaited.octets - came)  # type: ignore[union-attr]
    between.from_server(b".\r\n")
    assert came + len(between.for_client) == 5 + 300 * 65000 + 3
    assert waiting <= 3 << 20


def test_a_listing_without_end_that_only_the_bridge_has_asked_for_is_thrown_away() -> None:
    between = ReadAheadProxy()
    between.from_client(b"RETR 1\r\n")
    between.from_server(b"+OK\r\nm\r\n.\r\n")
    between.from_server(b"+OK\r\n.\r\n")
    between.from_server(b"+OK\r\n")
    exchange = between._exchanges.awaited
    assert exchange is not None
    assert exchange.command == b"LIST"
    for _ in range(100):
        between.from_server(b"12345 67890\r\n" * 5000)
        assert sum(map(len, exchange.blocks)) <= 3 << 20
    assert not exchange.blocks
    between.for_client.clear()
    between.from_client(b"LIST 12345\r\n")
    between.from_server(b".\r\n")
    between.from_server(b"+OK 12345 1\r\n")
    assert between.for_client == b"+OK 12345 1\r\n"


def test_a_client_that_pipelines_without_end_is_made_to_wait() -> None:
    between = ReadAheadProxy()
    sent = 0
    while between.takes_from_client:
        between.from_client(b"NOOP\r\n" * 1000)
        sent += 6000
    assert sent < 1 << 18


def test_a_client_that_reads_nothing_is_made_to_wait() -> None:
    """Although nothing of what it asks has to go to the server."""
    server, between = Maildrop([b"m"]), ReadAheadProxy()
    conversation = Conversation(server, between)
    conversation.ask("RETR 1")
    sent = 0
    while between.takes_from_client:
        between.from_client(b"LIST 1\r\n" * 1000)
        sent += 8000
        assert sent < 2 << 20
    assert not between.for_server


def test_a_line_without_an_end() -> None:
    between = ReadAheadProxy()
    with pytest.raises(Pop3Error, match="without an end"):
        for _ in range(1000):
            between.from_server(b"x" * 100)


# -- deletions


@pytest.mark.parametrize("capa", ["PIPELINING", "TOP"])
def test_a_deletion_that_the_server_refuses_is_refused(capa: str) -> None:
    server = Maildrop([b"m"] * 5, refused=frozenset(["DELE 2"]), capa=capa)
    conversation = Conversation(server, ReadAheadProxy())
    told = []
    for number in range(1, 4):
        conversation.ask(f"RETR {number}")
        told.append(conversation.ask(f"DELE {number}"))
    assert told == [b"+OK marked\r\n", b"-ERR [SYS/TEMP] not 2\r\n", b"+OK marked\r\n"]
    assert conversation.ask("QUIT") == b"+OK\r\n"
    assert server.deleted == {1, 3}


def test_a_deletion_is_not_acknowledged_before_the_server_has_done_so() -> None:
    conversation = Conversation(Maildrop([b"m"] * 5), ReadAheadProxy())
    conversation.ask("RETR 1")
    conversation.between.from_client(b"DELE 1\r\n")
    assert not conversation.between.for_client


@pytest.mark.parametrize("between", [[], ["RSET"], ["XTND XMIT"]])
def test_deletions_that_fail_in_the_end_are_told_at_quit(between: list[str]) -> None:
    server = Maildrop([b"m"] * 5, refused=frozenset(["QUIT 1"]))
    conversation = Conversation(server, ReadAheadProxy())
    for line in ("RETR 1", *between, "DELE 1"):
        conversation.ask(line)
    assert conversation.ask("QUIT") == b"-ERR some were not deleted\r\n"


@pytest.mark.parametrize("command", ["RETR 3", "retr 3", "LIST 3", "TOP 3 0", "UIDL 3", "DELE 3"])
def test_a_message_that_the_client_deletes_is_gone_though_it_is_here(command: str) -> None:
    conversation = Conversation(Maildrop([b"m"] * 5), ReadAheadProxy())
    for line in ("LIST", "RETR 1", "RETR 2"):
        conversation.ask(line)
    assert conversation.between.can_do_without_server, "message 3 has come"
    assert conversation.ask("DELE 3") == b"+OK marked\r\n"
    assert conversation.ask(command) == b"-ERR [SYS/TEMP] not 3\r\n"
    conversation.ask("RSET")
    assert conversation.ask("LIST 3") == b"+OK 3 1\r\n"
    assert conversation.ask("RETR 3") == message(3, b"m")


# -- what else a server may refuse


def test_a_message_that_is_refused_is_not_listed_any_more() -> None:
    """It has gone since LIST; RETR 2 was read ahead."""
    server = Maildrop([b"m"] * 5, refused=frozenset(["RETR 2", "LIST 2"]))
    conversation = Conversation(server, ReadAheadProxy())
    conversation.ask("RETR 1")
    assert conversation.ask("LIST 2") == b"-ERR [SYS/TEMP] not 2\r\n"
    assert conversation.ask("RETR 2") == b"-ERR [SYS/TEMP] not 2\r\n"
    assert conversation.ask("RETR 3") == message(3, b"m")


@pytest.mark.parametrize("command", ["RETR 02", "RETR +2", "RETR  2", "RETR 2 ", "RETR 0", "RETR", "TOP 2", "LIST 02"])
def test_a_command_that_the_server_may_not_understand_is_the_servers_to_answer(command: str) -> None:
    server = Maildrop([b"m"] * 3, strict=True)
    conversation = Conversation(server, ReadAheadProxy())
    conversation.ask("RETR 1")
    assert conversation.ask(command).startswith(b"-ERR")
    assert server.asked[-1] == command
    assert conversation.ask("RETR 2") == message(2, b"m")


def test_small_letters_are_read_ahead_as_small_letters() -> None:
    server = Maildrop([b"m"] * 3, strict=True)
    conversation = Conversation(server, ReadAheadProxy())
    assert conversation.ask("retr 1").startswith(b"-ERR")
    assert conversation.ask("retr 2").startswith(b"-ERR")
    assert conversation.ask("RETR 2") == message(2, b"m")


def test_top_does_not_get_what_was_read_ahead_for_retr() -> None:
    conversation = Conversation(Maildrop([b"a\n\nb"] * 3), ReadAheadProxy())
    conversation.ask("RETR 1")
    assert conversation.ask("TOP 2 0") == b"+OK message 2\r\na\r\n.\r\n"
    assert conversation.ask("TOP 3 1") == b"+OK message 3\r\na\r\n\r\n.\r\n"


def test_last_does_not_count_what_was_read_ahead() -> None:
    """A client that asks for it skips what it has fetched by what LAST says, now or in its next session."""
    conversation = Conversation(Maildrop([b"m"] * 5, has_last=True), ReadAheadProxy())
    conversation.ask("RETR 1")
    assert conversation.ask("LAST").startswith(b"-ERR")
    server = Maildrop([b"m"] * 5, has_last=True)
    conversation = Conversation(server, ReadAheadProxy())
    assert conversation.ask("LAST") == b"+OK 0\r\n"
    conversation.ask("RETR 1")
    assert conversation.ask("LAST") == b"+OK 1\r\n"
    assert server.asked.count("RETR 2") == 0


def test_it_stops_guessing_where_it_guesses_wrong() -> None:
    server = Maildrop([b"m"] * 100)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(50, 0, -1):
        conversation.ask(f"RETR {number}")
    assert len([line for line in server.asked if line.startswith("RETR")]) <= 54


# -- the end


def test_what_has_come_is_given_though_the_server_has_gone() -> None:
    conversation = Conversation(Maildrop([b"1", b"2", b"3"]), ReadAheadProxy())
    conversation.ask("RETR 1")
    between = conversation.between
    assert between.can_do_without_server
    between.from_client(b"RETR 2\r\n")
    assert between.for_client == message(2, b"2")
    between.from_client(b"STAT\r\n")
    assert not between.can_do_without_server


@pytest.mark.parametrize("last", ["QUIT", "quit now", "XTND XMIT"])
def test_the_client_is_not_expected_to_fetch_anything_more(last: str) -> None:
    """Once, after QUIT the relay waited 900 seconds for it to do so. After an unknown command it no longer could."""
    server = Maildrop([b"m"] * 8)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(1, 4):
        conversation.ask(f"RETR {number}")
    assert conversation.between.can_do_without_server
    conversation.ask(last)
    assert not conversation.between.can_do_without_server


def test_nothing_comes_early_after_quit() -> None:
    conversation = Conversation(Maildrop([b"m"] * 8), ReadAheadProxy())
    conversation.ask("RETR 1")
    assert conversation.ask("QUIT\r\nLIST 2\r\nRETR 2") == b"+OK\r\n"


# -- a server that is out of step


def test_a_last_word_of_the_server_reaches_the_client() -> None:
    between = ReadAheadProxy()
    between.from_server(b"-ERR [SYS/TEMP] good night\r\n")
    assert between.for_client == b"-ERR [SYS/TEMP] good night\r\n"


@pytest.mark.parametrize("words", [(b"-ERR Disconnected for inactivity.\r\n",), (b"-ERR Disconnected", b"\r\n")])
def test_a_last_word_of_the_server_is_not_taken_for_a_response(words: tuple[bytes, ...]) -> None:
    """Once, the client took it for the response to RETR 2, and each message for the one after it."""
    conversation = Conversation(Maildrop([b"1", b"2", b"3"]), ReadAheadProxy())
    conversation.ask("RETR 1")
    between = conversation.between
    between.from_server(words[0])
    between.from_client(b"RETR 2\r\n")
    for rest in words[1:]:
        between.from_server(rest)
    assert between.for_client == message(2, b"2")


@pytest.mark.parametrize("cut", [1, 14, 15, None])
def test_one_response_too_many_makes_what_is_here_worthless(cut: int | None) -> None:
    """RETR 2 and RETR 3 are on their way, and an -ERR comes before the response to RETR 2."""
    conversation = Conversation(Maildrop([b"1", b"2", b"3", b"4"]), ReadAheadProxy())
    between = conversation.between
    for line in ("LIST", "CAPA", "RETR 1"):
        conversation.ask(line)
    between.from_client(b"RETR 2\r\n")
    assert bytes(between.for_server) == b"RETR 3\r\nRETR 4\r\n"
    between.for_server.clear()
    between.for_client.clear()
    between.from_server(b"-ERR what?\r\n" + message(3, b"3") + message(4, b"4")[:cut])
    between.from_client(b"RETR 4\r\n")
    assert b"3" not in between.for_client
    assert bytes(between.for_server) == b"RETR 4\r\n"


@pytest.mark.parametrize("capa", ["PIPELINING", "TOP"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_an_empty_line_is_no_response(end: bytes, capa: str) -> None:
    around = {f"{verb} {number}": (end, end) for verb in ("RETR", "DELE") for number in (1, 2, 4)}
    server = Maildrop([b"m"] * 4, around=around, end=end, capa=capa)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(1, 5):
        assert conversation.ask(f"RETR {number}") == message(number, b"m").replace(b"\r\n", end)
        assert conversation.ask(f"DELE {number}") == b"+OK marked" + end


@pytest.mark.parametrize("capa", ["PIPELINING", "TOP"])
def test_a_dot_that_was_not_stuffed_ends_no_other_message(capa: str) -> None:
    """The client sees what it would see from the server itself, and what is behind the dot is nobody's message."""
    server = Maildrop([b"%d" % n for n in range(1, 7)], capa=capa, around={"RETR 3": (b"", b"more\r\n.\r\n")})
    conversation = Conversation(server, ReadAheadProxy())
    for number in (1, 2):
        assert conversation.ask(f"RETR {number}") == message(number, b"%d" % number)
    assert conversation.ask("DELE 2") == b"+OK marked\r\n"
    assert conversation.ask("RETR 3") == message(3, b"3") + b"more\r\n.\r\n"
    assert conversation.ask("RETR 4") == message(4, b"4")
    assert conversation.ask("QUIT") == b"+OK\r\n"
    assert server.deleted == {2}


def test_the_rest_of_a_message_comes_to_the_client_that_has_the_message() -> None:
    """It must not delete the message for a part of it. Here the rest comes late: the client has fetched the message."""
    conversation = Conversation(Maildrop([b"1", b"2"]), ReadAheadProxy())
    between = conversation.between
    conversation.ask("RETR 1")
    conversation.ask("RETR 2")
    between.from_server(b"more\r\n.\r\n")
    assert between.for_client == b"more\r\n.\r\n"


def test_the_rest_of_a_message_that_is_here_comes_when_the_client_fetches_it() -> None:
    server = Maildrop([b"1", b"2", b"3"], around={"RETR 2": (b"", b"more\r\n.\r\n")})
    conversation = Conversation(server, ReadAheadProxy())
    conversation.ask("RETR 1")
    assert server.asked[-1] == "RETR 2"
    assert conversation.ask("DELE 1") == b"+OK marked\r\n"
    assert conversation.ask("RETR 2") == message(2, b"2") + b"more\r\n.\r\n"


def test_a_client_that_gets_what_is_no_response_goes_on_as_it_would_without_us() -> None:
    """fetchmail says QUIT, and deletes what it has fetched before."""
    conversation = Conversation(Maildrop([b"1", b"2", b"3"]), ReadAheadProxy())
    between = conversation.between
    conversation.ask("DELE 1")
    between.from_client(b"STAT\r\n")
    between.for_server.clear()
    between.from_server(b"ERROR\r\n")
    assert between.for_client == b"ERROR\r\n"
    assert conversation.ask("QUIT") == b"ERROR\r\n+OK\r\n"
    assert conversation.server.deleted == {1}


def test_what_is_no_response_may_have_taken_the_place_of_one() -> None:
    """RETR 2, which was read ahead, gets an odd one. Whether the server owes another cannot be told."""
    conversation = Conversation(Maildrop([b"1", b"2", b"3"]), ReadAheadProxy())
    between = conversation.between
    for line in ("LIST", "CAPA"):
        conversation.ask(line)
    between.from_client(b"RETR 1\r\n")
    between.for_server.clear()
    between.from_server(message(1, b"1"))
    assert bytes(between.for_server) == b"RETR 2\r\n"
    between.from_server(b"ERROR\r\n")
    assert not between.is_out_of_step, "the client waits for nothing"
    between.from_client(b"DELE 1\r\n")
    assert between.is_out_of_step
    between.from_server(b"+OK message 2\r\n2\r\n.\r\n+OK marked\r\n")
    assert not between.is_out_of_step
