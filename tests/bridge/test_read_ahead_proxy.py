"""Reading ahead: whatever the client asks, it gets what the server would have sent to it directly."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.bridge.messages_ahead import BRIDGE_LIMITS
from oauth2_pop3.bridge.read_ahead_proxy import ReadAheadProxy


class Server:
    """A maildrop that does what RFC 1939 says, and remembers what it was asked."""

    def __init__(self, bodies: list[bytes], refuses: frozenset[int] = frozenset(), capa: str = "PIPELINING") -> None:
        self.bodies = bodies
        self.capa = capa
        self.marked: set[int] = set()
        self.refuses = refuses  # messages that it does not delete
        self.asked: list[str] = []
        self._received = b""

    def responses(self, data: bytes) -> bytes:
        *lines, self._received = (self._received + data).split(b"\r\n")
        return b"".join(self.response(line.decode()) for line in lines)

    def response(self, line: str) -> bytes:
        self.asked.append(line)
        verb, *words = line.upper().split() or [""]
        number = int(words[0]) if words and words[0].isdigit() else 0
        there = [n for n in range(1, len(self.bodies) + 1) if n not in self.marked]
        if (words or verb in ("RETR", "TOP", "DELE")) and verb != "NOOP" and number not in there:
            return b"-ERR no such message\r\n"
        match verb:
            case "CAPA":
                return f"+OK\r\nSASL XOAUTH2\r\nTOP\r\n{self.capa}\r\n.\r\n".encode()
            case "STAT":
                return b"+OK %d %d\r\n" % (len(there), sum(len(self.bodies[n - 1]) for n in there))
            case "LIST" | "UIDL" if words:
                return f"+OK {number} {self.item(verb, number)}\r\n".encode()
            case "LIST" | "UIDL":
                return "".join(["+OK\r\n", *(f"{n} {self.item(verb, n)}\r\n" for n in there), ".\r\n"]).encode()
            case "RETR":
                return b"+OK\r\n" + stuffed(self.bodies[number - 1])
            case "TOP" if len(words) == 2:
                lines = self.bodies[number - 1].split(b"\r\n")[: int(words[1]) + 1]
                return b"+OK\r\n" + stuffed(b"\r\n".join(lines))
            case "DELE" if number in self.refuses:
                return b"-ERR [SYS/TEMP] locked\r\n"
            case "DELE":
                self.marked.add(number)
                return b"+OK marked to be deleted\r\n"
            case "RSET":
                self.marked.clear()
                return b"+OK\r\n"
            case "NOOP" | "QUIT":
                return b"+OK\r\n"
            case "XTND":
                return b"+OK its form\r\nis its own\r\n"
        return b"-ERR what?\r\n"

    def item(self, verb: str, number: int) -> str:
        return f"uid{number}" if verb == "UIDL" else str(len(self.bodies[number - 1]))


def stuffed(body: bytes) -> bytes:
    lines = body.split(b"\r\n") if body else []
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


class Conversation:
    """A client, the proxy and a server; the octets of each end come in pieces."""

    def __init__(self, server: Server, between: ReadAheadProxy, seed: int = 0) -> None:
        self.server = server
        self.between = between
        self.received = b""
        self._random = random.Random(seed)
        self._on_the_way: deque[bytes] = deque()

    def send(self, text: str) -> None:
        for piece in self._pieces(text.encode()):
            self.between.from_client(piece)
            if self._random.random() < 0.3:
                self.move()

    def move(self, blocks: int = 1) -> None:
        """Bring the server what is for it, and this many pieces of its responses back."""
        commands, self.between.for_server[:] = bytes(self.between.for_server), b""
        self._on_the_way += self._pieces(self.server.responses(commands))
        while blocks and self._on_the_way:
            self.between.from_server(self._on_the_way.popleft())
            blocks -= 1
        self.received += bytes(self.between.for_client)
        self.between.for_client.clear()

    def settle(self) -> None:
        while self.between.for_server or self._on_the_way or self.between.for_client:
            self.move()

    def ask(self, line: str) -> bytes:
        """Send a line; returns all that has come once nothing moves any more."""
        self.received = b""
        self.send(f"{line}\r\n")
        self.settle()
        return self.received

    def _pieces(self, data: bytes) -> list[bytes]:
        cuts = sorted(self._random.choices(range(len(data) + 1), k=self._random.randrange(4)))
        return [piece for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if (piece := data[a:b])]


BODIES = st.lists(
    st.sampled_from([b"", b"a", b".", b"..", b"a\r\n.b\r\n", b"\r\n", b"\r\n.\r\n.", b"x" * 3000, b"\n.\n", b"\r.\r"]),
    max_size=8,
)
UNKNOWN = ("", "XTND XMIT", "RETR", "RETR x", "TOP 1")
COMMANDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["STAT", "LIST", "UIDL", "NOOP", "RSET", "CAPA", "", "LAST", "RETR", "RETR x", "DELE", "TOP 1"]
        ),
        st.builds("{} {}".format, st.sampled_from(["RETR", "retr", "DELE", "LIST", "UIDL", "NOOP"]), st.integers(0, 9)),
        st.builds("TOP {} {}".format, st.integers(0, 9), st.sampled_from([0, 1, 99999999])),
        st.builds(
            lambda first, count: [f"RETR {n}" for n in range(first, first + count)],
            st.integers(1, 3),
            st.integers(2, 8),
        ),
        st.builds(
            lambda first, count: [word for n in range(first, first + count) for word in (f"RETR {n}", f"DELE {n}")],
            st.integers(1, 3),
            st.integers(2, 8),
        ),
    ),
    max_size=30,
)


@given(
    bodies=BODIES, script=COMMANDS, pipelining=st.booleans(), patience=st.integers(0, 3), seed=st.integers(0, 1 << 30)
)
def test_the_client_gets_what_the_server_says(
    bodies: list[bytes], script: list[str | list[str]], pipelining: bool, patience: int, seed: int
) -> None:
    lines = [line for entry in script for line in ([entry] if isinstance(entry, str) else entry)] + ["QUIT"]
    capa = "PIPELINING" if pipelining else "UIDL"
    direct, server = Server(bodies, capa=capa), Server(bodies, capa=capa)
    expected = direct.responses("".join(f"{line}\r\n" for line in lines).encode()).replace(b"SASL XOAUTH2\r\n", b"")
    conversation = Conversation(server, ReadAheadProxy(["SASL"]), seed)
    for line in lines:
        conversation.send(f"{line}\r\n")
        if patience:
            conversation.move(patience)
    conversation.settle()
    unknown = next((n for n, line in enumerate(lines) if line in UNKNOWN), None)
    if unknown is None or "CAPA" not in lines[unknown:]:  # from there on it is passed on as it is
        assert conversation.received == expected
    assert server.marked == direct.marked


def sequential(capa: str, count: int) -> tuple[Server, int]:
    """Fetch one message after another; returns how many had come before they were asked for."""
    server = Server([b"%d" % n for n in range(1, count + 1)], capa=capa)
    conversation = Conversation(server, ReadAheadProxy())
    ready = 0
    for number in range(1, count + 1):
        conversation.received = b""
        conversation.between.from_client(b"RETR %d\r\n" % number)
        ready += bool(conversation.between.for_client)
        conversation.settle()
        assert conversation.received == b"+OK\r\n%d\r\n.\r\n" % number
        assert conversation.ask(f"DELE {number}") == b"+OK marked to be deleted\r\n"
    return server, ready


@pytest.mark.parametrize("capa", ["PIPELINING", "TOP"])
def test_what_the_client_asks_for_next_has_come_already(capa: str) -> None:
    server, ready = sequential(capa, 300)
    assert ready >= 297
    assert server.asked.count("RETR 7") == 1
    assert len(server.marked) == 300
    assert len(server.asked) <= 602, "nothing is asked twice, and CAPA and LIST once"


@pytest.mark.parametrize("asked", ["", "CAPA", "LIST", "CAPA LIST"])
def test_a_client_that_pipelines_may_do_so_whatever_it_has_asked_before(asked: str) -> None:
    server, between = Server([b"m"] * 100), ReadAheadProxy()
    round_trips = 0
    for commands in [*(word.encode() for word in asked.split()), b"\r\n".join(b"RETR %d" % n for n in range(1, 101))]:
        between.from_client(commands + b"\r\n")
        while between.for_server:
            sent = bytes(between.for_server)
            between.for_server.clear()
            between.from_server(server.responses(sent))
            round_trips += 1
    assert between.for_client.count(b"+OK\r\nm\r\n.\r\n") == 100
    assert round_trips < 10
    assert server.asked.count("CAPA") == 1, "and nothing is asked twice"


def test_nothing_is_read_ahead_where_a_message_may_be_gone_once_it_was_retrieved() -> None:
    server, ready = sequential("EXPIRE 0 USER\r\nPIPELINING", 20)
    assert ready == 0
    assert [line for line in server.asked if line.startswith("RETR")] == [f"RETR {n}" for n in range(1, 21)]


def test_no_more_than_the_window_is_asked_for() -> None:
    server = Server([b"m"] * 1000)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(1, 20):
        conversation.ask(f"RETR {number}")
        ahead = sum(line.startswith("RETR") for line in server.asked) - number
        assert ahead <= min(2**number, BRIDGE_LIMITS.messages)


def test_a_large_message_is_not_read_ahead() -> None:
    server = Server([b"m", b"m" * (3 << 20), b"m"])
    conversation = Conversation(server, ReadAheadProxy())
    conversation.ask("RETR 1")
    assert "RETR 2" not in server.asked
    assert len(conversation.ask("RETR 2")) > 3 << 20


def test_a_message_larger_than_list_says_is_let_go_and_fetched_when_it_is_asked_for() -> None:
    server = Server([b"m", b"m" * (5 << 20), b"m"])
    server.item = lambda verb, number: "1"  # type: ignore[method-assign]
    between = ReadAheadProxy()
    conversation = Conversation(server, between)
    conversation.ask("RETR 1")
    assert server.asked[-1] == "RETR 2"
    assert sum(len(block) for exchange in between._ahead._exchanges.values() for block in exchange.blocks) == 0
    assert len(conversation.ask("RETR 2")) > 5 << 20
    assert server.asked.count("RETR 2") == 2


def test_a_deletion_that_fails_is_told_at_quit() -> None:
    server = Server([b"m"] * 5, refuses=frozenset([2]))
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(1, 4):
        conversation.ask(f"RETR {number}")
        assert conversation.ask(f"DELE {number}") == b"+OK marked to be deleted\r\n"
    assert conversation.ask("QUIT") == b"-ERR some messages were not deleted: [SYS/TEMP] locked\r\n"


def test_it_stops_guessing_where_it_guesses_wrong() -> None:
    server = Server([b"m"] * 100)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(50, 0, -1):
        conversation.ask(f"RETR {number}")
    assert len([line for line in server.asked if line.startswith("RETR")]) <= 54


def test_a_last_word_of_the_server_reaches_the_client() -> None:
    between = ReadAheadProxy()
    between.from_server(b"-ERR [SYS/TEMP] good night\r\n")
    assert between.for_client == b"-ERR [SYS/TEMP] good night\r\n"


def test_a_client_that_pipelines_without_end_is_made_to_wait() -> None:
    between = ReadAheadProxy()
    sent = 0
    while between.takes_from_client:
        between.from_client(b"NOOP\r\n" * 1000)
        sent += 6000
    assert sent < 1 << 18


def test_what_has_come_is_given_though_the_server_has_gone() -> None:
    conversation = Conversation(Server([b"1", b"2", b"3"]), ReadAheadProxy())
    conversation.ask("RETR 1")
    between = conversation.between
    assert between.can_do_without_server
    between.from_client(b"RETR 2\r\n")
    assert between.for_client == b"+OK\r\n2\r\n.\r\n"
    between.from_client(b"STAT\r\n")
    assert not between.can_do_without_server


@pytest.mark.parametrize("last", ["QUIT", "quit now", "XTND XMIT"])
def test_the_client_is_not_expected_to_fetch_anything_more(last: str) -> None:
    """Once, after QUIT the relay waited 900 seconds for it to do so. After an unknown command it no longer could."""
    server = Server([b"m"] * 8)
    conversation = Conversation(server, ReadAheadProxy())
    for number in range(1, 4):
        conversation.ask(f"RETR {number}")
    assert conversation.between.can_do_without_server
    conversation.ask(last)
    assert not conversation.between.can_do_without_server


@pytest.mark.parametrize("words", [(b"-ERR Disconnected for inactivity.\r\n",), (b"-ERR Disconnected", b"\r\n")])
def test_a_last_word_of_the_server_is_not_taken_for_a_response(words: tuple[bytes, ...]) -> None:
    """Once, the client took it for the response to RETR 2, and each message for the one after it."""
    conversation = Conversation(Server([b"1", b"2", b"3"]), ReadAheadProxy())
    conversation.ask("RETR 1")
    between = conversation.between
    between.from_server(words[0])
    between.from_client(b"RETR 2\r\n")
    for rest in words[1:]:
        between.from_server(rest)
    assert between.for_client == b"+OK\r\n2\r\n.\r\n"
