"""The JWT bearer grant (RFC 7523 section 2.1) with a service account's key file, at an endpoint that verifies it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants import jwt_bearer
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider
from servers.stub import Request, StubResponse, stub

ANN = "ann@example.org"
EMAIL = "reader@a-project.iam.gserviceaccount.com"
SCOPE = "https://mail.google.com/"
KEY = rsa.generate_private_key(65537, 2048)
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def pem(key: Any = KEY, password: bytes = b"") -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    content: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return content.decode()


class Site:
    """A token endpoint like Google's: it knows the public keys of one service account, and whose mail it may read.

    refusal: status, error and error_description to give in place of a token.
    """

    def __init__(self, url: str) -> None:
        self.requests: list[dict[str, str]] = []
        self.problems: list[str] = []
        self.refusal: tuple[int, str, str] | None = None
        self.keys: dict[str | None, Any] = {"key-7": KEY.public_key()}
        self.url = f"{url}/token"
        self.provider = Provider(
            name="example",
            authorization_endpoint=f"{url}/authorize",
            token_endpoint=self.url,
            scope=SCOPE,
            allow_insecure_loopback=True,
        )

    def respond(self, request: Request) -> StubResponse:
        form = request.form
        self.requests.append(form)
        if self.refusal:
            status, error, description = self.refusal
            return StubResponse(status, {"error": error, "error_description": description})
        try:
            claims = self.verify(form, request.headers.get("Authorization"))
        except (AssertionError, KeyError, jwt.InvalidTokenError) as problem:
            self.problems.append(repr(problem))
            return StubResponse(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        token = {"access_token": f"token-for-{claims['sub']}", "token_type": "Bearer", "expires_in": 3599}
        return StubResponse(200, token)

    def verify(self, form: dict[str, str], authorization: str | None) -> dict[str, Any]:
        """The assertion's claims. See developers.google.com/identity/protocols/oauth2/service-account."""
        assert authorization is None
        assert form.keys() == {"grant_type", "assertion"}
        assert form["grant_type"] == GRANT_TYPE
        header = jwt.get_unverified_header(form["assertion"])
        assert header["typ"] == "JWT"
        claims: dict[str, Any] = jwt.decode(
            form["assertion"],
            self.keys[header.get("kid")],
            ["RS256"],
            audience=self.url,
            issuer=EMAIL,
            options={"require": ["iss", "sub", "scope", "aud", "iat", "exp"]},
        )
        assert claims["scope"] == SCOPE
        assert abs(claims["iat"] - time.time()) < 60
        assert 0 < claims["exp"] - claims["iat"] <= 3600
        return claims


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with stub(lambda request: there.respond(request)) as url:
        there = Site(url)
        yield there


Write = Callable[..., Provider]


@pytest.fixture
def write(site: Site, tmp_path: Path) -> Write:
    """write(key=value): the provider with a key file as Google hands it out, but for what is named; None: left out.

    text=...: all that is in it. mode=...: the file's.
    """

    def make(*, text: str = "", mode: int = 0o600, **changes: object) -> Provider:
        content = {
            "type": "service_account",
            "project_id": "a-project",
            "private_key_id": "key-7",
            "private_key": pem(),
            "client_email": EMAIL,
            "client_id": "117",
            "auth_uri": site.url.replace("token", "auth"),
            "token_uri": site.url,
            "universe_domain": "googleapis.com",
            **changes,
        }
        file = tmp_path / "service-account.json"
        file.write_text(text or json.dumps({key: value for key, value in content.items() if value is not None}))
        file.chmod(mode)
        return replace(site.provider, service_account_file=str(file))

    return make


def ask(provider: Provider, subject: str = ANN) -> Token:
    return Token.from_response(jwt_bearer.ask(Client(provider, account=ANN), subject=subject), scope=provider.scope)


def test_a_token_for_each_mailbox(site: Site, write: Write) -> None:
    provider = write()
    for mailbox in (ANN, "bob@example.org"):
        assert ask(provider, mailbox).access_token == f"token-for-{mailbox}"
    assert site.problems == []


def test_the_endpoint_does_verify(site: Site, write: Write) -> None:
    """The negative control: another key, another account, another scope, another audience."""
    with_another_key = {"private_key": pem(rsa.generate_private_key(65537, 2048))}
    for changes, keys in (
        (with_another_key, {}),
        ({"client_email": "another@a-project.iam.gserviceaccount.com"}, {}),
        ({"private_key_id": "key-8"}, {}),
        ({}, {"scope": "https://www.googleapis.com/auth/gmail.readonly"}),
        ({}, {"token_endpoint": site.url.replace("/token", "/other")}),
    ):
        provider: Provider = replace(write(**changes), **keys)  # type: ignore[arg-type]
        with pytest.raises(OAuthError):
            ask(provider)
    assert [problem.partition("(")[0] for problem in site.problems] == [
        "InvalidSignatureError",
        "InvalidIssuerError",
        "KeyError",
        "AssertionError",
        "InvalidAudienceError",
    ]


def test_what_google_may_leave_out(site: Site, write: Write) -> None:
    site.keys[None] = KEY.public_key()
    assert ask(write(private_key_id=None, token_uri=None, client_id=None)).access_token
    assert "kid" not in jwt.get_unverified_header(site.requests[0]["assertion"])


def test_a_home_directory(site: Site, write: Write, home: Path) -> None:
    Path(write().service_account_file).rename(home / "key.json")
    assert ask(replace(site.provider, service_account_file="~/key.json")).access_token


# --- key files that cannot be used


def refused(site: Site, provider: Provider) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        ask(provider)
    assert site.requests == []  # nothing was sent
    assert provider.service_account_file in caught.value.message
    assert "PRIVATE KEY" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text": "{"}, "is not JSON"),
        ({"text": "[" * 100_000}, "is not JSON"),
        ({"text": "[]"}, 'its type is not "service_account"'),
        ({"text": '{"installed": {"client_id": "1"}}'}, 'its type is not "service_account"'),
        ({"type": "authorized_user"}, 'its type is not "service_account"'),
        ({"type": None}, 'its type is not "service_account"'),
        ({"client_email": None}, "has no client_email"),
        ({"client_email": ""}, "has no client_email"),
        ({"client_email": 7}, "client_email is not a string"),
        ({"private_key": None}, "has no private_key"),
        ({"private_key": ["x"]}, "private_key is not a string"),
        ({"private_key": "hush"}, "private_key is not a private key in PEM"),
        ({"private_key": "\ud800"}, "private_key is not a private key in PEM"),
        ({"private_key": pem(password=b"pw")}, "private_key is not a private key in PEM"),
        ({"private_key": pem(ec.generate_private_key(ec.SECP256R1()))}, "private_key is not an RSA key"),
        ({"private_key": pem(rsa.generate_private_key(65537, 1024))}, "1024 bits"),
        ({"private_key_id": 7}, "private_key_id is not a string"),
        ({"token_uri": {}}, "token_uri is not a string"),
        ({"client_id": 117}, "client_id is not a string"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_malformed_key_file(site: Site, write: Write, changes: dict[str, Any], words: str) -> None:
    error = refused(site, write(**changes))
    assert words in error.message
    assert error.hint


@pytest.mark.parametrize(
    "token_uri",
    [
        "http://localhost:{port}/token",
        "http://127.0.0.1/token",
        "https://127.0.0.1:{port}/token",
        "http://127.0.0.1:{port}@evil.example/token",
        "//127.0.0.1:{port}/token",
        "http://[::1",
        "http://127.0.0.1:x/token",
        "nothing",
    ],
)
def test_another_server_s_key_file(site: Site, write: Write, token_uri: str) -> None:
    named = token_uri.replace("{port}", site.url.split(":")[2].split("/")[0])
    error = refused(site, write(token_uri=named))
    assert f"is for the token endpoint {named}, not for {site.url}" in error.message


def test_the_same_server_written_differently(site: Site, write: Write) -> None:
    """The assertion goes where the provider says, whatever the path in the file."""
    assert ask(write(token_uri=site.url.replace("/token", "/o/oauth2/token").replace("http:", "HTTP:"))).access_token
    assert site.problems == []


def test_the_file_s_mode_owner_and_place(
    site: Site, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "chmod 600" in refused(site, write(mode=0o644)).hint
    provider = write()
    if os.geteuid() == 0:
        os.chown(provider.service_account_file, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert "belongs to another user" in refused(site, provider).message
    missing = replace(provider, service_account_file=str(tmp_path / "missing.json"))
    assert "No such file" in refused(site, missing).message
    assert "--service-account-file" in refused(site, site.provider).hint


# --- refusals


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (
            (401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or ..."),
            OAuthError,
            f"Domain-wide delegation: add client ID 117 with the scope {SCOPE}",
        ),
        ((403, "access_denied", "Requested client not authorized."), OAuthError, "add client ID 117 with the scope"),
        (
            (400, "invalid_grant", "Invalid email or User ID"),
            OAuthError,
            f"Check that {ANN} is a mailbox of that domain",
        ),
        ((400, "invalid_grant", "Invalid JWT Signature."), OAuthError, "the key in the file has not been deleted"),
        ((400, "invalid_grant", "Token must be a short-lived token"), OAuthError, "this machine's clock is right"),
        ((400, "invalid_scope", "Some requested scopes were invalid."), OAuthError, "scope"),
        ((503, "backend_error", "try later"), NetworkError, "503"),
    ],
)
def test_what_google_refuses(
    site: Site, write: Write, refusal: tuple[int, str, str], kind: type[OAuth2Pop3Error], words: str
) -> None:
    site.refusal = refusal
    with pytest.raises(OAuth2Pop3Error) as caught:
        ask(write())
    # Signing in again would solve nothing here: it is never AuthorizationRequired.
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "oauth2-pop3 login" not in caught.value.hint
    if isinstance(caught.value, OAuthError):
        assert caught.value.code == refusal[1]
    [request] = site.requests
    assert request["assertion"] not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_delegation_names_the_address_where_there_is_no_client_id(site: Site, write: Write) -> None:
    site.refusal = (401, "unauthorized_client", "Unauthorized client or scope in request.")
    with pytest.raises(OAuthError, match=f"add {EMAIL} with the scope"):
        ask(write(client_id=None))
