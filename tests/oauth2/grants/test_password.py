"""The password grant (RFC 6749 section 4.3): what is sent, and when it is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oauth2_pop3.errors import AuthorizationRequired, ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants import password
from oauth2_pop3.providers.provider import Provider, built_in_rows
from servers.stub import Request, StubResponse, stub

ANN = "ann@example.org"
PASSWORD = "päss & wörd=1+1"
SECRET = "a-secret-that-nobody-may-see"
TOKENS = {"access_token": "an-access-token", "token_type": "Bearer", "refresh_token": "a-refresh-token"}


class Site:
    """A token endpoint that knows one password. requests: Authorization and form of each."""

    def __init__(self, url: str) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.provider = Provider(
            name="example",
            authorization_endpoint=f"{url}/authorize",
            token_endpoint=f"{url}/token",
            scope="mail",
            grants=("authorization_code", "password"),
            allow_insecure_loopback=True,
        )
        self.status, self.refusal = 400, "invalid_grant"

    def respond(self, request: Request) -> StubResponse:
        form = request.form
        self.requests.append((request.headers.get("Authorization", ""), form))
        if form.get("grant_type") == "password" and form.get("password") == PASSWORD:
            return StubResponse(200, TOKENS)
        return StubResponse(self.status, {"error": self.refusal})


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with stub(lambda request: there.respond(request)) as url:
        there = Site(url)
        yield there


def ask(provider: Provider, word: str = PASSWORD, *, client_secret: str = "") -> dict[str, object]:
    client = Client(replace(provider, client_id="c"), account=ANN, client_secret=client_secret)
    return dict(password.ask(client, username=ANN, password=word))


FORM = {"grant_type": "password", "username": ANN, "password": PASSWORD, "scope": "mail"}


def test_what_is_sent(site: Site) -> None:
    assert ask(site.provider) == TOKENS
    assert ask(site.provider, client_secret=SECRET) == TOKENS
    assert (
        ask(replace(site.provider, scope="", token_endpoint_auth_method="client_secret_basic"), client_secret=SECRET)
        == TOKENS
    )
    basic = "Basic " + base64.b64encode(f"c:{SECRET}".encode()).decode()
    assert site.requests == [
        ("", {**FORM, "client_id": "c"}),
        ("", {**FORM, "client_id": "c", "client_secret": SECRET}),
        (basic, {key: value for key, value in FORM.items() if key != "scope"}),
    ]


@pytest.mark.parametrize("grants", [(), ("authorization_code", "device_code")])
def test_it_must_be_allowed(site: Site, grants: tuple[str, ...]) -> None:
    provider = replace(site.provider, grants=grants)
    for attempt in (ask, password.require_allowed):
        with pytest.raises(ConfigError, match=r"RFC 9700 section 2\.4.*write grants = "):
            attempt(provider)
    assert site.requests == []


def test_no_built_in_provider_takes_it() -> None:
    assert not [
        name for name, row in built_in_rows().items() if "password" in f"{row.get('grants')} {row.get('grant')}"
    ]
    assert "RFC 9700" in password.WARNING


@pytest.mark.parametrize(
    ("status", "refusal", "kind", "words"),
    [
        (400, "invalid_grant", AuthorizationRequired, f"password was not accepted.*login {ANN}"),
        (400, "unauthorized_client", OAuthError, "may not use this grant"),
        (400, "unsupported_grant_type", OAuthError, "does not know this grant"),
        (400, "access_denied", AuthorizationRequired, "declined"),
        (503, "server_error", NetworkError, "503"),
    ],
)
def test_refusals(site: Site, status: int, refusal: str, kind: type[OAuth2Pop3Error], words: str) -> None:
    site.status, site.refusal = status, refusal
    wrong = "another-word-that-nobody-may-see"
    with pytest.raises(kind, match=words) as caught:
        ask(site.provider, wrong, client_secret=SECRET)
    assert type(caught.value) is kind
    error: BaseException | None = caught.value
    while error:
        assert wrong not in f"{error} {error!r}"
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__


def test_a_password_is_not_sent_in_the_clear(site: Site) -> None:
    with pytest.raises(ConfigError, match="is not https://"):
        ask(replace(site.provider, allow_insecure_loopback=False))
    assert site.requests == []
