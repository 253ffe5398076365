"""connection.Connection: a TLS connection that fails, in the handshake and after it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, Pop3Error
from oauth2_pop3.net import tls
from oauth2_pop3.pop3.connection import Connection
from servers.certificates import Certificates

Act = Callable[[socket.socket], None]


@contextmanager
def acting(act: Act) -> Iterator[int]:
    """A server that does this with its one connection; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.settimeout(60)
            with connection:
                act(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(60)


def says(octets: bytes) -> Act:
    """Answer the ClientHello so, and wait for the client to go."""

    def act(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    return act


def alert(description: int) -> Act:
    """A fatal alert (RFC 8446 section 6)."""
    return says(struct.pack("!BHHBB", 21, 0x0303, 2, 2, description))


def close(connection: socket.socket) -> None:
    connection.recv(65536)


def reset(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (close, NetworkError, "closed the connection"),
        (reset, NetworkError, "reset by peer"),
        (silence, NetworkError, "did not respond in time"),
        (alert(80), NetworkError, "internal error"),
        (says(b"+OK ready\r\n"), Pop3Error, "is not TLS"),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Pop3Error, "is not TLS"),
        (alert(40), Pop3Error, "ciphers"),
        (alert(70), Pop3Error, "TLS versions"),
        (alert(112), Pop3Error, "does not know this name"),
    ],
)
def test_a_handshake_that_fails(act: Act, kind: type[OAuth2Pop3Error], words: str) -> None:
    with acting(act) as port:
        connection = Connection.open("127.0.0.1", port, timeout=0.5 if act is silence else 60)
        with contextlib.closing(connection), pytest.raises(OAuth2Pop3Error) as caught:
            connection.start_tls(tls.client_context(), "pop.example.org", ())
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert "pop.example.org" in caught.value.message
    assert "not trusted" not in str(caught.value)
    assert bool(caught.value.hint) is (kind is Pop3Error), "what to do next"


def secured(certificates: Certificates, then: Act, **settings: object) -> Act:
    def act(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.pem(), certificates.key())
        for name, value in settings.items():
            setattr(context, name, value)
        # Python's close() does not send TLS's own end.
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as with_tls:
            then(with_tls)

    return act


def started(certificates: Certificates, port: int) -> Connection:
    connection = Connection.open("127.0.0.1", port, timeout=60)
    connection.start_tls(tls.client_context(ca_certs=str(certificates.ca_file)), "localhost", ())
    return connection


def test_tls_that_ends_without_its_own_end(certificates: Certificates) -> None:
    """No close_notify: the connection broke, or somebody cut it."""
    with (
        acting(secured(certificates, lambda connection: connection.sendall(b"+OK ready\r\n+OK"))) as port,
        contextlib.closing(started(certificates, port)) as connection,
    ):
        assert connection.line() == b"+OK ready"
        with pytest.raises(NetworkError, match="closed the connection|broke"):
            connection.line()


def test_a_record_that_is_damaged(certificates: Certificates) -> None:
    def damaged(with_tls: socket.socket) -> None:
        with_tls.recv(1)
        with socket.socket(fileno=socket.dup(with_tls.fileno())) as plain:
            plain.sendall(struct.pack("!BHH", 23, 0x0303, 32) + bytes(32))

    with (
        acting(secured(certificates, damaged)) as port,
        contextlib.closing(started(certificates, port)) as connection,
    ):
        connection.send(b"CAPA")
        with pytest.raises(NetworkError, match="broke") as caught:
            connection.line()
    assert "_ssl.c" not in caught.value.message


def test_a_server_that_wants_the_clients_certificate(certificates: Certificates) -> None:
    """With TLS 1.3 it says so only after the handshake. The next run would meet the same."""
    with (
        acting(secured(certificates, silence, verify_mode=ssl.CERT_REQUIRED)) as port,
        contextlib.closing(started(certificates, port)) as connection,
        pytest.raises(Pop3Error, match="certificate of the client") as caught,
    ):
        connection.line()
    assert "certfile" in caught.value.hint
