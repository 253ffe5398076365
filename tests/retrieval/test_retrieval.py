"""Retrieval against servers that do what no server should. hosts/getmail6/test_retriever.py tries it with Dovecot."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from oauth2_pop3.errors import AuthenticationRejected, MessageRefused, NetworkError, OutOfStep, Pop3Error
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.retrieval.retrieval import Retrieval
from oauth2_pop3.sandbox.pop3_server.connection import stuff_dots
from support.hosts import until

SILENCE = b"-"
"""Stands for no response at all."""


class Server:
    """A POP3 server that can be told, command by command, to respond differently.

    deletes_always: a DELE counts whatever `other` responds to it.
    other: given session (from 1) and command line, bytes to send instead; b"" closes the connection.
    """

    def __init__(self, messages: dict[str, bytes], capabilities: str = "PIPELINING") -> None:
        self.messages = messages
        self.capabilities = capabilities
        self.commands: list[str] = []
        self.most_unread = 0
        self.other: Callable[[int, str], bytes | None] = lambda session, line: None
        self.sizes_lie = False
        self.deletes_always = False
        self.timeout = 30.0
        self._sessions = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def connect(self) -> Session:
        return Session.connect("127.0.0.1", self.port, context=None, timeout=self.timeout)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sessions += 1
            with connection:
                try:
                    self._session(connection, self._sessions)
                except OSError:
                    pass

    def _session(self, connection: socket.socket, session: int) -> None:
        listed = dict(enumerate(self.messages.items(), 1))
        marked: set[int] = set()
        received = b""
        connection.sendall(b"+OK\r\n")
        while block := connection.recv(65536):
            received += block
            self.most_unread = max(self.most_unread, received.count(b"\n"))
            while b"\r\n" in received:
                line, received = received.split(b"\r\n", 1)
                command = line.decode()
                self.commands.append(command)
                response = self.other(session, command)
                if self.deletes_always and command.startswith("DELE"):
                    marked.add(int(command[5:]))
                if response is None:
                    response = self._response(command, listed, marked)
                if not response:
                    return
                if command == "QUIT":
                    for number in marked:
                        del self.messages[listed[number][0]]
                    marked.clear()
                connection.sendall(b"" if response is SILENCE else response)

    def _response(self, command: str, listed: dict[int, tuple[str, bytes]], marked: set[int]) -> bytes:
        name, _, argument = command.partition(" ")
        number = int(argument or 0)
        match name:
            case "CAPA":
                return f"+OK\r\n{self.capabilities}\r\n.\r\n".encode()
            case "LIST":
                sizes = (len(text) + self.sizes_lie * n for n, (_, text) in listed.items())
                return b"+OK\r\n" + b"".join(b"%d %d\r\n" % pair for pair in enumerate(sizes, 1)) + b".\r\n"
            case "UIDL":
                return b"+OK\r\n" + "".join(f"{n} {uid}\r\n" for n, (uid, _) in listed.items()).encode() + b".\r\n"
            case "STAT":
                return b"+OK %d 1\r\n" % (len(listed) - len(marked))
            case "RETR":
                return b"+OK here\r\n" + stuff_dots(listed[number][1]) + b".\r\n"
            case "DELE":
                marked.add(number)
        return b"+OK\r\n"


@contextmanager
def served(
    count: int = 20,
    capabilities: str = "PIPELINING",
    read_ahead: int = 8,
    *,
    timeout: float = 30,
    equal: bool = False,
    **options: object,
) -> Iterator[tuple[Server, Retrieval, list[str]]]:
    """A server with messages, a run, and the unique-ids. equal: all messages have the same size."""
    texts = [b"Subject: %d\r\n\r\n" % n + b".dot\r\n" * n for n in range(1, count + 1)]
    if equal:
        texts = [b"Subject: %3d\r\n\r\n" % n for n in range(1, count + 1)]
    messages = {f"uid-{n}": text for n, text in enumerate(texts, 1)}
    server = Server(messages, capabilities)
    server.timeout = timeout
    options.setdefault("pauses", (0, 0, 0))
    try:
        run = Retrieval(server.connect, read_ahead=ReadAheadLimits(read_ahead), **options)  # type: ignore[arg-type]
        order = [str(message.unique_id) for message in run.listing()[0]]
        run.expect(order)
        yield server, run, order
        run.close()
    finally:
        server.close()


def retr(server: Server) -> list[int]:
    return [int(command[5:]) for command in server.commands if command.startswith("RETR")]


@pytest.mark.parametrize("capabilities", ["PIPELINING", "UIDL"])
@pytest.mark.parametrize("read_ahead", [0, 1, 8, 128])
def test_every_message_once_and_in_order(capabilities: str, read_ahead: int) -> None:
    with served(40, capabilities, read_ahead) as (server, run, order):
        for unique_id in order:
            assert run.fetch(unique_id).content() == server.messages[unique_id]
            run.delete(unique_id)
        assert retr(server) == list(range(1, 41))
        assert not [command for command in server.commands if command.startswith("DELE")]
        run.finish()
        assert server.messages == {}
        if capabilities == "UIDL":
            assert server.most_unread == 1, "a command was sent before the response to another had come"


@pytest.mark.parametrize(
    ("capabilities", "read_ahead", "ahead"),
    [
        ("PIPELINING", 8, 8),
        ("UIDL", 8, 1),
        ("PIPELINING\r\nEXPIRE 0", 8, 0),
        ("UIDL\r\nEXPIRE 0 USER", 8, 0),
        ("PIPELINING\r\nEXPIRE 30", 8, 8),
        ("PIPELINING", 0, 0),
    ],
)
def test_how_far_ahead(capabilities: str, read_ahead: int, ahead: int) -> None:
    with served(20, capabilities, read_ahead) as (server, run, order):
        run.fetch(order[0])
        until(lambda: len(retr(server)) >= 1 + ahead)
        time.sleep(0.05)  # for one too many
        assert retr(server) == list(range(1, 2 + ahead))


def test_octets_bound_what_is_ahead() -> None:
    with served(20) as (server, run, order):
        run.read_ahead = ReadAheadLimits(128, 60)
        run.fetch(order[0])
        run.session.command("NOOP")
        assert 1 < len(retr(server)) < 5


def test_expire_may_be_said_after_the_sign_in() -> None:
    with served(20) as (server, run, order):
        server.capabilities = "PIPELINING\r\nEXPIRE 0"
        run.expect(order)
        run.fetch(order[0])
        run.session.command("NOOP")
        assert retr(server) == [1]


def test_another_order_than_expected_gets_the_right_messages() -> None:
    with served(20) as (server, run, order):
        for unique_id in [order[4], order[2], order[3], *order[10:], order[0]]:
            assert run.fetch(unique_id).content() == server.messages[unique_id]


def test_a_refusal_in_the_middle_of_a_window() -> None:
    with served(20) as (server, run, order):
        server.other = lambda session, line: b"-ERR no such message\r\n" if line == "RETR 3" else None
        for unique_id in order:
            if unique_id == "uid-3":
                with pytest.raises(Pop3Error, match="RETR 3"):
                    run.fetch(unique_id)
            else:
                assert run.fetch(unique_id).content() == server.messages[unique_id]


# Regression: the refusal of a message that was only read ahead counts for the one asked for, or prevents QUIT.
@pytest.mark.parametrize(("capabilities", "last"), [("PIPELINING", 9), ("UIDL", 2)])
def test_a_refusal_of_what_is_not_wanted_any_more(capabilities: str, last: int) -> None:
    for ends in (False, True):
        with served(20, capabilities) as (server, run, order):
            server.other = lambda session, line: b"-ERR no\r\n" if line == f"RETR {last}" else None
            content = server.messages[order[15]]
            run.fetch(order[0])
            run.delete(order[0])
            if not ends:
                assert run.fetch(order[15]).content() == content
            run.finish()
            assert list(server.messages) == order[1:]


def test_sizes_that_lie_are_borne() -> None:
    with served(20) as (server, run, order):
        server.sizes_lie = True
        run.expect([str(message.unique_id) for message in run.listing()[0]])
        assert [run.fetch(unique_id).content() for unique_id in order] == list(server.messages.values())
        run.finish()


PLACES = ("RETR 1", "RETR 5", "RETR 20", "DELE 1", "DELE 17", "QUIT")


@pytest.mark.parametrize(
    ("capabilities", "closes"),
    [("PIPELINING", "STAT"), *(("PIPELINING", place) for place in PLACES), *(("UIDL", place) for place in PLACES)],
)
def test_a_connection_that_drops_anywhere(closes: str, capabilities: str) -> None:
    with served(20, capabilities) as (server, run, order):
        server.other = lambda session, line: b"" if session == 1 and line == closes else None
        sent = dict(server.messages)
        assert [run.fetch(unique_id).content() for unique_id in order] == list(sent.values())
        for unique_id in order[:17]:
            run.delete(unique_id)
        run.finish()
        assert list(server.messages) == order[17:]


def test_in_the_middle_of_a_message() -> None:
    with served(20) as (server, run, order):
        half = b"+OK here\r\nSubject: half\r\n"
        ended = []

        def other(session: int, line: str) -> bytes | None:
            if session == 1 and line == "RETR 6":
                ended.append(line)
                return half
            return b"" if session == 1 and ended else None

        server.other = other
        assert [run.fetch(unique_id).content() for unique_id in order] == list(server.messages.values())


def test_the_numbers_of_the_next_session_are_others() -> None:
    with served(20) as (server, run, order):
        server.other = lambda session, line: b"" if session == 1 and line == "RETR 16" else None
        sent = dict(server.messages)
        for unique_id in order[:4]:
            run.fetch(unique_id)
        del server.messages["uid-2"]  # another session deleted it
        server.messages["uid-new"] = b"new\r\n"
        assert [run.fetch(unique_id).content() for unique_id in order[4:]] == list(sent.values())[4:]
        run.delete("uid-2")
        run.delete("uid-3")
        run.finish()
        assert list(server.messages) == ["uid-1", *order[3:], "uid-new"]


def test_a_message_at_which_the_connection_always_drops_does_not_stop_the_others() -> None:
    with served(20) as (server, run, order):
        server.other = lambda session, line: b"" if line == "RETR 5" else None
        for unique_id in order:
            if unique_id == "uid-5":
                with pytest.raises(MessageRefused, match=r"message 5 \(unique-id uid-5\).*closed the connection"):
                    run.fetch(unique_id)
            else:
                assert run.fetch(unique_id).content() == server.messages[unique_id]
                run.delete(unique_id)
        run.finish()
        assert list(server.messages) == ["uid-5"]
        assert server._sessions == 3


@pytest.mark.parametrize("response", [b"", b"junk\r\n", b"+OK\r\na\r\n.\r\nb\r\n.\r\n", b"x" * 70_000])
def test_a_server_on_which_no_message_can_be_read_is_given_up_soon(response: bytes) -> None:
    with served(20, timeout=0.5 if response == b"junk\r\n" else 30) as (server, run, order):
        server.other = lambda session, line: response if line.startswith("RETR") else None
        refused = []
        with pytest.raises((NetworkError, OutOfStep)):
            for unique_id in order:
                try:
                    run.fetch(unique_id)
                except MessageRefused:
                    refused.append(unique_id)
        assert refused == order[: len(refused)]
        assert server._sessions <= 4


def test_a_server_that_responds_to_no_retr_costs_three_timeouts() -> None:
    with served(20, timeout=0.2) as (server, run, order):
        server.other = lambda session, line: SILENCE if line.startswith("RETR") else None
        with pytest.raises(MessageRefused, match="silent"):
            run.fetch(order[0])
        with pytest.raises(NetworkError, match="silent"):
            run.fetch(order[1])
        assert server._sessions == 3


def test_a_silent_listing_costs_one_timeout() -> None:
    with served(20, timeout=0.2) as (server, run, _):
        server.other = lambda session, line: SILENCE if line == "UIDL" else None
        with pytest.raises(NetworkError, match="silent"):
            run.listing()
        assert server._sessions == 1


# Regression: the connection drops in reading ahead, no other can be had, and the next message is looked for in the old
# one: IndexError, pop from an empty deque.
@pytest.mark.parametrize("capabilities", ["PIPELINING", "UIDL"])
def test_a_sign_in_that_is_refused_after_the_connection_dropped(capabilities: str) -> None:
    with served(20, capabilities) as (server, run, order):
        server.other = lambda session, line: b"" if session == 1 and line == "RETR 3" else None

        def refuse() -> Session:
            raise AuthenticationRejected("no")

        run._connect = refuse
        refused = 0
        for unique_id in order:
            try:
                run.fetch(unique_id)
            except (AuthenticationRejected, NetworkError):
                refused += 1
        assert refused >= 18


def test_without_unique_ids_nothing_is_tried_again() -> None:
    with served(20, unique_ids=False) as (server, run, _):
        server.other = lambda session, line: b"" if line == "RETR 5" else None
        run.expect(list(range(1, 21)))
        with pytest.raises(NetworkError):
            [run.fetch(number) for number in range(1, 21)]
        assert server._sessions == 1


def test_a_token_that_ends_in_the_session() -> None:
    with served(20) as (server, run, order):
        ended = b"-ERR Session invalidated - AccessTokenExpired\r\n"
        server.other = lambda session, line: ended if session == 1 and line >= "RETR 7" else None
        assert [run.fetch(unique_id).content() for unique_id in order] == list(server.messages.values())
        assert server._sessions == 2


@pytest.mark.parametrize("sizes", ["different", "equal", "wrong"])
@pytest.mark.parametrize("capabilities", ["PIPELINING", "UIDL"])
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        *itertools.product(["one too many", "one status too many", "stray", "unstuffed"], ["first", "middle", "last"]),
        *[("one left out", "middle"), ("one left out", "last"), ("no end", "last")],  # these wait for a timeout
    ],
)
def test_a_server_out_of_step_costs_one_message_at_most(place: str, kind: str, capabilities: str, sizes: str) -> None:
    """No message is delivered in place of another, and none but the one that cannot be read is missing."""
    timeout = 0.5 if kind in ("one left out", "no end") else 30
    with served(20, capabilities, timeout=timeout, equal=sizes == "equal") as (server, run, order):
        server.sizes_lie = sizes == "wrong"
        run.expect([str(message.unique_id) for message in run.listing()[0]])
        middle = 16 if sizes == "equal" else 6  # not among the first eight, which are checked in any case
        number = {"first": 1, "middle": middle, "last": 20}[place]
        odd = f"uid-{number}"
        whole = b"+OK here\r\n" + stuff_dots(server.messages[odd]) + b".\r\n"
        response = {
            "one too many": whole * 2,
            "one left out": SILENCE,
            "one status too many": b"+OK\r\n" + whole,
            "stray": whole + b"stray\r\n",
            "unstuffed": b"+OK here\r\nSubject: 6\r\n.\r\n+OK rest\r\n.\r\n",
            "no end": whole[:-3],
        }[kind]
        server.other = lambda session, line: response if line == f"RETR {number}" else None
        sent, fetched = dict(server.messages), {}
        for unique_id in order:
            try:
                fetched[unique_id] = run.fetch(unique_id).content()
                run.delete(unique_id)
            except MessageRefused as error:
                assert f"(unique-id {odd})" in str(error)
        run.settle()
        for doubtful in run.doubtful:
            del fetched[str(doubtful)]  # what the host has of it counts for nothing
        with pytest.raises(OutOfStep, match=odd) if run.doubtful else nullcontext():
            run.finish()
        if kind == "one status too many":  # it is taken for the first line of the message, as others take it
            assert fetched.pop(odd, b"").endswith(sent.pop(odd))
        if sizes == "wrong" and kind in ("one too many", "stray"):
            sent.pop(odd)  # where sizes do not tell, it may have been the message that was not stuffed
            fetched.pop(odd, None)
        if kind in ("one left out", "unstuffed", "no end"):
            del sent[odd]
        assert fetched == sent
        assert set(server.messages) <= {odd}


REST = b"rest\r\n.\r\n"
CUT = b"+OK\r\n" + b"dot\r\n" * 20 + b".\r\n"
"""The beginning of a message up to a dot that was not stuffed, REST being what follows. Sizes do not tell."""


def cut_at(server: Server, number: int, *, later: bool) -> None:
    """This message is cut. later: in the first session its rest comes in place of the next response."""

    def other(session: int, line: str) -> bytes | None:
        if line == f"RETR {number}":
            return CUT + (b"" if later and session == 1 else REST)
        return REST if later and session == 1 and server.commands[-2] == f"RETR {number}" else None

    server.sizes_lie = True
    server.other = other


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("number", [1, 5, 8])
@pytest.mark.parametrize("capabilities", ["PIPELINING", "UIDL"])
def test_what_may_not_be_whole_is_named_and_not_deleted(
    capabilities: str, number: int, later: bool, deletes: bool
) -> None:
    """It shows at once or only after the message was handed out, but always before anything is deleted."""
    odd = f"uid-{number}"
    refused, doubts = [], []

    def doubt(unique_id: object, is_doubtful: bool) -> None:
        doubts.append((unique_id, is_doubtful))
        assert "DELE" not in str(server.commands)
        assert server._sessions == 1, "it is known before anything else is done that could be interrupted"

    with served(8, capabilities, doubt=doubt) as (server, run, order):
        cut_at(server, number, later=later)
        run.expect([str(message.unique_id) for message in run.listing()[0]])
        for unique_id in order:
            try:
                run.fetch(unique_id)
            except MessageRefused as error:
                assert f"(unique-id {odd}) cannot be read and stays on the server" in str(error)
                refused.append(unique_id)
            else:
                if deletes:
                    run.delete(unique_id)
        run.settle()
        assert [*refused, *run.doubtful] == [odd], "named once"
        assert doubts == [(odd, True)] * len(run.doubtful)
        if run.doubtful:
            with pytest.raises(OutOfStep, match=rf"message {number} \(unique-id {odd}\) cannot be read and stays"):
                run.finish()
        else:
            run.finish()
        assert list(server.messages) == ([odd] if deletes else order)
        assert retr(server).count(number) == 2


@pytest.mark.parametrize("capabilities", ["PIPELINING", "UIDL"])
def test_a_message_that_shows_to_be_whole_is_not_doubtful_any_more(capabilities: str) -> None:
    doubts: list[object] = []
    with served(8, capabilities, doubt=lambda *changed: doubts.append(changed)) as (server, run, order):
        server.sizes_lie = True
        server.messages["uid-8"] *= 2  # so that its listed size is not far from its own
        run.expect([str(message.unique_id) for message in run.listing()[0]])
        whole = b"+OK\r\n" + stuff_dots(server.messages["uid-8"]) + b".\r\n"
        server.other = lambda session, line: whole + b"stray\r\n" if line == "RETR 8" and session == 1 else None
        for unique_id in order:
            run.fetch(unique_id)
            run.delete(unique_id)
        run.finish()
        assert doubts == [("uid-8", True), ("uid-8", False)]
        assert not server.messages
        assert not run.doubtful


@pytest.mark.parametrize("response", [b"-ERR Session invalidated - AccessTokenExpired\r\n", b"-ERR no\r\n", b""])
def test_a_doubt_that_cannot_be_settled_at_once_stays(response: bytes) -> None:
    with served(8, "UIDL") as (server, run, order):
        cut_at(server, 8, later=False)
        cut = server.other
        server.other = lambda session, line: response if session == 2 and line == "RETR 8" else cut(session, line)
        run.expect([str(message.unique_id) for message in run.listing()[0]])
        for unique_id in order:
            run.fetch(unique_id)
            run.delete(unique_id)
        with pytest.raises(OutOfStep, match="message 8"):
            run.finish()
        assert list(run.doubtful) == list(server.messages) == ["uid-8"]


@pytest.mark.parametrize("unique_ids", [False, True])
def test_a_doubt_stays_if_the_run_cannot_go_on(unique_ids: bool) -> None:
    doubts: list[object] = []
    with served(8, "UIDL", unique_ids=unique_ids, doubt=lambda *changed: doubts.append(changed)) as (server, run, _):
        cut_at(server, 8, later=False)
        order = [message.unique_id for message in run.listing()[0]]
        run.expect(order)
        for unique_id in order:
            run.fetch(unique_id)
            run.delete(unique_id)
        server.close()
        with pytest.raises((NetworkError, OutOfStep)):
            run.settle()
        assert doubts == [(order[-1], True)]
        assert list(run.doubtful) == order[-1:]
        assert len(server.messages) == 8


def test_sizes_that_are_exact_cost_no_check_at_the_end() -> None:
    with served(8, "UIDL") as (server, run, order):
        for unique_id in order:
            run.fetch(unique_id)
        run.finish()
        assert "STAT" not in server.commands


def test_a_message_much_larger_than_its_listed_size_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oauth2_pop3.retrieval.outstanding.SLACK", 200_000)
    with served(20) as (server, run, order):
        endless = b"+OK\r\n" + b"line\r\n" * 100_000
        server.other = lambda session, line: endless if line == "RETR 6" else None
        for unique_id in order:
            if unique_id == "uid-6":
                with pytest.raises(MessageRefused, match=r"message 6 .* more than 2\d{5} octets"):
                    run.fetch(unique_id)
            else:
                assert run.fetch(unique_id).content() == server.messages[unique_id]


@pytest.mark.parametrize("capabilities", ["PIPELINING", "UIDL"])
@pytest.mark.parametrize(
    ("response", "left"),
    [
        (b"+OK\r\n+OK\r\n", []),
        (b"+OK\r\nstray\r\n", []),
        (b"\r\n+OK\r\n", []),
        (b"junk\r\n", ["uid-3"]),
        (SILENCE, ["uid-3"]),
        (b"", ["uid-3"]),
        (b"-ERR no\r\n", ["uid-3"]),
        (b"-ERR [SYS/TEMP] later\r\n", ["uid-3"]),
    ],
)
def test_a_deletion_out_of_step_keeps_no_other_from_being_deleted(
    response: bytes, left: list[str], capabilities: str
) -> None:
    timeout = 0.5 if response in (SILENCE, b"junk\r\n") else 30
    with served(8, capabilities, timeout=timeout) as (server, run, order):
        if not left:
            server.deletes_always = True
        server.other = lambda session, line: response if line == "DELE 3" else None
        for unique_id in order:
            run.fetch(unique_id)
            run.delete(unique_id)
        if left:
            with pytest.raises(Pop3Error, match="1 of 8 messages were not deleted"):
                run.finish()
        else:
            run.finish()
        assert list(server.messages) == left


def test_what_could_not_be_deleted_is_told_and_the_rest_is_deleted() -> None:
    with served(20) as (server, run, order):
        server.other = lambda session, line: b"-ERR read-only\r\n" if line in ("DELE 2", "DELE 4") else None
        for unique_id in order[:5]:
            run.fetch(unique_id)
            run.delete(unique_id)
        with pytest.raises(Pop3Error, match="2 of 5 messages were not deleted.*read-only"):
            run.finish()
        assert list(server.messages) == ["uid-2", "uid-4", *order[5:]]


# Regression: a refusal counted although the message was deleted in a later session.
def test_what_was_deleted_at_the_next_attempt_has_not_failed() -> None:
    with served(6, "UIDL") as (server, run, order):

        def other(session: int, line: str) -> bytes | None:
            if (session, line) == (3, "DELE 2"):
                return b"-ERR not now\r\n"
            return b"" if (session, line) in ((1, "DELE 1"), (2, "DELE 1"), (3, "DELE 4")) else None

        server.other = other
        for unique_id in order:
            run.fetch(unique_id)
            run.delete(unique_id)
        with pytest.raises(Pop3Error, match="1 of 6 messages were not deleted.*closed the connection"):
            run.finish()
        assert list(server.messages) == ["uid-4"]


def test_a_server_that_does_not_read_while_it_writes() -> None:
    """It stops reading once its own buffers are full: a window of many commands must not wait for it."""
    with served(300, read_ahead=256) as (server, run, order):
        large = b"x" * 70 + b"\r\n"
        for unique_id in server.messages:
            server.messages[unique_id] = large * 1000
        order = [str(message.unique_id) for message in run.listing()[0]]
        run.session.close()
        run = Retrieval(server.connect, read_ahead=ReadAheadLimits(256, 1 << 30))
        run.listing()
        run.expect(order)
        assert all(run.fetch(unique_id).octets == 72_000 for unique_id in order)
        for unique_id in order:
            run.delete(unique_id)
        run.finish()
        assert server.messages == {}


def test_a_server_that_falls_silent() -> None:
    with served(20, timeout=2) as (server, run, order):
        server.other = lambda session, line: (
            SILENCE if session == 1 and line[:4] == "RETR" and line > "RETR 5" else None
        )
        assert [run.fetch(unique_id).content() for unique_id in order] == list(server.messages.values())
        assert server._sessions == 2


def test_a_large_message_is_in_a_file() -> None:
    with served(3) as (server, run, order):
        text = b"Subject: large\r\n\r\n" + b".a line\r\n" * 400_000
        server.messages["uid-2"] = text
        run.close()
        run.expect([str(message.unique_id) for message in run.listing()[0]])
        contents = [run.fetch(unique_id) for unique_id in order]
        assert [spool.file() is None for spool in contents] == [True, False, True]
        assert contents[1].content() == text
        assert contents[1].octets == len(text)
