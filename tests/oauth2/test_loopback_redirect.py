"""The listener for the redirect: whoever fetches the redirect, and how often, the person is shown how it ended."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from oauth2_pop3.oauth2 import loopback_redirect
from oauth2_pop3.oauth2.loopback_redirect import RedirectListener

TAB = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
TARGET = "/callback?state=s&code=c"
LONG = 60  # seconds; nothing here takes that long unless something is wrong


class SignIn:
    """A sign-in whose redirect is right if its code is `c`, and that ends as soon as it is told to."""

    def __init__(self) -> None:
        self.listener = RedirectListener("http://127.0.0.1/callback")
        self.port = urlsplit(self.listener.redirect_uri).port or 0
        self.came: list[str] = []
        self.go_on = threading.Event()
        self.taken = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for redirect in self.listener.wait(terminal=False, seconds=LONG):
                self.came.append(redirect.text)
                if "code=c" not in redirect.text:
                    redirect.finish(False, "not ours")
                    continue
                self.taken.set()
                self.go_on.wait(LONG)
                redirect.finish(True, "ann@example.org is ready")
                return
        finally:
            self.listener.close()

    def get(self, target: str = TARGET, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG)
        with contextlib.closing(connection):
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def send(self, request: bytes, *, reset: bool) -> None:
        """Send octets and leave, without having read anything."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(request)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def ended(self) -> bool:
        self.thread.join(LONG)
        return not self.thread.is_alive()


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[SignIn]:
    """With pauses that would be noticed: a test that waits for one of them fails."""
    monkeypatch.setattr(loopback_redirect, "_LINGERING", 2 * LONG)
    monkeypatch.setattr(loopback_redirect, "_SENDING", 2 * LONG)
    attempt = SignIn()
    yield attempt
    attempt.go_on.set()


def test_a_browser(sign_in: SignIn) -> None:
    sign_in.go_on.set()
    status, page = sign_in.get(headers=TAB)
    assert status == 200
    assert "is ready" in page
    assert sign_in.ended(), "without waiting for anybody else"
    with pytest.raises(ConnectionRefusedError):
        sign_in.get(headers=TAB)


def test_a_virus_scanner_first_and_then_the_browser(sign_in: SignIn) -> None:
    sign_in.go_on.set()
    first, second = sign_in.get(), sign_in.get(headers=TAB)
    assert first == second
    assert first[0] == 200
    assert sign_in.came == [TARGET], "the code is used once"
    assert sign_in.ended()


def test_both_at_once(sign_in: SignIn) -> None:
    pages: list[tuple[int, str]] = []
    threads = [
        threading.Thread(target=lambda headers=headers: pages.append(sign_in.get(headers=headers)), daemon=True)
        for headers in ({}, TAB, {})
    ]
    for thread in threads:
        thread.start()
    assert sign_in.taken.wait(LONG)
    sign_in.go_on.set()
    for thread in threads:
        thread.join(LONG)
    assert len(pages) == 3
    assert {page for _, page in pages} == {pages[0][1]}
    assert sign_in.came == [TARGET]
    assert sign_in.ended()


def test_nobody_comes_after_the_scanner(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback_redirect, "_LINGERING", 0.05)
    sign_in.go_on.set()
    assert sign_in.get()[0] == 200
    assert sign_in.ended()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Purpose": "prefetch;prerender", **TAB},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
    ],
)
def test_a_page_that_is_fetched_ahead(sign_in: SignIn, headers: dict[str, str]) -> None:
    """It must not use up the code while nobody looks, and a browser that is refused asks again when it is needed."""
    assert sign_in.get(headers=headers)[0] == 503
    assert sign_in.came == []
    sign_in.go_on.set()
    assert sign_in.get(headers=TAB)[0] == 200
    assert sign_in.ended()


def test_what_browsers_and_scanners_ask_for_besides(sign_in: SignIn) -> None:
    assert sign_in.get(method="HEAD") == (200, "")
    assert sign_in.get("/favicon.ico", method="HEAD") == (404, "")
    assert sign_in.get("/favicon.ico")[0] == 404
    assert sign_in.get("/callback")[0] == 400
    assert sign_in.get("//[/callback?code=c")[0] == 404
    for host in ("evil.example", "[", "", "127.0.0.1.evil.example"):
        assert sign_in.get(headers={"Host": host})[0] == 404
    assert sign_in.came == []
    sign_in.go_on.set()
    assert sign_in.get(headers=TAB)[0] == 200
    assert sign_in.ended()


# Regression: each connection that was reset cost the person's own redirect five seconds, and the terminal a traceback.
def test_connections_that_break(sign_in: SignIn, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        request = f"GET /callback?state=x&code=x{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        sign_in.send(request, reset=number % 2 == 0)
        sign_in.send(request[:10], reset=number % 2 == 1)
    sign_in.send(b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", reset=True)
    sign_in.go_on.set()
    status, page = sign_in.get(headers=TAB)
    assert (status, "is ready" in page) == (200, True)
    assert sign_in.ended()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("reset", [True, False])
def test_a_browser_that_asks_again(sign_in: SignIn, reset: bool) -> None:
    """Its first connection broke before the outcome was known: the page that was sent there was not seen."""
    request = f"GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Mode: navigate\r\n\r\n".encode()
    sign_in.send(request, reset=reset)
    assert sign_in.taken.wait(LONG)
    sign_in.go_on.set()
    assert sign_in.get(headers=TAB)[0] == 200
    assert sign_in.came == [TARGET]
    assert sign_in.ended()


def test_a_wrong_redirect_stays_wrong(sign_in: SignIn) -> None:
    wrong = "/callback?state=s&code=other"
    assert sign_in.get(wrong, TAB) == sign_in.get(wrong, TAB)
    assert sign_in.came == [wrong]
    sign_in.go_on.set()
    assert sign_in.get(headers=TAB)[0] == 200
    assert sign_in.ended()
