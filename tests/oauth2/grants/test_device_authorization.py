"""The device authorization grant (RFC 8628), against a real authorization server and against a stub."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oauth2_pop3.cli.qr_code import qr_code
from oauth2_pop3.errors import AuthorizationRequired, ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.oauth2.client import Client as OurClient
from oauth2_pop3.oauth2.grants import device_authorization
from oauth2_pop3.oauth2.grants.device_authorization import DeviceAuthorization, begin, wait
from oauth2_pop3.providers.provider import Provider
from servers.authorization_server import NATIVE_BASIC, NATIVE_CONFIDENTIAL, NATIVE_PUBLIC, SCOPE, AuthorizationServer
from servers.authorization_server import Client as RegisteredClient
from servers.browser import Browser
from servers.stub import Request, StubResponse, stub
from support.grants import complete

ANN = "ann@example.org"
StatusAndDocument = tuple[int, object]
GOOD = {
    "device_code": "the-device-code-that-nobody-may-see",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://example.org/device",
    "verification_uri_complete": "https://example.org/device?user_code=WDJB-MJHT",
    "expires_in": 900,
    "interval": 7,
}
TOKENS = {"access_token": "an-access-token", "token_type": "Bearer", "refresh_token": "a-refresh-token"}


class Time:
    """A clock that runs only while somebody sleeps. events: what happens at the end of the first, second ... pause."""

    def __init__(self, *events: Callable[[], object]) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self._events = list(events)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.pauses.append(seconds)
        if self._events:
            self._events.pop(0)()


def nothing() -> None:
    """An event at which nothing happens."""


class Site:
    """Responds to the first request with `device`, and to each poll with the next of `polls`, repeating the last.

    None is a connection that ends without an response.
    """

    def __init__(self) -> None:
        self.url = ""
        self.device: StatusAndDocument = (200, GOOD)
        self.polls: list[StatusAndDocument | None] = []
        self.forms: list[dict[str, str]] = []

    @property
    def provider(self) -> Provider:
        return Provider(
            name="example",
            authorization_endpoint=f"{self.url}/authorize",
            token_endpoint=f"{self.url}/token",
            device_authorization_endpoint=f"{self.url}/device",
            client_id="c",
            scope="mail",
            allow_insecure_loopback=True,
        )

    def next_response(self, request: Request) -> StubResponse | None:
        self.forms.append(request.form)
        response = self._next(request.path)
        return None if response is None else StubResponse(*response)

    def _next(self, path: str) -> StatusAndDocument | None:
        if path == "/device":
            return self.device
        return self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]

    def begin(self, **device: object) -> DeviceAuthorization:
        self.device = (200, {key: value for key, value in {**GOOD, **device}.items() if value is not None})
        return begin(OurClient(self.provider, account=ANN))

    def wait(self, time: Time, *polls: StatusAndDocument | None, **device: object) -> Mapping[str, object]:
        self.polls = list(polls)
        return wait(
            OurClient(self.provider, account=ANN),
            self.begin(**device),
            sleep=time.sleep,
            clock=time.clock,
        )


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    there = Site()

    with stub(there.next_response) as there.url:
        yield there


PENDING: StatusAndDocument = (400, {"error": "authorization_pending"})
SLOW_DOWN: StatusAndDocument = (400, {"error": "slow_down"})
GRANTED: StatusAndDocument = (200, TOKENS)


class Client:
    """A client of the real server."""

    def __init__(self, server: AuthorizationServer, client: RegisteredClient = NATIVE_PUBLIC) -> None:
        provider = Provider(
            name="example",
            issuer=server.issuer,
            scope=SCOPE,
            ca_certs=str(server.ca_file),
            token_endpoint_auth_method="client_secret_basic" if client == NATIVE_BASIC else "",
        )
        completed = replace(complete(provider), client_id=client.client_id)
        self.client = OurClient(completed, account=ANN, client_secret=client.client_secret)

    def begin(self) -> DeviceAuthorization:
        return begin(self.client)

    def wait(self, authorization: DeviceAuthorization, time: Time) -> Mapping[str, object]:
        return wait(self.client, authorization, sleep=time.sleep, clock=time.clock)


# --- the real server


@pytest.mark.parametrize("client", [NATIVE_PUBLIC, NATIVE_CONFIDENTIAL, NATIVE_BASIC], ids=lambda c: str(c.client_id))
def test_agreeing(home: Path, authorization_server: AuthorizationServer, client: RegisteredClient) -> None:
    person = Client(authorization_server, client)
    authorization = person.begin()
    assert authorization.verification_uri == f"{authorization_server.issuer}/device"
    assert authorization.user_code in authorization.verification_uri_complete
    time = Time(
        nothing, lambda: authorization_server.approve_device(authorization.verification_uri_complete, ANN), nothing
    )
    response = person.wait(authorization, time)
    assert response["access_token"]
    assert response["refresh_token"]
    assert time.pauses == [5, 5], "the server names no interval"
    assert [line.get("error") for line in authorization_server.token_requests()] == ["authorization_pending", None]


def test_agreeing_in_a_browser(home: Path, authorization_server: AuthorizationServer, browser: Browser) -> None:
    person = Client(authorization_server)
    authorization = person.begin()
    page = browser.sign_in(authorization.verification_uri_complete, ANN)
    assert "continue on your device" in page.text.lower() or "success" in page.text.lower(), page.text
    assert person.wait(authorization, Time())["refresh_token"]


def test_declining(home: Path, authorization_server: AuthorizationServer) -> None:
    person = Client(authorization_server)
    authorization = person.begin()
    authorization_server.approve_device(authorization.verification_uri_complete, ANN, consent=False)
    with pytest.raises(AuthorizationRequired) as caught:
        person.wait(authorization, Time())
    assert caught.value.code == "access_denied"
    assert "declined" in caught.value.message
    assert f"oauth2-pop3 login {ANN}" in caught.value.hint


def test_faults_while_polling(home: Path, authorization_server: AuthorizationServer) -> None:
    person = Client(authorization_server)
    authorization = person.begin()
    authorization_server.fault("drop", times=3)
    time = Time(
        nothing,
        nothing,
        nothing,
        nothing,
        lambda: authorization_server.approve_device(authorization.verification_uri_complete, ANN),
    )
    assert person.wait(authorization, time)["access_token"]
    assert time.pauses == [5, 10, 20, 40, 5], "longer at each fault, and as before once there was an response"
    assert [line["status"] for line in authorization_server.token_requests()] == [0, 0, 0, 400, 200]


def test_a_busy_server_is_left_alone(home: Path, authorization_server: AuthorizationServer) -> None:
    person = Client(authorization_server)
    authorization = person.begin()
    authorization_server.approve_device(authorization.verification_uri_complete, ANN)
    authorization_server.fault("429:33", times=1)
    time = Time()
    assert person.wait(authorization, time)["access_token"]
    assert time.pauses == [5, 33]


def test_an_answer_that_is_lost(home: Path, authorization_server: AuthorizationServer) -> None:
    person = Client(authorization_server)
    authorization = person.begin()
    authorization_server.approve_device(authorization.verification_uri_complete, ANN)
    authorization_server.fault("lost", times=1)
    with pytest.raises(AuthorizationRequired, match=r"device_code was not accepted.*may have been lost"):
        person.wait(authorization, Time())


# --- what a server says, to the letter


def test_the_requests(site: Site) -> None:
    assert site.wait(Time(), PENDING, GRANTED) == TOKENS
    poll = {"grant_type": device_authorization.GRANT_TYPE, "device_code": GOOD["device_code"], "client_id": "c"}
    assert site.forms == [{"scope": "mail", "client_id": "c"}, poll, poll]


def test_slow_down_is_for_good(site: Site) -> None:
    time = Time()
    site.wait(time, PENDING, SLOW_DOWN, PENDING, SLOW_DOWN, PENDING, PENDING, GRANTED)
    assert time.pauses == [7, 7, 12, 12, 17, 17, 17]


def test_a_fault_after_slow_down(site: Site) -> None:
    time = Time()
    site.wait(time, SLOW_DOWN, None, (503, {}), (400, {"error": "temporarily_unavailable"}), PENDING, GRANTED)
    assert time.pauses == [7, 12, 24, 48, 60, 12]


@pytest.mark.parametrize("said", ["AADSTS90033: A transient error", "server_error", "temporarily_unavailable"])
def test_waiting_is_no_fault_whatever_is_said_with_it(site: Site, said: str) -> None:
    time = Time()
    response = {"error_description": said}
    site.wait(
        time, (400, {"error": "authorization_pending", **response}), (400, {"error": "slow_down", **response}), GRANTED
    )
    assert time.pauses == [7, 7, 12], "and not the longer pauses of a passing fault"


def test_microsofts_words(site: Site) -> None:
    said = "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling."
    pending = (400, {"error": "authorization_pending", "error_description": said, "error_codes": [70016]})
    time = Time()
    assert site.wait(time, pending, pending, GRANTED) == TOKENS
    assert time.pauses == [7, 7, 7]
    with pytest.raises(AuthorizationRequired, match="declined"):
        site.wait(Time(), (400, {"error": "authorization_declined"}))


def test_the_server_lets_it_expire(site: Site) -> None:
    with pytest.raises(AuthorizationRequired, match="not entered in time") as caught:
        site.wait(Time(), PENDING, (400, {"error": "expired_token"}))
    assert caught.value.code == "expired_token"
    assert f"oauth2-pop3 login {ANN}" in caught.value.hint


def test_it_expires_here(site: Site) -> None:
    time = Time()
    with pytest.raises(AuthorizationRequired, match=r"WDJB-MJHT has expired before anybody") as caught:
        site.wait(time, PENDING, expires_in=30)
    assert caught.value.code == "expired_token"
    assert f"oauth2-pop3 login {ANN}" in caught.value.hint
    assert time.pauses == [7, 7, 7, 7, 7], "never sooner than the server wants it"


def test_it_expires_without_a_connection(site: Site) -> None:
    time = Time()
    with pytest.raises(
        AuthorizationRequired, match=r"has expired. The last poll failed: no connection to 127\.0\.0\.1"
    ):
        site.wait(time, None, expires_in=300)
    assert time.pauses == [7, 14, 28, 56, 60, 60, 60, 15], "the last try is when it ends"


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_request", "unheard_of"])
def test_other_refusals_end_it(site: Site, error: str) -> None:
    time = Time()
    with pytest.raises(OAuthError) as caught:
        site.wait(time, (400, {"error": error}), GRANTED)
    assert type(caught.value) is OAuthError
    assert (caught.value.code, len(time.pauses)) == (error, 1)


@pytest.mark.parametrize(
    ("interval", "pause"),
    [
        (0, 5),
        (None, 5),
        (-3, 5),
        ("soon", 5),
        (True, 5),
        ([1], 5),
        (1e300, 5),
        (901, 5),
        (float("nan"), 5),
        (1, 1),
        (0.01, 1),
        (2.5, 3),
        ("12", 12),
        (60, 60),
    ],
)
def test_intervals(site: Site, interval: object, pause: int) -> None:
    time = Time()
    site.wait(time, PENDING, GRANTED, interval=interval)
    assert time.pauses == [pause, pause]


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [(None, 300), (0, 300), (-1, 300), ("x", 300), (1e300, 3600), ("600", 600), (1e9, 3600), (3, 3), (0.5, 1)],
)
def test_lifetimes(site: Site, expires_in: object, lifetime: int) -> None:
    authorization = site.begin(expires_in=expires_in, interval=300)
    assert authorization.expires_in == lifetime
    assert 1 <= authorization.interval <= lifetime
    time = Time()
    with pytest.raises(AuthorizationRequired, match="expired"):
        site.wait(time, PENDING, expires_in=expires_in, interval=300)
    assert lifetime <= sum(time.pauses) < lifetime + authorization.interval


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(["device_code", "user_code", "verification_uri"], [None, "", 7, "a\x1b[2Jb", "x" * 9000]),
        ("user_code", "ABCD\u202eEFGH"),
        ("user_code", "  "),
        ("user_code", "A" * 65),
        *(
            ("verification_uri", url)
            for url in [
                "javascript:alert(1)",
                "file:///etc/passwd",
                "https://",
                "https:///device",
                "https://your.bank@evil.example/",
                "https://example.org/a b",
                "https://[::1/",
                "https://example.org:99999/",
                "example.org/device",
            ]
        ),
    ],
)
def test_what_cannot_be_shown(site: Site, key: str, value: object) -> None:
    with pytest.raises(OAuthError, match=f"no usable {key} "):
        site.begin(**{key: value})


def test_what_can_be_shown(site: Site) -> None:
    assert site.begin(verification_uri="http://example.org/d").verification_uri == "http://example.org/d"
    for nothing_usable in (None, "javascript:alert(1)", 7):
        assert site.begin(verification_uri_complete=nothing_usable).verification_uri_complete == ""
    assert site.begin(verification_uri_complete=GOOD["verification_uri_complete"]).verification_uri_complete


def test_other_names_for_the_page(site: Site) -> None:
    """Google's (OAuth 2.0 for TV and Limited-Input Device Applications), Yandex's, and Microsoft's version 1."""
    page, complete = GOOD["verification_uri"], GOOD["verification_uri_complete"]
    without = {"verification_uri": None, "verification_uri_complete": None}
    authorization = site.begin(**without, verification_url=page, verification_url_complete=complete)
    assert (authorization.verification_uri, authorization.verification_uri_complete) == (page, complete)
    authorization = site.begin(**without, verification_url=page, expires_in="900", interval="5", message="Open it.")
    assert (authorization.verification_uri, authorization.verification_uri_complete) == (page, "")
    assert (authorization.expires_in, authorization.interval) == (900, 5)
    assert site.begin(verification_url="https://example.com/other").verification_uri == page, "the RFC's name counts"
    with pytest.raises(OAuthError, match="no usable verification_uri "):
        site.begin(**without, verification_url="javascript:alert(1)")


def test_no_secret_is_shown(site: Site) -> None:
    authorization = site.begin()
    assert "WDJB-MJHT" in repr(authorization)
    assert str(GOOD["device_code"]) not in repr(authorization)
    for polls in ([(400, {"error": "expired_token"})], [PENDING], [None], [(400, {"error": "invalid_grant"})]):
        with pytest.raises(OAuth2Pop3Error) as caught:
            site.wait(Time(), *polls, expires_in=20)
        error: BaseException | None = caught.value
        while error:
            assert str(GOOD["device_code"]) not in f"{error} {error!r}"
            error = error.__cause__


# --- when it cannot be done


def test_no_endpoint(site: Site) -> None:
    provider = replace(site.provider, device_authorization_endpoint="")
    with pytest.raises(ConfigError, match=rf"no device_authorization_endpoint.*oauth2-pop3 login {ANN} --no-browser"):
        begin(OurClient(provider, account=ANN))


def test_the_row_says_that_it_is_of_no_use(site: Site) -> None:
    provider = replace(site.provider, device_grant_note="Example's device grant takes no scope that opens a mailbox.")
    with pytest.raises(ConfigError, match=rf"opens a mailbox\. .*paste.*oauth2-pop3 login {ANN} --no-browser"):
        begin(OurClient(provider, account=ANN))
    assert site.forms == [], "said before it is tried"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ((400, {"error": "invalid_client"}), OAuthError),
        ((400, {"error": "invalid_scope"}), OAuthError),
        ((503, {}), NetworkError),
        ((404, {"detail": "nothing here"}), OAuthError),
        ((200, []), OAuthError),
    ],
)
def test_a_refusal_at_the_first_step(site: Site, response: StatusAndDocument, kind: type[OAuth2Pop3Error]) -> None:
    site.device = response
    with pytest.raises(kind) as caught:
        begin(OurClient(site.provider, account=ANN))
    assert type(caught.value) is kind


def test_a_client_that_may_not_is_told_the_other_way(site: Site) -> None:
    site.device = (400, {"error": "unauthorized_client"})
    with pytest.raises(OAuthError, match=rf"oauth2-pop3 login {ANN} --no-browser"):
        begin(OurClient(site.provider, account=ANN))


# --- the picture


class Terminal(io.TextIOWrapper):
    """A standard error with this encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)


URL = str(GOOD["verification_uri_complete"])


def test_the_qr_code(monkeypatch: pytest.MonkeyPatch) -> None:
    segno = pytest.importorskip("segno")
    monkeypatch.setattr(sys, "stderr", Terminal("utf-8"))
    halves = {" ": (1, 1), "▀": (0, 1), "▄": (1, 0), "█": (0, 0)}
    rows: list[list[int]] = []
    for line in qr_code(URL).splitlines():
        pairs = [halves[character] for character in line]
        rows += [[top for top, _ in pairs], [bottom for _, bottom in pairs]]
    code = segno.make_qr(URL, error="L", boost_error=False)
    size = code.symbol_size(border=0)[0]
    assert [row[2 : 2 + size] for row in rows[2 : 2 + size]] == [list(row) for row in code.matrix]
    assert not any(map(any, rows[:2])), "a quiet zone"


def test_no_qr_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal("utf-8"))
    assert qr_code(URL)
    assert qr_code("") == ""
    assert qr_code("https://example.org/" + "x" * 5000) == ""
    monkeypatch.setenv("COLUMNS", "30")
    assert qr_code(URL) == "", "too narrow"
    monkeypatch.setenv("COLUMNS", "80")
    for encoding in ("ascii", "latin-1"):
        monkeypatch.setattr(sys, "stderr", Terminal(encoding))
        assert qr_code(URL) == ""
    monkeypatch.setattr(sys, "stderr", Terminal("utf-8"))
    modules: dict[str, Any] = sys.modules  # None is what makes an import fail
    monkeypatch.setitem(modules, "segno", None)
    assert qr_code(URL) == ""
