"""Targets: what authorization servers and browsers send."""

from __future__ import annotations

import base64
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote_plus

from chaos.fuzz_target import Run, Target
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.checks import another_identity, check_refresh_token, check_scope
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.net import https
from oauth2_pop3.oauth2 import loopback_redirect, metadata, revocation
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants import device_authorization, refresh_token
from oauth2_pop3.oauth2.grants.authorization_code import AuthorizationCode, AuthorizationRequest
from oauth2_pop3.oauth2.loopback_redirect import RedirectListener
from oauth2_pop3.oauth2.registration import exchange
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import Provider

ISSUER = "https://auth.example.org"
SECRETS = ("refresh-token-that-nobody-may-see", "code-that-nobody-may-see", "device-code-that-nobody-may-see")
PROVIDER = Provider(
    name="example",
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    device_authorization_endpoint=f"{ISSUER}/device",
    revocation_endpoint=f"{ISSUER}/revoke",
    scope="mail offline_access",
    client_id="1234",
)
CLIENT = Client(PROVIDER, account="you@example.org")


class Server:
    """Stands for every HTTPS server: each request gets the same response."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.headers: Mapping[str, str] = {}

    def request(self, method: str, url: str, **keywords: Any) -> https.Response:
        """As https.request, without a connection."""
        allowed = keywords.get("allow_insecure_loopback", False)
        https.require_https(url, allow_insecure_loopback=allowed)
        return https.Response(url, self.status, self.headers, self.body)

    def respond(self, body: bytes) -> None:
        """Set the response; its status and headers come of the body."""
        number = zlib.crc32(body)
        self.body, self.status = body, (200, 200, 200, 201, 400, 400, 401, 403, 404, 500)[number % 10]
        self.headers = {"Retry-After": body[:40].decode("latin-1"), "Content-Type": "application/json"}


@contextmanager
def served() -> Iterator[Server]:
    """A server in the place of the network."""
    server = Server()
    with patch.object(https, "request", server.request):
        yield server
    metadata.forget()


def _answered(ask: Callable[[], object], secret: str = "\0") -> Callable[[Path], AbstractContextManager[Run]]:
    """A target that asks the server something. secret: what was sent, which no message may repeat."""

    @contextmanager
    def made(_: Path) -> Iterator[Run]:
        with served() as server:

            def parse(content: bytes) -> None:
                server.respond(content)
                metadata.forget()
                try:
                    ask()
                except OAuth2Pop3Error as error:
                    assert secret not in f"{error}", "a secret in a message"
                    raise

            yield parse

    return made


def _metadata() -> None:
    """RFC 8414: the endpoints and the scope to ask for."""
    bare = Provider(name="example", issuer=ISSUER)
    complete = metadata.complete(bare, ("authorization_endpoint", "token_endpoint"), "registration_endpoint")
    document = metadata.fetch(bare)
    scopes.for_mail(document)
    exchange.request(complete, document, "mail")


_BEFORE = Token("old", 1_700_000_000, SECRETS[0], "mail offline_access", signed_in_at=1_600_000_000)


def _token_response() -> None:
    """A refresh, and the exchange of a code."""
    for token in (_refreshed(), _exchanged()):
        if token:
            assert Token.from_json(token.to_json(), where="again") == token
            with suppress(OAuth2Pop3Error):
                check_scope(PROVIDER, token)
                check_refresh_token(PROVIDER, token)
            f"{token.expires_at}\n{token.access_token}\n".encode("ascii")


def _refreshed() -> Token | None:
    try:
        return refresh_token.refresh(CLIENT, _BEFORE)
    except OAuth2Pop3Error as error:
        assert SECRETS[0] not in f"{error}", "a secret in a message"
        return None


def _exchanged() -> Token:
    request = AuthorizationRequest(CLIENT, "http://127.0.0.1:1/callback", "", "state", "verifier")
    response = request.exchange(SECRETS[1])
    another_identity(Account("you@example.org", PROVIDER, Config(Path("config.toml"))), response)
    return AuthorizationCode().read(CLIENT, response)


def _device() -> None:
    """RFC 8628: the codes, and one poll."""
    authorization = device_authorization.begin(CLIENT)
    shown = (authorization.verification_uri, authorization.user_code, authorization.verification_uri_complete)
    assert all(text.isprintable() for text in shown)
    assert 0 < authorization.interval <= authorization.expires_in


def _device_poll() -> None:
    moments = iter(range(0, 10_000, 400))
    authorization = device_authorization.DeviceAuthorization(SECRETS[2], "ABCD", f"{ISSUER}/device", "", 900, 5)
    device_authorization.wait(CLIENT, authorization, sleep=lambda _: None, clock=lambda: float(next(moments)))


def _registration() -> None:
    """RFC 7591."""
    client = exchange.request(PROVIDER, {}, PROVIDER.scope)
    made = exchange.register(PROVIDER, f"{ISSUER}/register", client)
    made.applied_to(PROVIDER)
    made.wanted_by(PROVIDER, PROVIDER.scope)


def _revocation() -> None:
    """RFC 7009."""
    revocation.revoke(CLIENT, _BEFORE)


@contextmanager
def _id_token(_: Path) -> Iterator[Run]:
    """As whom the person signed in."""
    account = Account("you@example.org", PROVIDER, Config(Path("config.toml")))

    def parse(content: bytes) -> None:
        payload = base64.urlsafe_b64encode(content).decode().rstrip("=")
        another_identity(account, {"id_token": f"e30.{payload}.c2ln"})
        another_identity(account, {"id_token": content.decode("latin-1")})

    yield parse


@contextmanager
def _retry_after(_: Path) -> Iterator[Run]:
    def parse(content: bytes) -> None:
        seconds = https.Response("", 503, {"Retry-After": content.decode("latin-1")}, b"").retry_after
        assert seconds is None or (seconds >= 0 and f"{seconds:.0f}".isdecimal())

    yield parse


@contextmanager
def _redirect(_: Path) -> Iterator[Run]:
    """A redirect, as a browser brings it and as a person pastes it."""
    request = AuthorizationRequest(CLIENT, "http://127.0.0.1:1/callback", "", "our-state", "verifier")

    def parse(content: bytes) -> None:
        text = content.decode("utf-8", "replace")  # as loopback_redirect reads the terminal
        with suppress(OAuth2Pop3Error):
            code = request.read_redirect(text, pasted=True)
            assert "our-state" in unquote_plus(text) or code == text.strip()
        text = content.decode("latin-1")  # as http.server reads a request
        code = request.read_redirect(text)
        assert code
        assert "our-state" in unquote_plus(text)

    yield parse


@contextmanager
def _loopback(_: Path) -> Iterator[Run]:
    """The listener for the redirect: requests of any program of this machine."""
    listener = RedirectListener("http://127.0.0.1/callback")
    arrived: list[str] = []

    def refuse() -> None:
        for redirect in listener.wait(terminal=False, seconds=1e6):
            arrived.append(redirect.text)
            redirect.finish(False, "<not> ours")

    server: Any = listener._server
    refusing = threading.Thread(target=refuse, daemon=True)

    def parse(content: bytes) -> None:
        arrived.clear()
        client, connection = socket.socketpair()
        with client, connection:
            client.sendall(content + b"\r\n\r\n\r\n")
            with suppress(ConnectionError):
                server.RequestHandlerClass(connection, ("127.0.0.1", 1), server)
            connection.close()
            received = b""
            with suppress(ConnectionError):  # it left a part of the request unread
                while block := client.recv(65536):
                    received += block
        assert b"<not>" not in received
        assert not arrived or (b"/callback" in content and b"?" in content)

    refusing.start()
    yield parse
    with patch.object(loopback_redirect, "_LINGERING", 0.0):  # no browser will come
        listener.close()


_TOKEN_RESPONSES: list[Mapping[str, object]] = [
    {
        "access_token": "ya29.new",
        "token_type": "Bearer",
        "expires_in": 3599,
        "refresh_token": "1//04",
        "refresh_token_expires_in": 604800,
        "scope": "mail offline_access",
        "id_token": "e30.eyJlbWFpbCI6ICJ5b3VAZXhhbXBsZS5vcmcifQ==.c2ln",
    },
    {
        "error": "invalid_grant",
        "error_description": f"AADSTS700082: the token {SECRETS[0]} has expired",
        "error_codes": [700082],
        "error_uri": "https://login.microsoftonline.com/error?code=700082",
        "suberror": "consent_required",
        "error_subtype": "invalid_rapt",
    },
    {"error": {"localizedMessage": "Invalid", "errorId": "INVALID_INPUT", "message": SECRETS[1]}},
    {"error": "slow_down", "interval": 10},
]
_ENDPOINTS = ("authorization", "token", "device_authorization", "revocation", "registration")
METADATA: dict[str, object] = {
    "issuer": ISSUER,
    **{f"{name}_endpoint": f"{ISSUER}/{name}" for name in _ENDPOINTS},
    "scopes_supported": ["urn:ietf:params:oauth:scope:mail", "offline_access"],
    "grant_types_supported": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
    "authorization_response_iss_parameter_supported": True,
    "code_challenge_methods_supported": ["S256"],
}
_DEVICE = {
    "device_code": SECRETS[2],
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://auth.example.org/device",
    "verification_uri_complete": "https://auth.example.org/device?user_code=WDJB-MJHT",
    "expires_in": 1800,
    "interval": 5,
}
_MADE = {
    "client_id": "made",
    "client_secret": "hush",
    "client_secret_expires_at": 0,
    "redirect_uris": ["http://127.0.0.1/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
    "scope": "mail offline_access",
    "registration_access_token": "r",
    "registration_client_uri": "https://auth.example.org/register/made",
}
_CLAIMS = {"email": "you@example.org", "preferred_username": "you@example.org", "upn": "other@example.org", "sub": "1"}
_REDIRECTS = [
    b"http://127.0.0.1:1/callback?code=abc&state=our-state&iss=https%3A%2F%2Fauth.example.org",
    b"/callback?code=abc&state=our-state",
    b"/callback?error=access_denied&error_description=no&state=our-state#f",
    b"4/0AeaYSHabcdef",
]
_REQUESTS = [
    b"GET /callback?code=abc&state=our-state HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept: */*\r\n\r\n",
    b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
    b"POST /callback HTTP/1.0\r\nHost: [::1]:1\r\nContent-Length: 3\r\n\r\na=b",
]
_HTTP_WORDS = (b"Host: [", b"Host: ", b"HTTP/9.9", b"HTTP/1.1", b"Expect: 100-continue\r\n", b"GET ", b"HEAD ", b"//")
_URL_WORDS = (b"state=our-state", b"&code=", b"&error=", b"&iss=", b"?", b"&", b"=", b"#", b"%00", b"%ED%A0%80", b";")
TARGETS = (
    Target("metadata", _answered(_metadata), documents=[METADATA], words=[b"issuer", b"jwks_uri"]),
    Target(
        "token_response",
        _answered(_token_response, SECRETS[1]),
        documents=_TOKEN_RESPONSES,
        words=[b"error", b"message"],
    ),
    Target("device_authorization", _answered(_device), documents=[_DEVICE], words=[b"verification_url", b"error"]),
    Target("device_poll", _answered(_device_poll, SECRETS[2]), documents=_TOKEN_RESPONSES, words=[b"error"]),
    Target("registration", _answered(_registration), documents=[_MADE], words=[b"error", b"error_description"]),
    Target("revocation", _answered(_revocation), documents=_TOKEN_RESPONSES, words=[b"error"]),
    Target("id_token", _id_token, documents=[_CLAIMS]),
    Target(
        "retry_after",
        _retry_after,
        [b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Wednesday, 21-Oct-26 07:28:00 GMT"],
        words=[b"99999999999", b"Mon, ", b" Jan ", b"+9999", b"GMT", b"-2400", b"0000"],
    ),
    Target("redirect", _redirect, _REDIRECTS, words=_URL_WORDS),
    Target("loopback_request", _loopback, _REQUESTS, words=_HTTP_WORDS),
)
