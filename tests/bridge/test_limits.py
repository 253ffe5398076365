"""How long the bridge waits for whom, with shorter times than in use; in this process, and mostly with Dovecot."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from oauth2_pop3.bridge import passwords, relay, session
from oauth2_pop3.bridge.client import SIGN_IN_TIME, BridgeClient
from oauth2_pop3.bridge.passthrough import Passthrough
from oauth2_pop3.bridge.read_ahead_proxy import ReadAheadProxy
from oauth2_pop3.bridge.relay import Relay
from oauth2_pop3.bridge.session import Bridge
from oauth2_pop3.errors import UsageError
from oauth2_pop3.pop3.maildrop import MaildropServer
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.product import ADDRESS, Product

LONG = 60.0  # seconds; enough on a slow machine too
NOWHERE = MaildropServer(host="localhost", port=1)


@pytest.fixture
def upstream(signed_in: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> MaildropServer:
    return MaildropServer(host="localhost", port=dovecot.pop3s_port, ca_certs=str(authorization_server.ca_file))


@contextmanager
def running(work: Callable[[], None]) -> Iterator[Future[float]]:
    """Do the work in a thread; yields how many seconds it took, or what it raised."""
    future: Future[float] = Future()

    def run() -> None:
        began = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001  # for whoever asks for the result
            future.set_exception(error)
        else:
            future.set_result(time.monotonic() - began)

    thread = threading.Thread(target=run)
    thread.start()
    yield future
    thread.join(LONG)
    assert not thread.is_alive()


@contextmanager
def bridged(
    server: MaildropServer, seconds: float = LONG, *, with_password: bool = False, read_ahead: bool = True
) -> Iterator[tuple[socket.socket, Callable[[], bytes], Future[float]]]:
    """The client's end, the next line that comes there, and the bridge. seconds: until it must have signed in."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LONG)
    with ours, ours.makefile("rb") as file:

        def work() -> None:
            with theirs:
                client = BridgeClient(theirs.fileno(), theirs.fileno(), seconds)
                Bridge(client, server, with_password=with_password, read_ahead=read_ahead).run()

        with running(work) as done:
            assert file.readline().startswith(b"+OK")
            yield ours, file.readline, done


def sign_in(end: socket.socket, line: Callable[[], bytes], password: str = "x") -> None:
    end.sendall(f"USER {ADDRESS}\r\nPASS {password}\r\n".encode())
    assert line() == b"+OK\r\n"
    assert line() == b"+OK\r\n"


# -- until the sign-in


def test_a_client_has_sixty_seconds() -> None:
    assert BridgeClient(0, 1).seconds == SIGN_IN_TIME == 60


@pytest.mark.parametrize("says", [b"", b"C", b"CAPA\r\n"])
def test_a_client_that_takes_its_time_is_let_go(says: bytes) -> None:
    """A client that sends something now and then has no more time than one that sends nothing."""
    began = time.monotonic()
    with bridged(NOWHERE, 0.5, with_password=True) as (end, _, done):
        while not done.done() and time.monotonic() < began + LONG:
            try:
                end.sendall(says)
            except OSError:
                break
            time.sleep(0.05)
        with pytest.raises(UsageError, match="took too long"):
            done.result(LONG)
    assert 0.5 <= time.monotonic() - began < LONG


def test_a_client_that_does_not_read_is_let_go() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(UsageError, match="took too long"):
        BridgeClient(theirs.fileno(), theirs.fileno(), 0.3).send("x" * 10_000_000)


def test_what_the_servers_take_is_not_the_client_s_time(
    upstream: MaildropServer, authorization_server: AuthorizationServer, product: Product
) -> None:
    product.expire()
    authorization_server.fault("slow:1.5", times=1)
    with bridged(upstream, 1.0) as (end, line, done):
        sign_in(end, line)
        end.sendall(b"QUIT\r\n")
        assert line().startswith(b"+OK")
        assert done.result(LONG) > 1.5


def test_each_wrong_password_costs_more_and_none_of_it_is_the_client_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"USER nobody@example.org\r\n" + b"PASS x\r\n" * 5)
        Bridge(BridgeClient(theirs.fileno(), theirs.fileno()), NOWHERE, with_password=True).run()
        theirs.close()
        responses = ours.recv(10_000)
    assert responses.count(b"-ERR [AUTH]") == 3 == session.ATTEMPTS
    assert [round(seconds) for seconds in slept] == [1, 2, 4]


def test_a_client_has_thirty_commands(upstream: MaildropServer) -> None:
    password = passwords.make(ADDRESS)
    with bridged(upstream, with_password=True) as (end, line, done):
        end.sendall(b"NOOP\r\n" * 28)
        for _ in range(28):
            assert line().startswith(b"-ERR")
        sign_in(end, line, password)
        end.sendall(b"QUIT\r\n")
        assert line().startswith(b"+OK")
        done.result(LONG)
    with bridged(upstream, with_password=True) as (end, line, done):
        end.sendall(b"NOOP\r\n" * 29 + f"USER {ADDRESS}\r\nPASS {password}\r\n".encode())
        responses = [line() for _ in range(31)]
        assert responses[29:] == [b"+OK\r\n", b""], "the end comes in the place of what PASS would have done"
        with pytest.raises(UsageError, match="within 30 commands"):
            done.result(LONG)


# -- after it


def test_a_session_in_which_nothing_moves_is_let_go(
    upstream: MaildropServer, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "IDLE", 2.0)
    with bridged(upstream) as (end, line, done):
        sign_in(end, line)
        before = dovecot.log().count("Disconnected: ")
        began = time.monotonic()
        for _ in range(6):  # a session in which something moves is not ended
            end.sendall(b"NOOP\r\n")
            assert line().startswith(b"+OK")
            time.sleep(0.5)
        assert not done.done()
        assert line() == b"", "it was the bridge that has ended"
        assert time.monotonic() - began >= 4.5
        done.result(LONG)
    deadline = time.monotonic() + LONG
    while dovecot.log().count("Disconnected: ") == before:
        assert time.monotonic() < deadline, "the server's session has ended too"
        time.sleep(0.02)


def test_a_client_that_says_nothing_after_the_sign_in_is_let_go(
    upstream: MaildropServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without reading ahead it may still ask for CAPA, for which another limit holds."""
    monkeypatch.setattr(session, "IDLE", 0.5)
    with bridged(upstream, read_ahead=False) as (end, line, done):
        sign_in(end, line)
        assert line() == b""
        with pytest.raises(UsageError, match="took too long"):
            done.result(LONG)


@pytest.mark.parametrize("read_ahead", [True, False])
def test_a_client_that_sends_no_more_gets_its_answers(
    read_ahead: bool, upstream: MaildropServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And then the maildrop is free for the next one: at once, if it is known that there are no more."""
    monkeypatch.setattr(relay, "AFTER_END", LONG if read_ahead else 0.5)
    with bridged(upstream, read_ahead=read_ahead) as (end, line, done):
        sign_in(end, line)
        end.sendall(b"STAT\r\nUIDL\r\n")
        end.shutdown(socket.SHUT_WR)
        assert line().startswith(b"+OK 0 ")
        assert line().startswith(b"+OK")
        assert line() == b".\r\n"
        assert line() == b""
        assert done.result(LONG) < LONG / 2


Relayed = tuple[socket.socket, socket.socket, Future[float]]


@contextmanager
def relayed(proxy: Passthrough | None = None) -> Iterator[Relayed]:
    """A client, a server that does what the test says, and the relay between them."""
    client, theirs = socket.socketpair()
    server, connected = socket.socketpair()
    with client, theirs, server, connected:
        client.settimeout(LONG)
        server.settimeout(LONG)
        with running(Relay(connected, theirs.fileno(), theirs.fileno(), b"", b"", proxy).run) as done:
            yield client, server, done


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("AFTER_END", 0.3), ("AFTER_QUIT", 4.0), ("IDLE", LONG)):
        monkeypatch.setattr(relay, name, seconds)


@pytest.mark.slow
@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize(("said", "gone"), [(b"DELE 1\r\nQUIT\r\n", True), (b"DELE 1\r\nquit \r\n", False)])
def test_a_server_that_deletes_is_waited_for(said: bytes, gone: bool) -> None:
    """The client has sent QUIT, and sends no more or has gone: the server has AFTER_QUIT seconds, not AFTER_END."""
    with relayed() as (one, quick, ended), relayed() as (other, _, given_up):
        for client in (one, other):
            client.sendall(said)
            client.close() if gone else client.shutdown(socket.SHUT_WR)
        assert quick.recv(100) == said
        time.sleep(0.6)
        assert not ended.done(), "it may delete"
        quick.sendall(b"+OK\r\n+OK\r\n")
        quick.close()
        assert 0.6 <= ended.result(LONG) < 4
        assert given_up.result(LONG) >= 4, "but not for ever"


MESSAGE = b"+OK\r\nmessage\r\n.\r\n"


@pytest.fixture
def read_ahead() -> Iterator[Relayed]:
    """Two messages have come, and the client has fetched the first."""
    with relayed(ReadAheadProxy()) as (client, server, done), server.makefile("rb") as asked:
        client.sendall(b"LIST\r\nRETR 1\r\n")
        for line in asked:
            match line.split()[0]:
                case b"LIST":
                    server.sendall(b"+OK\r\n1 16\r\n2 16\r\n3 16\r\n.\r\n")
                case b"CAPA":
                    server.sendall(b"+OK\r\nPIPELINING\r\n.\r\n")
                case b"RETR":
                    server.sendall(MESSAGE)
            if line == b"RETR 2\r\n":
                break
        came = b""
        while not came.endswith(MESSAGE):
            came += client.recv(1000)
        yield client, server, done


def test_a_client_that_waits_for_the_end_gets_it_if_the_server_has_closed(
    read_ahead: Relayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read ahead is there for it for a while, and then no longer."""
    monkeypatch.setattr(relay, "AFTER_SERVER", 2.0)
    _, server, done = read_ahead
    server.shutdown(socket.SHUT_RDWR)
    assert 2.0 <= done.result(LONG) < LONG / 2


def test_a_server_that_does_not_close_after_quit(read_ahead: Relayed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "AFTER_QUIT", 0.5)
    client, server, done = read_ahead
    client.sendall(b"QUIT\r\n")
    assert server.recv(1000) == b"QUIT\r\n"
    server.sendall(b"+OK\r\n")
    assert client.recv(1000) == b"+OK\r\n"
    assert done.result(LONG) < LONG / 2


@pytest.mark.usefixtures("short_times")
@pytest.mark.parametrize("said", [b"DELE 1\r\n", b"DELE 1\r\nQUI", b"QUIT\r\nNOOP\r\n", b"XQUIT\r\n"])
def test_without_quit_it_is_not(said: bytes) -> None:
    with relayed() as (client, server, done):
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        assert server.recv(100) == said
        assert 0.3 <= done.result(LONG) < 4


@pytest.mark.usefixtures("short_times")
def test_a_client_that_does_not_read_is_waited_for_as_long_as_a_session_in_which_nothing_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "IDLE", 0.5)
    with relayed() as (_, server, done):
        server.settimeout(0.2)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += server.send(b"x" * 65536)
        assert sent < 4 << 20, "no more than a block or two is kept"
        assert done.result(LONG) >= 0.5


@pytest.mark.usefixtures("short_times")
def test_a_server_that_may_owe_nothing_more_is_not_waited_for_as_long_as_others(
    read_ahead: Relayed, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """RETR 3 was read ahead, and what comes is no response: STAT may be the next that gets one, or not."""
    monkeypatch.setattr(relay, "OUT_OF_STEP", 0.5)
    client, server, done = read_ahead
    client.sendall(b"RETR 2\r\n")
    came = b""
    while not came.endswith(MESSAGE):
        came += client.recv(1000)
    assert server.recv(1000) == b"RETR 3\r\n"
    client.sendall(b"STAT\r\n")
    assert server.recv(1000) == b"STAT\r\n"
    server.sendall(b"ERROR\r\n")
    assert client.recv(1000) == b"ERROR\r\n"
    assert done.result(LONG) < LONG / 2
    assert "is no response" in capfd.readouterr().err
