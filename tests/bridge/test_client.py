"""A client of the bridge that goes away while the real server keeps it waiting: the bridge stops waiting too."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from oauth2_pop3.bridge.client import BridgeClient, ClientGone
from servers import ports
from servers.authorization_server import AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from servers.faulty_path import Fault, FaultyPath
from support.bridge import entry, started, user
from support.hosts import Fetchmail, until
from support.product import ADDRESS, Product

SOON = 60
"""Seconds, out of the server's 180: more than AFTER_END, which the server gets if the client sends no more."""


@pytest.fixture
def path(certificates: Certificates, dovecot: Dovecot) -> Iterator[FaultyPath]:
    with FaultyPath(certificates, dovecot) as faulty:
        yield faulty


@contextmanager
def deaf() -> Iterator[int]:
    """A port that neither accepts nor refuses a connection: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


def ends(process: subprocess.Popen[str]) -> bool:
    """Whether it ends soon, without being told to and without a complaint."""
    assert process.stderr is not None
    return process.wait(SOON) == 0 and process.stderr.read() == ""


def test_before_the_connection_stands(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    with deaf() as port, started(signed_in, port, authorization_server) as (client, process):
        time.sleep(1)
        assert process.poll() is None, "it waits"
        client.close()
        assert ends(process)


@pytest.mark.parametrize("silent_at", ["", "CAPA", "AUTH"])
def test_while_the_server_says_nothing(
    silent_at: str, signed_in: Product, authorization_server: AuthorizationServer, path: FaultyPath
) -> None:
    """In the handshake of TLS, before the greeting, and at the sign-in."""
    path.fault = Fault(silent_at, "stall")
    with started(signed_in, path.port, authorization_server) as (client, process):
        if silent_at == "AUTH":
            client.sendall(f"USER {ADDRESS}\r\nPASS x\r\n".encode())
        until(lambda: bool(path.fault and path.fault.seen))
        client.close()
        assert ends(process)


def test_a_client_that_sends_no_more_gets_its_answers(
    signed_in: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, path: FaultyPath
) -> None:
    dovecot.add_messages(ADDRESS, 2)
    everything = f"USER {ADDRESS}\r\nPASS x\r\nSTAT\r\nQUIT\r\n".encode()
    with started(signed_in, path.port, authorization_server) as (client, process):
        client.sendall(everything)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as responses:
            assert [line[:5] for line in responses] == [b"+OK o", b"+OK\r\n", b"+OK\r\n", b"+OK 2", b"+OK L"]
        assert ends(process)
    path.fault = Fault("AUTH", "stall")
    with started(signed_in, path.port, authorization_server) as (client, process):
        client.sendall(everything)
        client.shutdown(socket.SHUT_WR)
        assert ends(process), "it does not wait for such a client for ever either"


def test_a_client_of_listen(signed_in: Product, authorization_server: AuthorizationServer, path: FaultyPath) -> None:
    """All that is known of a client on a socket is that it sends no more."""
    password = signed_in.run("bridge-password", ADDRESS, check=True).stdout.strip()
    path.fault = Fault("AUTH", "stall")
    port = ports.free()
    with started(signed_in, path.port, authorization_server, "--listen", str(port)) as (_, process):
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"USER {ADDRESS}\r\nPASS {password}\r\n".encode())
            until(lambda: bool(path.fault and path.fault.seen))
        assert has_let_go(path)


def test_fetchmail_that_is_killed(
    signed_in: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, path: FaultyPath, home: Path
) -> None:
    path.fault = Fault("AUTH", "stall")
    fetchmail = Fetchmail(home)
    text = entry(signed_in, authorization_server, dovecot, user())
    fetchmail.configure(text.replace(f" {dovecot.pop3s_port} ", f" {path.port} "))
    with fetchmail.daemon(60):
        until(lambda: bool(path.fault and path.fault.seen))
    assert has_let_go(path)


def test_a_refresh_token_that_was_rotated_meanwhile_is_kept(
    signed_in: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    signed_in.expire()
    before, requests = signed_in.stored()["refresh_token"], len(authorization_server.token_requests())
    authorization_server.fault("slow:3", times=1)
    with started(signed_in, dovecot.pop3s_port, authorization_server) as (client, process):
        client.sendall(f"USER {ADDRESS}\r\nPASS x\r\n".encode())
        until(lambda: len(authorization_server.token_requests()) > requests)
        client.close()
        assert ends(process)
    assert signed_in.stored()["refresh_token"] != before
    signed_in.expire()
    assert signed_in.token()


@pytest.mark.parametrize("on", ["a socket", "pipes"])
def test_waiting_for_the_server(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes for a sign of life: a client that sends no more has AFTER_END left, one that has gone nothing."""
    monkeypatch.setattr("oauth2_pop3.bridge.client.AFTER_END", 0.3)
    server, far = socket.socketpair()
    with server, far, ExitStack() as stack:
        if on == "a socket":
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            client = BridgeClient(ours.fileno(), ours.fileno())
            sends_no_more, goes = partial(theirs.shutdown, socket.SHUT_WR), theirs.close
        else:
            (read_from, theirs_out), (theirs_in, write_to) = os.pipe(), os.pipe()
            client = BridgeClient(read_from, write_to)
            stack.callback(os.close, read_from)
            stack.callback(os.close, write_to)
            sends_no_more, goes = partial(os.close, theirs_out), partial(os.close, theirs_in)

        def waited(seconds: float) -> bool:
            return client.wait_for_server(server.fileno(), select.POLLIN, seconds)

        assert not waited(0.1)
        far.send(b"+")
        assert waited(5)
        sends_no_more()
        assert waited(5), "what is there is there"
        server.recv(1)
        began = time.monotonic()
        with pytest.raises(ClientGone):
            waited(60)
        assert 0.3 <= time.monotonic() - began < 30
        threading.Timer(0.1, far.send, [b"+"]).start()
        assert waited(60), "it may still come"
        server.recv(1)
        monkeypatch.setattr("oauth2_pop3.bridge.client.AFTER_END", 60)
        threading.Timer(0.1, goes).start()
        began = time.monotonic()
        with pytest.raises(ClientGone):
            waited(60)
        assert time.monotonic() - began < 30
        with pytest.raises(ClientGone):
            client.send("+OK")


def has_let_go(path: FaultyPath) -> bool:
    """Whether the bridge soon closes its connection to the server."""
    ready, _, _ = select.select([path.last], [], [], SOON)
    return bool(ready) and path.last.recv(65536) == b""
