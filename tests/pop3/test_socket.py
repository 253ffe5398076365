"""The socket below a POP3 connection: which address, how long, and what it waits with."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from oauth2_pop3.pop3.socket import Socket, wait
from servers import ports
from servers.certificates import Certificates


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def resolve_to(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Make every name resolve to these ports of this machine, in this order."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in numbers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_the_next_address_where_one_refuses(monkeypatch: pytest.MonkeyPatch, listener: socket.socket) -> None:
    open_port = listener.getsockname()[1]
    resolve_to(monkeypatch, ports.free(), open_port)
    connected = Socket.open("pop.example.org", 995, 5)
    assert connected.peer == ("127.0.0.1", open_port)
    connected.close()


def test_what_the_first_address_said_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ports.free(), ports.free())
    with pytest.raises(ConnectionRefusedError):
        Socket.open("pop.example.org", 995, 5)
    resolve_to(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        Socket.open("pop.example.org", 995, 5)


def test_the_time_is_that_of_the_whole_handshake(listener: socket.socket) -> None:
    """A server that sends octet by octet has no more time than one that sends nothing."""
    connected = Socket.open("127.0.0.1", listener.getsockname()[1], 1.0)
    far, _ = listener.accept()

    def drip() -> None:
        with suppress(OSError):
            for octet in b"\x16\x03\x03\x40\x00" + bytes(600):
                far.send(bytes([octet]))
                time.sleep(0.1)

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    with far, pytest.raises(TimeoutError):
        connected.start_tls(ssl.create_default_context(), "localhost")
    assert 1 <= time.monotonic() - began < 30
    connected.close()


@pytest.mark.parametrize("tls", [False, True])
def test_everything_is_sent_to_a_server_that_reads_late(
    tls: bool, listener: socket.socket, certificates: Certificates
) -> None:
    data = bytes(range(256)) * 40_000
    received = bytearray()

    def read() -> None:
        far, _ = listener.accept()
        far.settimeout(30)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.server_pem, certificates.server_key)
            far = context.wrap_socket(far, server_side=True)
        with far:
            time.sleep(0.5)
            while len(received) < len(data) and (block := far.recv(65536)):
                received.extend(block)
            far.sendall(b".")

    reader = threading.Thread(target=read)
    reader.start()
    waited: list[int] = []

    def noted(descriptor: int, events: int, seconds: float) -> bool:
        waited.append(events)
        return wait(descriptor, events, seconds)

    connected = Socket.open("localhost", listener.getsockname()[1], 30, noted)
    if tls:
        context = ssl.create_default_context(cafile=str(certificates.ca_file))
        assert connected.start_tls(context, "localhost")
    connected.send(data)
    assert connected.receive_into(memoryview(bytearray(10))) == 1
    connected.close()
    reader.join(30)
    same = received == data
    assert same
    assert select.POLLOUT in waited, "it had to wait for the server"


def test_what_the_wait_raises_comes_out(listener: socket.socket) -> None:
    class EnoughError(Exception):
        pass

    def gives_up(*_: Any) -> bool:
        raise EnoughError

    connected = Socket(socket.create_connection(listener.getsockname()), 30, gives_up)
    with pytest.raises(EnoughError):
        connected.receive_into(memoryview(bytearray(10)))
    assert connected.at_once() is None
    far, _ = listener.accept()
    far.send(b"+")
    far.close()
    wait(connected.release().fileno(), select.POLLIN, 5)
    assert connected.at_once() == b"+"
    wait(connected.release().fileno(), select.POLLIN, 5)
    assert connected.at_once() == b""
    connected.close()


@pytest.mark.parametrize("seconds", [1e30, 10**40, 5e9])
def test_a_timeout_beyond_what_poll_can_count(seconds: float) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        assert wait(ours.fileno(), select.POLLIN, seconds)
