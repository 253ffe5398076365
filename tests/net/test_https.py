"""https.request: nothing followed, nothing leaked, an end to everything."""

from __future__ import annotations

import base64
import email.utils
import gzip
import json
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.providers.provider import Provider
from servers.certificates import Certificates, Kind

SECRET = "a-secret-that-nobody-may-see"


@dataclass
class Http:
    """A server that gives every request the same response and keeps the requests."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    certificate: Kind | None = None
    pause: float = 0  # before each octet of the body


@pytest.fixture
def http(certificates: Certificates) -> Iterator[Callable[..., Http]]:
    """http(**RESPONSE): one more server, with TLS if a certificate is given."""
    with ExitStack() as stack:

        def start(**response: Any) -> Http:
            site = Http(**response)

            class Handler(BaseHTTPRequestHandler):
                def do_POST(self) -> None:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    site.requests.append((self.command, self.path, dict(self.headers), body))
                    self.send_response(site.status)
                    for name, value in site.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(site.body)))
                    self.end_headers()
                    if site.pause:
                        for octet in site.body:
                            time.sleep(site.pause)
                            self.wfile.write(bytes([octet]))
                    else:
                        self.wfile.write(site.body)

                do_GET = do_CONNECT = do_POST

                def log_message(self, *_: object) -> None:
                    pass

            class Server(ThreadingHTTPServer):
                daemon_threads = True
                block_on_close = False

                def handle_error(self, request: object, client_address: object) -> None:
                    pass

            server = Server(("127.0.0.1", 0), Handler)
            if site.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificates.pem(site.certificate), certificates.key(site.certificate))
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            site.url = f"http{'s' if site.certificate else ''}://127.0.0.1:{server.server_address[1]}/token"
            return site

        yield start


@pytest.fixture
def fetch(certificates: Certificates, home: Path) -> Callable[..., https.Response]:
    """fetch(SITE): post a secret there."""

    def fetch(site: Http | str, **options: Any) -> https.Response:
        given = {"form": {"client_secret": SECRET}, "ca_certs": str(certificates.ca_file), **options}
        url = site if isinstance(site, str) else site.url
        return https.request("POST", url, allow_insecure_loopback=True, **given)

    return fetch


Fetch = Callable[..., https.Response]
Start = Callable[..., Http]


def test_a_request(http: Start, fetch: Fetch) -> None:
    site = http(certificate="good", body=b'{"a": 1}')
    response = fetch(site)
    assert (response.status, response.json()) == (200, {"a": 1})
    [(method, path, headers, body)] = site.requests
    assert (method, path, body) == ("POST", "/token", f"client_secret={SECRET}".encode())
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Accept"] == "application/json"
    assert "Authorization" not in headers
    assert "a" not in repr(response).partition("status")[2].replace("status=200", "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_not_followed(http: Start, fetch: Fetch, status: int) -> None:
    elsewhere = http()
    site = http(status=status, headers={"Location": elsewhere.url}, body=b"")
    with pytest.raises(OAuthError, match="redirect"):
        fetch(site, basic=("client", SECRET))
    assert elsewhere.requests == []
    assert len(site.requests) == 1


# Regression: what the header holds reaches the terminal as it came, and a location that is no URL kills the thread.
@pytest.mark.parametrize("location", ["https://\x1b]0;owned\x07/", "https://[", "//[/", "https://a:b/", ""])
def test_a_hostile_redirect(http: Start, fetch: Fetch, location: str) -> None:
    with pytest.raises(OAuthError, match="redirect") as caught:
        fetch(http(status=302, headers={"Location": location}))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("status", [408, 421, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(("retry_after", "seconds"), [("17", 17.0), (None, None), ("soon", None), ("", None)])
def test_faults_that_pass(
    http: Start, fetch: Fetch, status: int, retry_after: str | None, seconds: float | None
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    with pytest.raises(NetworkError, match=str(status)) as caught:
        fetch(http(status=status, headers=headers, body=b'{"error": "invalid_grant"}'))
    assert caught.value.retry_after == seconds


def test_retry_after_as_a_date(http: Start, fetch: Fetch) -> None:
    for offset, low, high in ((100, 95, 101), (-100, 0, 0)):
        date = email.utils.formatdate(time.time() + offset, usegmt=True)
        with pytest.raises(NetworkError) as caught:
            fetch(http(status=429, headers={"Retry-After": date}))
        assert caught.value.retry_after is not None
        assert low <= caught.value.retry_after <= high


@given(st.one_of(st.text(max_size=40), st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,5} \d\d:\d\d:\d\d [+-]?\d{1,5}")))
def test_no_retry_after_raises(value: str) -> None:
    seconds = https.Response("", 429, {"Retry-After": value}, b"").retry_after
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404])
def test_other_answers_are_the_callers(http: Start, fetch: Fetch, status: int) -> None:
    assert fetch(http(status=status, body=b'{"error": "x"}')).json() == {"error": "x"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[1]",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b'{"a": NaN',
        b"9" * 5000,
        # Regression: RecursionError
        pytest.param(b"[" * 200_000, id="nested"),
        pytest.param(b'{"a":' * 50_000, id="nested objects"),
    ],
)
def test_a_body_that_is_no_json_object(http: Start, fetch: Fetch, body: bytes) -> None:
    assert fetch(http(body=body)).json() == {}


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_that_is_too_long(http: Start, fetch: Fetch, packed: bool) -> None:
    body = b"x" * (https.SIZE_LIMIT + 1)
    site = http(body=gzip.compress(body) if packed else body, headers={"Content-Encoding": "gzip"} if packed else {})
    with pytest.raises(OAuthError, match="more than"):
        fetch(site)
    assert len(fetch(http(body=body[1:])).body) == https.SIZE_LIMIT


def test_no_content_coding_is_asked_for(http: Start, fetch: Fetch) -> None:
    site = http()
    fetch(site)
    assert site.requests[0][2]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b'{"a": 1}')),
        ("", gzip.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')[2:-4]),
        ("identity", b'{"a": 1}'),
        ("utf-8", b'{"a": 1}'),
        ("gzip, gzip", gzip.compress(gzip.compress(b'{"a": 1}'))),
        ("gzip, gzip", gzip.compress(b'{"a": 1}')),
        ("gzip, identity", gzip.compress(b'{"a": 1}')),
        ("gzip", gzip.compress(b'{"a"') + gzip.compress(b": 1}")),
        ("gzip", gzip.compress(b'{"a"') + gzip.compress(b": ") + gzip.compress(b"1}") + b"\0\0junk"),
        ("gzip", gzip.compress(b'{"a": 1}')[:-8] + bytes(8)),
        ("gzip", gzip.compress(b'{"a": 1}')[:-8] + b"garbage that is longer"),
        ("", zlib.compress(b'{"a": 1}')),
        ("", zlib.compress(b'{"a": 1}')[:-4] + b"sum?"),
        ("deflate, gzip", gzip.compress(zlib.compress(b'{"a": 1}'))),
        ("", b'4\r\n{"a"\r\n4;x=y\r\n: 1}\r\n0\r\nX: y\r\n\r\n'),
        ("gzip", b"%x\r\n%s\r\n0\r\n\r\n" % (len(gzip.compress(b'{"a": 1}')), gzip.compress(b'{"a": 1}'))),
    ],
    ids=lambda value: str(value)[:10],
)
def test_two_layers_are_taken_off_all_the_same(http: Start, fetch: Fetch, coding: str, body: bytes) -> None:
    assert fetch(http(body=body, headers={"Content-Encoding": coding})).json() == {"a": 1}


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br"])
def test_another_content_coding_is_refused(http: Start, fetch: Fetch, coding: str) -> None:
    with pytest.raises(OAuthError, match=f"content coding {coding.rpartition(' ')[2]}, which nobody asked for"):
        fetch(http(body=b"x" * 100, headers={"Content-Encoding": coding}))


# Regression: urllib3 takes off as many layers as a server names: two of gzip made 2 GB of two megabytes.
@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip"])
def test_what_is_packed_twice_takes_no_memory(http: Start, fetch: Fetch, coding: str) -> None:
    body = gzip.compress(gzip.compress(bytes(50 << 20), 1), 9)
    assert len(body) < 10_000
    site = http(body=body, headers={"Content-Encoding": coding})
    tracemalloc.start()
    try:
        with pytest.raises(OAuthError, match="sent more than"):
            fetch(site)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 << 20


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Transfer-Encoding": "chunked"}])
def test_a_body_that_is_not_what_its_header_says(http: Start, fetch: Fetch, headers: dict[str, str]) -> None:
    with pytest.raises(NetworkError):
        fetch(http(body=b"garbage", headers=headers))


def test_three_layers_are_left(http: Start, fetch: Fetch) -> None:
    body = gzip.compress(gzip.compress(gzip.compress(b'{"a": 1}')))
    assert fetch(http(body=body, headers={"Content-Encoding": "gzip, gzip, gzip"})).json() == {}


def test_many_members_end(http: Start, fetch: Fetch) -> None:
    body = gzip.compress(b"") * 40_000
    assert fetch(http(body=body, headers={"Content-Encoding": "gzip"}), judged=False).json() == {}


def test_a_server_that_drips(http: Start, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "TOTAL_TIMEOUT", 0.4)
    started = time.monotonic()
    with pytest.raises(NetworkError, match="in full"):
        fetch(http(body=b"x" * 1200, pause=0.05))
    assert time.monotonic() - started < 30, "half of what the whole takes"


@pytest.mark.parametrize("end", ["drips", "silent", "reset"])
def test_what_came_of_a_body_is_there_for_who_wants_it(fetch: Fetch, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(https, "TOTAL_TIMEOUT", 0.5)
    monkeypatch.setattr(https, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(https, "_GRACE", 60)
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"a": 1}')
            while not done.wait(0.05) and end != "reset":
                if end == "drips":
                    connection.sendall(b" ")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        response = fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/", judged=False)
        done.set()
    assert type(response.fault) is NetworkError
    assert response.json() == {"a": 1}


def test_a_server_that_is_silent(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "READ_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(NetworkError, match="in time"):
        fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/")


def test_nobody_listens(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NetworkError, match=r"refused") as caught:
        fetch(f"https://127.0.0.1:{port}/token?{SECRET}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", ["wrong-name", "expired", "self-signed"])
def test_a_certificate_that_is_not_to_be_trusted(http: Start, fetch: Fetch, kind: Kind) -> None:
    site = http(certificate=kind)
    with pytest.raises(OAuthError, match="is not trusted") as caught:
        fetch(site)
    assert site.requests == []
    assert "127.0.0.1" in str(caught.value)


def test_our_authority_is_not_the_systems(http: Start, fetch: Fetch) -> None:
    site = http(certificate="good")
    with pytest.raises(OAuthError, match="is not trusted"):
        fetch(site, ca_certs="")
    assert site.requests == []


def test_authorities_that_are_not_there(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca_certs"):
        fetch("https://127.0.0.1:1/", ca_certs=str(tmp_path / "none.pem"))


# Regression: "no connection to 127.0.0.1:1: [SSL] ... (_ssl.c:4149)" (75) or worse; it is the configuration (78).
def test_authorities_that_are_none(fetch: Fetch, http: Start, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"ca_certs|authorities"):
        fetch(http(certificate="good"), ca_certs=str(tmp_path / "empty.pem"))


# -- where it goes


@pytest.mark.parametrize(
    "host", ["example.org", "192.0.2.1", "127.0.0.1.example.org", "localhost.example.org", "[::2]"]
)
def test_plain_http_never_leaves_this_machine(host: str) -> None:
    for allow in (False, True):
        with pytest.raises(ConfigError, match="https://"):
            https.request("POST", f"http://{host}/", form={}, allow_insecure_loopback=allow)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST", "127.9.9.9"])
def test_plain_http_on_this_machine_has_to_be_allowed(host: str) -> None:
    with pytest.raises(ConfigError, match="allow_insecure_loopback"):
        https.require_https(f"http://{host}:1/", allow_insecure_loopback=False)
    https.require_https(f"http://{host}:1/", allow_insecure_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/token",
        "//example.org/token",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https:///token",
        "https://",
        "javascript:alert(1)",
        "http+unix://%2Ftmp%2Fsocket/",
        # Regression: ValueError of urlsplit
        "https://[",
        "https://[x]/",
        "https://a]/",
        # Regression: not refused, and shown as it came
        "https://example.org/\x1b]0;owned\x07",
        "https://example.org/ space",
        "https://exämple.org:x/",
    ],
)
def test_a_url_that_cannot_be(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        https.require_https(url, allow_insecure_loopback=True)
    assert str(caught.value).isprintable()


# Regression: an exception of another library ends the thread: its traceback is on standard error, and the message says
# that there was no response within 60 seconds.
@pytest.mark.parametrize("host", ["a..b", ".example.org", "a" * 64, "*", "x:99999", "ü..x"])
def test_a_host_that_is_no_name(host: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError):
        https.request("POST", f"https://{host}/", form={})
    assert capfd.readouterr().err == ""


# Regression: as above; such a refresh_token may come out of JSON.
def test_a_form_that_cannot_be_sent(http: Start, fetch: Fetch, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OAuth2Pop3Error) as caught:
        fetch(http(), form={"refresh_token": "\ud800"})
    assert "seconds" not in str(caught.value)
    assert capfd.readouterr().err == ""


# Regression: userinfo is accepted, not sent, and shown in messages.
def test_a_url_with_a_password_in_it() -> None:
    with pytest.raises(ConfigError) as caught:
        https.require_https(f"https://user:{SECRET}@example.org/token", allow_insecure_loopback=False)
    assert SECRET not in str(caught.value)


def test_messages_about_a_url_hold_no_password() -> None:
    # Regression: the URL is shown whole
    with pytest.raises(ConfigError) as caught:
        https.require_https(f"http://user:{SECRET}@example.org/token", allow_insecure_loopback=False)
    assert SECRET not in str(caught.value)


# -- what the environment must not add


def test_netrc_is_not_read(http: Start, fetch: Fetch, home: Path) -> None:
    (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\ndefault login me password {SECRET}\n")
    (home / ".netrc").chmod(0o600)
    site = http()
    fetch(site, form={})
    assert "Authorization" not in site.requests[0][2]
    fetch(site, form={}, basic=("client", "own"))
    assert site.requests[1][2]["Authorization"] == "Basic " + base64.b64encode(b"client:own").decode()


# Regression: plain HTTP to this machine goes, with the client's secret, to the proxy on another.
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_no_proxy_for_plain_http_on_this_machine(
    http: Start, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    proxy, site = http(), http()
    monkeypatch.setenv(name, proxy.url.removesuffix("/token"))
    fetch(site)
    assert proxy.requests == []
    assert len(site.requests) == 1


# Regression: the error that ended the thread was reported as 60 seconds of waiting, with its traceback beside it.
@pytest.mark.parametrize("proxy", ["http://[", "http://a..b:1", "nonsense://x", "socks5h://127.0.0.1:1", "http://:0"])
def test_a_proxy_that_is_none(
    fetch: Fetch, proxy: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(OAuth2Pop3Error) as caught:
        fetch("https://example.org/token")
    assert "within" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_proxy_sees_nothing_of_https(http: Start, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = http(status=403, body=b"")
    monkeypatch.setenv("https_proxy", proxy.url.removesuffix("/token"))
    with pytest.raises(NetworkError):
        fetch("https://example.org/token", basic=("client", SECRET))
    assert [(method, path) for method, path, _, _ in proxy.requests] == [("CONNECT", "example.org:443")]
    assert SECRET not in repr(proxy.requests)
    assert "Authorization" not in proxy.requests[0][2]


# -- the token endpoint on top


def provider_at(site: Http, **row: Any) -> Provider:
    return Provider(
        name="x",
        authorization_endpoint=site.url,
        token_endpoint=site.url,
        allow_insecure_loopback=True,
        **row,
    )


@pytest.mark.parametrize(
    ("method", "secret", "in_body", "in_header"),
    [
        ("", "s+ /%é", True, False),
        ("client_secret_post", "s+ /%é", True, False),
        ("client_secret_basic", "s+ /%é", False, True),
        ("client_secret_basic", "", False, False),
        ("none", "s", False, False),
    ],
)
def test_how_the_client_says_who_it_is(
    http: Start, home: Path, method: str, secret: str, in_body: bool, in_header: bool
) -> None:
    site = http(body=b'{"access_token": "t"}')
    provider = provider_at(site, token_endpoint_auth_method=method, client_id="an id:1")
    token_endpoint.ask(Client(provider, account="ann@example.org", client_secret=secret), {"grant_type": "x"})
    [(_, _, headers, body)] = site.requests
    assert (b"client_secret=s%2B+%2F%25%C3%A9" in body) is in_body
    assert ("Authorization" in headers) is in_header
    if in_header:  # RFC 6749 section 2.3.1: each form-urlencoded first
        assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"an+id%3A1:s%2B+%2F%25%C3%A9"
        assert b"client_id" not in body
    else:
        assert b"client_id=an+id%3A1" in body


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (200, b"", "no JSON object"),
        (200, b"<html>", "no JSON object"),
        (404, b"<html>", "404"),
        (403, b'{"message": "forbidden"}', "403"),
        (200, b'{"error": "invalid_grant"}', "invalid_grant"),
        (200, b'{"message": "no"}', "no tokens"),
        (400, json.dumps({"error": 7}).encode(), "without a code"),
        (400, json.dumps({"error": "\x1b[2J", "error_description": "\x07\u202e"}).encode(), "refused"),
    ],
)
def test_an_answer_that_is_no_token(http: Start, home: Path, status: int, body: bytes, text: str) -> None:
    with pytest.raises(OAuthError, match=text) as caught:
        client = Client(provider_at(http(status=status, body=body), client_id="c"), client_secret=SECRET)
        token_endpoint.ask(client, {"refresh_token": SECRET})
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()


RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MARKED = SECRET.encode()


@pytest.mark.parametrize(
    "response",
    [
        MARKED,
        b'{"access_token": "%s"}' % MARKED,
        b"HTTP/1.1 " + MARKED + b"\r\n\r\n",
        b"HTTP/1.1 2x0 " + MARKED + b"\r\n\r\n",
        b"HTTP/" + MARKED + b" 200 OK\r\n\r\n",
        b"HTTP/2 200 OK " + MARKED + b"\r\n\r\n",
        b"HTTP/1.1 200 " + MARKED * 5000 + b"\r\n\r\n",
        RESPONSE + MARKED * 5000 + b": x\r\n\r\n",
        RESPONSE + b"X: " + MARKED * 5000 + b"\r\n\r\n",
        RESPONSE + (MARKED + b": x\r\n") * 200 + b"\r\n",
        RESPONSE + b"Content-Length: %s, 7\r\n\r\n" % MARKED,
        RESPONSE + b"Content-Length: 1\r\nContent-Length: 9%s\r\n\r\nxx" % MARKED,
        RESPONSE + b"Content-Length: 1, 2, %s\r\n\r\nxx" % MARKED,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n%s\r\n" % MARKED,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n7;%s\r\n" % MARKED,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n7%s\r\n" % MARKED,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}%s\r\n" % MARKED,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n%s\r\n" % MARKED,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n" + MARKED * 5000,
        RESPONSE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + MARKED * 5000,
        RESPONSE + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b" + MARKED,
        RESPONSE + b"Content-Length: 9999\r\n\r\n" + MARKED,
        RESPONSE + b"Location: https://%s\r\n\r\n" % MARKED,
        RESPONSE.replace(b"200", b"302") + b"Location: https://%s\r\n\r\n" % MARKED,
        RESPONSE.replace(b"200", b"503") + b"Retry-After: %s\r\n\r\n" % MARKED,
        RESPONSE.replace(b"200", b"103") + b"X: %s\r\n\r\n%s" % (MARKED, MARKED),
    ],
    ids=lambda value: str(value)[:60],
)
# Regression: `broke off: invalid literal for int() with base 16: b'{"access_token": ...'`
def test_no_fault_quotes_the_response(fetch: Fetch, capfd: pytest.CaptureFixture[str], response: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(response)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            answer = fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/", judged=False)
            said = repr(answer) + str(answer.fault)
        except OAuth2Pop3Error as error:
            said = f"{error} {error!r}"
        thread.join(10)
    assert SECRET not in said + "".join(capfd.readouterr())


def test_a_proxy_s_refusal_is_told_by_its_number(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 407 %s\r\n\r\n" % MARKED)

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(NetworkError, match="the proxy responded with 407") as caught:
            fetch("https://example.org/token")
    assert SECRET not in str(caught.value)
