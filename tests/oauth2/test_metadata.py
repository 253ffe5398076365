"""Authorization server metadata: what is taken from it, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.sandbox import Sandbox
from servers.stub import Request, StubResponse, stub
from support.grants import complete

RFC_8414 = "/.well-known/oauth-authorization-server"
OIDC = "/.well-known/openid-configuration"


class Site:
    """Documents by path, on plain HTTP, which the provider of these tests allows. requests: the paths asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.documents: dict[str, StubResponse] = {}
        self.requests: list[str] = []

    def put(self, path: str, document: object = None, *, status: int = 200, **headers: str) -> None:
        self.documents[path] = StubResponse(status, document, headers)

    def respond(self, request: Request) -> StubResponse:
        self.requests.append(request.path)
        return self.documents.get(request.path, StubResponse(404, b"<html>"))

    def document(self, issuer: str = "", **more: Any) -> dict[str, Any]:
        return {
            "issuer": issuer or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            **more,
        }


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with stub(lambda request: there.respond(request)) as url:
        there = Site(url)
        yield there


def provider(issuer: str, **row: Any) -> Provider:
    return Provider(name="x", issuer=issuer, allow_insecure_loopback=True, **row)


@pytest.mark.parametrize("act", ["plain", "google", "microsoft"])
def test_the_sandbox(tmp_path: Path, home: Path, act: str) -> None:
    with Sandbox(tmp_path / "s", act) as sandbox:
        row = Provider(name="x", issuer=sandbox.issuer, ca_certs=str(sandbox.ca_certs))
        completed = complete(row)
        server = sandbox.authorization_server
        assert completed.authorization_endpoint == server.authorization_endpoint
        assert completed.token_endpoint == server.token_endpoint
        assert completed.revocation_endpoint == (server.revocation_endpoint or "")
        assert completed.authorization_response_iss_parameter_supported is sandbox.act.sends_iss


def test_who_names_the_endpoints_is_not_asked_for_more(site: Site) -> None:
    more = {f"{name}_endpoint": f"{site.url}/{name}" for name in ("device_authorization", "registration")}
    site.put(RFC_8414, site.document(**more))
    named = provider(site.url, authorization_endpoint="https://a/", token_endpoint="https://b/")
    assert complete(named) == named
    assert site.requests == []


def test_the_other_endpoints(site: Site) -> None:
    names = ("device_authorization_endpoint", "revocation_endpoint", "registration_endpoint")
    site.put(RFC_8414, site.document(**{name: f"{site.url}/{name}" for name in names}))
    completed = complete(provider(site.url))
    assert [getattr(completed, name) for name in names] == [f"{site.url}/{name}" for name in names]
    own = provider(site.url, registration_endpoint="https://own.example.org/register")
    assert complete(own).registration_endpoint == "https://own.example.org/register"


def test_metadata_that_has_no_end(site: Site) -> None:
    site.put(RFC_8414, b" " * (50 << 20) + json.dumps(site.document()).encode())
    with pytest.raises(OAuthError, match="more than 1048576 bytes"):
        complete(provider(site.url))


def test_what_the_row_names_stays(site: Site) -> None:
    site.put(RFC_8414, site.document(revocation_endpoint=f"{site.url}/revoke"))
    completed = complete(provider(site.url, token_endpoint="https://own.example.org/token"))
    assert completed.token_endpoint == "https://own.example.org/token"
    assert completed.revocation_endpoint == f"{site.url}/revoke"


def test_openid_connect_is_asked_second(site: Site) -> None:
    site.put(OIDC, site.document(authorization_response_iss_parameter_supported=True))
    completed = complete(provider(site.url))
    assert site.requests == [RFC_8414, OIDC]
    assert completed.token_endpoint == f"{site.url}/token"
    assert completed.authorization_response_iss_parameter_supported


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", [f"{RFC_8414}/tenant/1", f"/tenant/1{OIDC}"])
def test_an_issuer_with_a_path(site: Site, path: str, slash: str) -> None:
    issuer = f"{site.url}/tenant/1{slash}"
    site.put(path, site.document(issuer))
    assert complete(provider(issuer)).token_endpoint == f"{site.url}/token"


@pytest.mark.parametrize("path", [RFC_8414, OIDC])
@pytest.mark.parametrize(
    "other", ["https://evil.example.org", "{url}/", "{url}/x", "HTTP{rest}", None, 7, "\x1b[2J", [[[]]]]
)
def test_metadata_of_another_issuer(site: Site, path: str, other: object) -> None:
    if isinstance(other, str):
        other = other.replace("{url}", site.url).replace("HTTP{rest}", site.url.replace("http", "HTTP"))
    site.put(path, {**site.document(), "issuer": other})
    with pytest.raises(OAuthError, match="metadata of") as caught:
        complete(provider(site.url))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "issuer", ["https://[[[", "https://[", "https://a b", "https://x:99999", "example.org", "\ud800"]
)
def test_an_issuer_that_is_no_url(home: Path, issuer: str) -> None:
    with pytest.raises(ConfigError) as caught:
        complete(provider(issuer))
    assert str(caught.value).isprintable()


def test_odd_members_are_passed_over(site: Site) -> None:
    deep = b"[" * 500 + b"]" * 500
    odd = b', "a": ' + deep + b', "b": ' + b"9" * 5000 + b', "c": NaN, "d": "\\ud800", "e": 1e999}'
    site.put(RFC_8414, json.dumps(site.document()).encode()[:-1] + odd)
    assert complete(provider(site.url)).token_endpoint == f"{site.url}/token"


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b'"x"', b"{}", b"\xff", b"null", b"[" * 10_000, b"9" * 5000]
)
def test_no_metadata(site: Site, document: bytes) -> None:
    site.put(RFC_8414, document)
    site.put(OIDC, document)
    with pytest.raises(OAuthError, match="has no metadata") as caught:
        complete(provider(site.url))
    assert "token_endpoint" in caught.value.hint


# Regression: requests raises TooManyRedirects, which is told as a broken connection and tried again for ever.
def test_a_redirect_is_not_followed(site: Site) -> None:
    site.put("/elsewhere", site.document())
    site.put(RFC_8414, b"", status=302, Location=f"{site.url}/elsewhere")
    with pytest.raises(OAuthError, match="redirect"):
        complete(provider(site.url))
    assert "/elsewhere" not in site.requests


# Regression: the fallback is not asked: such servers redirect what they do not know to their sign-in page.
def test_openid_connect_is_asked_behind_a_redirect(site: Site) -> None:
    site.put(RFC_8414, b"", status=302, Location=f"{site.url}/sign-in")
    site.put(OIDC, site.document())
    assert complete(provider(site.url)).token_endpoint == f"{site.url}/token"


def test_a_server_with_a_fault(site: Site) -> None:
    site.put(RFC_8414, b"", status=503)
    site.put(OIDC, b"", status=503)
    with pytest.raises(NetworkError, match="503"):
        complete(provider(site.url))


@pytest.mark.parametrize("key", ["authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize("value", [None, "", 7, ["https://a/"]])
def test_an_endpoint_that_is_missing(site: Site, key: str, value: object) -> None:
    site.put(RFC_8414, {**site.document(), key: value})
    with pytest.raises(OAuth2Pop3Error, match=key if value != "" else "https://"):
        complete(provider(site.url))


@pytest.mark.parametrize(
    "key", ["authorization_endpoint", "token_endpoint", "revocation_endpoint", "registration_endpoint"]
)
@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/token",
        "ftp://example.org/",
        "javascript:alert(1)",
        "token",
        "https://",
        # Regression: ValueError
        "https://[",
        # Regression: taken, and shown as it came
        "https://example.org/\x1b]0;owned\x07",
    ],
)
def test_an_endpoint_that_cannot_be_trusted(site: Site, key: str, url: str) -> None:
    site.put(RFC_8414, site.document(**{key: url}))
    with pytest.raises(OAuth2Pop3Error) as caught:
        complete(provider(site.url))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("issuer", ["http://example.org", "ftp://example.org", "example.org"])
def test_an_issuer_that_cannot_be_trusted(issuer: str) -> None:
    with pytest.raises(ConfigError, match="https://"):
        complete(provider(issuer))


def test_plain_http_on_this_machine_has_to_be_allowed(site: Site) -> None:
    site.put(RFC_8414, site.document())
    with pytest.raises(ConfigError, match="allow_insecure_loopback"):
        complete(Provider(name="x", issuer=site.url))
    assert site.requests == []


@pytest.mark.parametrize(
    ("announced", "method"),
    [
        ({}, "client_secret_basic"),  # RFC 8414 section 2: the default
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic", "none"]}, "client_secret_basic"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"]}, ""),
        ({"token_endpoint_auth_methods_supported": ["none"]}, ""),
        ({"token_endpoint_auth_methods_supported": "client_secret_basic"}, ""),
    ],
)
def test_how_the_client_is_to_say_who_it_is(site: Site, announced: dict[str, Any], method: str) -> None:
    site.put(RFC_8414, site.document(**announced))
    assert complete(provider(site.url)).token_endpoint_auth_method == method
    own = provider(site.url, token_endpoint_auth_method="client_secret_post")
    assert complete(own).token_endpoint_auth_method == "client_secret_post"


@pytest.mark.parametrize("grant", ["client_credentials", "jwt_bearer", "password"])
def test_a_grant_without_a_browser_needs_no_authorization_endpoint(grant: str) -> None:
    """Once, such a server's row was refused, and so was its metadata (RFC 8414 section 2 lets it leave that out)."""
    provider = Provider(name="x", grant=grant, token_endpoint="https://auth.example.org/token")
    assert complete(provider) == provider


def test_a_browser_needs_one() -> None:
    with pytest.raises(ConfigError, match="no authorization_endpoint is known"):
        complete(Provider(name="x", token_endpoint="https://auth.example.org/token"))
