"""What a connection that fails in TLS is said to be, and whether that passes by itself: at HTTPS, with real sockets."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import https, tls
from servers.certificates import Certificates, Kind

RESET = None
HANDSHAKE = b"\x16\x03\x03"
TLS_1_0 = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01" + b"\x01" * 32 + b"\x00\x00\x2f\x00"


def alert(code: int) -> bytes:
    """A fatal alert (RFC 8446 section 6)."""
    return b"\x15\x03\x03\x00\x02\x02" + bytes([code])


@contextmanager
def server(octets: bytes | None) -> Iterator[int]:
    """A port where every ClientHello is answered with the octets, and the connection then ends, or is reset."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    if octets is RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        continue
                    connection.sendall(octets)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def asked(port: int) -> OAuth2Pop3Error:
    with pytest.raises(OAuth2Pop3Error) as caught:
        https.request("POST", f"https://127.0.0.1:{port}/token", form={})
    assert str(caught.value).isprintable()
    assert "not trusted" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "closed the connection"),
        (RESET, "reset"),
        pytest.param(HANDSHAKE + b"\x00\x50abc", "closed the connection", id="in the middle of a record"),
        (alert(80), "internal error"),
        (alert(90), "user cancel"),
        (alert(20), "damaged"),
    ],
)
def test_what_passes_by_itself(octets: bytes | None, said: str, home: Path) -> None:
    with server(octets) as port:
        error = asked(port)
    assert type(error) is NetworkError
    assert said in error.message


@pytest.mark.parametrize(
    ("octets", "said", "hint"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not TLS", "host and port"),
        (b"+OK POP3 ready\r\n", "not TLS", "host and port"),
        (b"220 mail.example.org ESMTP\r\n", "not TLS", "host and port"),
        (b"\0" * 100, "not TLS", "host and port"),
        (TLS_1_0, "versions", "TLS 1.2"),
        (alert(70), "versions", "TLS 1.2"),
        (alert(40), "ciphers", "ciphers"),
        (alert(71), "ciphers", "ciphers"),
        (alert(112), "does not know this name", "name"),
        (alert(120), "protocol", "port"),
        (alert(116), "certificate of the client", "operator"),
        (alert(48), "certificate of the client", "operator"),
        (alert(49), "refuses this client", "operator"),
        (alert(10), "unexpected message", ""),
    ],
)
def test_what_does_not(octets: bytes, said: str, hint: str, home: Path) -> None:
    with server(octets) as port:
        error = asked(port)
    assert type(error) is OAuthError
    assert said in error.message
    assert hint in error.hint


def test_silence_in_the_handshake(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "CONNECT_TIMEOUT", 0.2)
    monkeypatch.setattr(https, "READ_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert type(asked(listener.getsockname()[1])) is NetworkError


def test_no_alert_is_without_words() -> None:
    """The client's side in memory: the ClientHello goes nowhere, and the alert is what comes back."""
    context = ssl.create_default_context()
    for code in range(256):
        incoming = ssl.MemoryBIO()
        client = context.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="example.org")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        incoming.write(alert(code))
        with pytest.raises(ssl.SSLError) as caught:
            client.do_handshake()
        message, _ = tls.explain(caught.value, "example.org")
        assert message.startswith("no TLS connection to example.org: ")
        assert "ssl.c" not in message
        assert tls.is_temporary(caught.value) is (code in {20, 21, 22, 80, 90}), code


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)"), True),
        (ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:1006)"), True),
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (TimeoutError("The handshake operation timed out"), True),
        # As newer versions of OpenSSL write them, with and without a name that Python knows.
        (
            ssl.SSLError(1, "[SSL: SSL/TLS_ALERT_HANDSHAKE_FAILURE] ssl/tls alert handshake failure (_ssl.c:1032)"),
            False,
        ),
        (ssl.SSLError(1, "[SSL] record layer failure (_ssl.c:1032)"), False),
        (ssl.SSLError(1, "[SSL] unexpected eof while reading (_ssl.c:1032)"), True),
        (ssl.SSLError("something else"), False),
    ],
)
def test_errors_of_other_versions(error: OSError, temporary: bool) -> None:
    assert tls.is_temporary(error) is temporary
    message, hint = tls.explain(error, "example.org")
    assert "ssl.c" not in message
    assert not (hint and temporary)


@pytest.mark.parametrize("kind", ["wrong-name", "expired", "self-signed"])
def test_only_a_certificate_is_not_trusted(certificates: Certificates, kind: Kind) -> None:
    """Both sides in memory."""
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(certificates.pem(kind), certificates.key(kind))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = tls.client_context(ca_certs=str(certificates.ca_file))
    client = context.wrap_bio(back, there, server_hostname="127.0.0.1")
    answering = of_server.wrap_bio(there, back, server_side=True)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    with suppress(ssl.SSLWantReadError):
        answering.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        client.do_handshake()
    assert not tls.is_temporary(caught.value)
    assert "is not trusted" in tls.explain(caught.value, "127.0.0.1")[0]
