"""Automatic registration as a client (RFC 7591), at a real authorization server and at a stub."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError, StateError
from oauth2_pop3.oauth2 import metadata, registration
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants.authorization_code import AuthorizationRequest
from oauth2_pop3.oauth2.grants.refresh_token import refresh
from oauth2_pop3.oauth2.registration import Registration
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
from oauth2_pop3.providers.provider import DEFAULT_REDIRECT_URI, MAIL_SCOPE, Provider
from servers.authorization_server import MAIL_SCOPE as SERVERS_MAIL_SCOPE
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from servers.stub import Request, StubResponse, stub
from support.grants import complete

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SECRET = "a-client-secret-that-nobody-may-see"
MANAGEMENT_TOKEN = "a-registration-access-token-that-nobody-may-see"


# --- the real server


def at(server: AuthorizationServer, **row: Any) -> tuple[Provider, Mapping[str, object]]:
    """A provider that was described only by its issuer, completed, and the metadata."""
    provider = Provider(name="example", issuer=server.issuer, ca_certs=str(server.ca_file), **row)
    return complete(provider), metadata.fetch(provider)


def sign_in(server: AuthorizationServer, provider: Provider, user: str) -> Token:
    redirect_uri = provider.redirect_uri.replace("127.0.0.1/", "127.0.0.1:1/")
    client = Client(provider, account=user, client_secret=provider.client_secret)
    assert provider.authorization_response_iss_parameter_supported
    request = AuthorizationRequest.prepare(client, redirect_uri=redirect_uri)
    code = request.read_redirect(server.sign_in(request.url, user, follow_redirect=False))
    return Token.from_response(request.exchange(code), scope=provider.scope)


def test_from_nothing_to_an_open_maildrop(
    authorization_server: AuthorizationServer, dovecot: Dovecot, home: Path
) -> None:
    assert MAIL_SCOPE == SERVERS_MAIL_SCOPE
    dovecot.add_messages("reg@example.org", 2)
    provider, known = at(authorization_server)
    assert provider.registration_endpoint == f"{authorization_server.issuer}/reg"
    client = registration.obtain(provider, known)
    assert client.scope == f"{MAIL_SCOPE} offline_access"
    assert client.redirect_uri == DEFAULT_REDIRECT_URI
    assert client.issuer == authorization_server.issuer
    assert DEVICE in client.grant_types
    assert client.registration_access_token
    assert client.registration_client_uri.startswith(authorization_server.issuer)

    ready = client.applied_to(provider)
    assert (ready.client_id, ready.client_secret, ready.token_endpoint_auth_method) == (client.client_id, "", "none")
    token = sign_in(authorization_server, ready, "reg@example.org")
    pop3 = MaildropServer(host=dovecot.host, port=dovecot.pop3s_port, ca_certs=str(authorization_server.ca_file))
    with open_maildrop(pop3, "reg@example.org", lambda _: token.access_token) as session:
        assert session.stat()[0] == 2
    new = refresh(Client(ready, account="reg@example.org"), token)
    assert new.access_token != token.access_token
    assert {line["client_id"] for line in authorization_server.token_requests()} == {client.client_id}


def test_one_client_an_issuer_also_for_processes_at_once(authorization_server: AuthorizationServer, home: Path) -> None:
    provider, known = at(authorization_server)
    assert registration.kept(provider) is None
    with ThreadPoolExecutor(4) as pool:
        clients = list(pool.map(lambda _: registration.obtain(provider, known), range(4)))
    assert len({client.client_id for client in clients}) == 1
    assert registration.kept(provider) == clients[0]
    [file] = kept_files(home)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_client_that_the_server_has_forgotten(authorization_server: AuthorizationServer, home: Path) -> None:
    provider, known = at(authorization_server)
    client = registration.obtain(provider, known)
    ready = client.applied_to(provider)
    token = sign_in(authorization_server, ready, "ann@example.org")
    assert registration.is_known(provider, client)
    authorization_server.forget_client(client.client_id)
    assert not registration.is_known(provider, client)
    with pytest.raises(OAuthError) as caught:
        refresh(Client(ready, account="ann@example.org"), token)
    assert registration.is_forgotten(caught.value)

    registration.forget(provider)
    assert kept_files(home) == []
    again = registration.obtain(provider, known)
    assert again.client_id != client.client_id
    assert sign_in(authorization_server, again.applied_to(provider), "ann@example.org").refresh_token


def test_a_code_that_is_refused_is_no_forgotten_client(authorization_server: AuthorizationServer, home: Path) -> None:
    provider, known = at(authorization_server)
    ready = registration.obtain(provider, known).applied_to(provider)
    token = replace(Token("x", 0), refresh_token="none-that-was-ever-issued")
    with pytest.raises(OAuthError) as caught:
        refresh(Client(ready, account="ann@example.org"), token)
    assert caught.value.code == "invalid_grant"
    assert not registration.is_forgotten(caught.value)


def test_what_the_real_server_does_not_register(authorization_server: AuthorizationServer, home: Path) -> None:
    provider, known = at(authorization_server, scope="mail a-scope-that-is-none")
    with pytest.raises(OAuthError, match="does not register a client like this") as caught:
        registration.obtain(provider, known)
    assert caught.value.code == "invalid_client_metadata"
    assert "scope must only contain" in caught.value.message
    assert kept_files(home) == []


# --- a stub


class Site:
    """Responds to each registration with the next of `responses`, repeating the last. None ends the connection."""

    def __init__(self) -> None:
        self.url = ""
        self.responses: list[StubResponse | None] = []
        self.requests: list[dict[str, Any]] = []

    def provider(self, **row: Any) -> Provider:
        return Provider(
            name="example",
            **{
                "issuer": self.url,
                "token_endpoint": f"{self.url}/token",
                "registration_endpoint": f"{self.url}/register",
                "allow_insecure_loopback": True,
                **row,
            },
        )

    def says(self, document: object, status: int = 201, **headers: str) -> None:
        self.responses.append(StubResponse(status, document, headers))

    def respond(self, request: Request) -> StubResponse | None:
        assert request.headers["Content-Type"] == "application/json"
        self.requests.append(json.loads(request.body))
        return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]

    def obtain(self, known: Mapping[str, object] | None = None, **row: Any) -> Registration:
        return registration.obtain(self.provider(**row), known or {})


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    there = Site()

    with stub(there.respond) as there.url:
        yield there


def kept_files(home: Path) -> list[Path]:
    return list((home / ".local/state/oauth2-pop3/registrations").glob("*"))


def test_what_is_asked_for(site: Site) -> None:
    site.says({"client_id": "c-1"})
    client = site.obtain({"device_authorization_endpoint": f"{site.url}/device"}, redirect_uri="http://localhost:8080/")
    [request] = site.requests
    assert request.pop("software_version")
    software_id = request.pop("software_id")
    assert len(software_id) == 36
    assert request == {
        "application_type": "native",
        "client_name": "oauth2-pop3",
        "redirect_uris": ["http://127.0.0.1/callback", "http://localhost:8080/"],
        "grant_types": ["authorization_code", "refresh_token", DEVICE],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": f"{MAIL_SCOPE} offline_access",
    }
    assert (client.client_id, client.redirect_uri) == ("c-1", "http://localhost:8080/")
    assert client.scope == f"{MAIL_SCOPE} offline_access"

    registration.forget(site.provider())
    site.obtain({"device_authorization_endpoint": "x", "grant_types_supported": ["authorization_code"]})
    assert DEVICE not in site.requests[1]["grant_types"]
    assert site.requests[1]["software_id"] == software_id


def test_kept_until_it_cannot_do_what_is_wanted(site: Site) -> None:
    site.says({"client_id": "c-1"})
    site.says({"client_id": "c-2"})
    site.says({"client_id": "c-3"})
    first = site.obtain(scope="mail offline_access")
    assert site.obtain(scope="mail offline_access") == first
    narrower = site.obtain(scope="mail")  # another account's row
    assert (narrower.client_id, narrower.scope) == ("c-1", "mail")
    later = site.provider(scope="mail calendar", redirect_uri="http://127.0.0.1:7/callback")
    assert first.identifying(later) == replace(later, client_id="c-1", token_endpoint_auth_method="none")
    assert site.obtain(scope="mail calendar").client_id == "c-2"
    assert site.obtain(scope="mail calendar", redirect_uri="http://127.0.0.1/callback").client_id == "c-2"
    assert site.obtain(scope="mail calendar", redirect_uri="http://127.0.0.1/other").client_id == "c-3"
    assert len(site.requests) == 3


def test_what_the_server_struck_out_is_not_asked_for_again(site: Site) -> None:
    site.says({"client_id": "c", "scope": "mail", "redirect_uris": [DEFAULT_REDIRECT_URI]})
    for _ in range(2):
        client = site.obtain(scope="mail offline_access", redirect_uri="http://127.0.0.1/other")
        assert (client.scope, client.redirect_uri) == ("mail", DEFAULT_REDIRECT_URI)
    assert len(site.requests) == 1


def test_two_issuers_are_two_clients(site: Site, home: Path) -> None:
    site.says({"client_id": "c-1"})
    site.says({"client_id": "c-2"})
    site.says({"client_id": "c-3"})
    issuers = ["https://example.org/a", "https://example.org/A", f"https://example.org/{'%' * 300}"]
    clients = [site.obtain(issuer=issuer).client_id for issuer in issuers]
    assert clients == ["c-1", "c-2", "c-3"]
    kept = [registration.kept(site.provider(issuer=issuer)) for issuer in issuers]
    assert [client.client_id for client in kept if client] == clients
    registration.forget(site.provider(issuer=issuers[0]))
    assert len(kept_files(home)) == 2


def test_a_secret_that_nobody_asked_for(site: Site) -> None:
    site.says(
        {
            "client_id": "c",
            "client_secret": SECRET,
            "client_secret_expires_at": 0,
            "token_endpoint_auth_method": "client_secret_basic",
            "registration_access_token": MANAGEMENT_TOKEN,
            "registration_client_uri": f"{site.url}/register/c",
        }
    )
    client = site.obtain()
    ready = client.applied_to(site.provider())
    assert (ready.client_secret, ready.token_endpoint_auth_method) == (SECRET, "client_secret_basic")
    for shown in (repr(client), repr(ready)):
        assert SECRET not in shown
        assert MANAGEMENT_TOKEN not in shown
    kept = registration.kept(site.provider())
    assert kept
    assert (kept.client_secret, kept.registration_access_token) == (SECRET, MANAGEMENT_TOKEN)


def test_a_secret_beside_an_echoed_none(site: Site) -> None:
    site.says({"client_id": "c", "client_secret": SECRET, "token_endpoint_auth_method": "none"})
    ready = site.obtain().applied_to(site.provider(token_endpoint_auth_method="client_secret_basic"))
    assert (ready.client_secret, ready.token_endpoint_auth_method) == (SECRET, "client_secret_basic")


@pytest.mark.parametrize(
    ("ends", "times"),
    [
        (1, 2),
        (lambda: time.time() - 5, 2),
        (lambda: time.time() + 900, 1),
        (True, 1),
        ("1", 1),
        (float("nan"), 1),
        (-1, 1),
        (1e300, 1),
    ],
    ids=["1970", "just now", "in 15 minutes", "True", "text", "nan", "-1", "1e300"],
)
def test_a_secret_that_has_ended(site: Site, ends: object, times: int) -> None:
    ends = ends() if callable(ends) else ends
    site.says({"client_id": "c", "client_secret": SECRET, "client_secret_expires_at": ends})
    site.obtain()
    site.obtain()
    assert len(site.requests) == times


@pytest.mark.parametrize(
    ("own", "registered", "used"),
    [
        ("", ["http://127.0.0.1:9999/callback"], "http://127.0.0.1:9999/callback"),
        ("", ["http://localhost/callback"], "http://localhost/callback"),
        ("", ["http://[::1]/callback", "http://127.0.0.1/callback"], "http://127.0.0.1/callback"),
        ("http://127.0.0.1:8080/callback", ["http://127.0.0.1/callback"], "http://127.0.0.1:8080/callback"),
        ("https://mail.example.org/paste", ["https://mail.example.org/paste"], "https://mail.example.org/paste"),
        ("https://mail.example.org/paste", ["http://127.0.0.1/callback"], "http://127.0.0.1/callback"),
        ("", ["https://evil.example.org/callback"], None),
        ("", ["http://evil.example.org/callback"], None),
        ("", ["http://127.0.0.1.evil.example.org/callback"], None),
        ("", ["http://evil@127.0.0.1/callback"], None),
        ("", ["http://127.0.0.1/elsewhere"], None),
        ("", ["http://[", "http://127.0.0.1:x/callback", 7, None], None),
        ("", [], None),
    ],
)
def test_redirect_uris_that_the_server_replaced(site: Site, own: str, registered: list[Any], used: str | None) -> None:
    site.says({"client_id": "c", "redirect_uris": registered})
    row: dict[str, Any] = {"redirect_uri": own} if own else {}
    if used is not None:
        assert site.obtain(**row).redirect_uri == used
        assert site.obtain(**row).redirect_uri == used
        assert len(site.requests) == 1
        return
    with pytest.raises(OAuthError, match="and not this program's"):
        site.obtain(**row)
    assert registration.kept(site.provider()) is None


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({}, "201 and no client"),
        (b"<html>", "201 and no client"),
        (b"[" * 100000, "201 and no client"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "  "}, "client_id"),
        ({"client_id": 7}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"client_id": "é"}, "client_id"),
        ({"client_id": "a" * 5000}, "client_id"),
        ({"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"}, "private_key_jwt"),
        ({"client_id": "c", "token_endpoint_auth_method": "client_secret_basic"}, "client_secret_basic"),
        ({"client_id": "c", "grant_types": ["client_credentials"]}, "client_credentials"),
        ({"client_id": "c", "grant_types": []}, "grants none"),
        ({"client_id": "c", "scope": "profile offline_access"}, "profile offline_access"),
        ({"error": "access_denied", "client_id": "c"}, "access_denied"),
        (b" " * (1 << 20), "more than"),
    ],
)
def test_answers_that_are_no_client(site: Site, response: object, words: str, home: Path) -> None:
    site.says(response)
    with pytest.raises(OAuthError) as caught:
        site.obtain()
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert kept_files(home) == []


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "invalid_redirect_uri", "redirect to this machine"),
        (400, "invalid_client_metadata", "a client like this"),
        (400, "invalid_software_statement", "software statement"),
        (400, "unapproved_software_statement", "approved"),
        (400, "something_else", "something_else"),
        (401, "invalid_token", "initial access token"),
        (403, "", "initial access token"),
        (404, "", "404"),
    ],
)
def test_refusals(site: Site, status: int, code: str, words: str) -> None:
    site.says({"error": code, "error_description": "the \x1b[2Jreason"} if code else b"<html>", status)
    with pytest.raises(OAuthError) as caught:
        site.obtain()
    assert words in caught.value.message
    assert ("the [2Jreason" in caught.value.message) == bool(code)
    assert "by hand" in caught.value.hint
    assert "[providers.example]" in caught.value.hint
    assert "client_id" in caught.value.hint
    assert not registration.is_forgotten(caught.value)
    assert len(site.requests) == (2 if code == "invalid_redirect_uri" else 1)


@pytest.mark.parametrize(
    ("own", "second"), [("", "http://localhost/callback"), ("http://127.0.0.1:8/x", "http://127.0.0.1:8/x")]
)
def test_one_redirect_uri_where_all_of_them_are_refused(site: Site, own: str, second: str) -> None:
    site.says({"error": "invalid_redirect_uri"}, 400)
    site.says({"client_id": "c", "redirect_uris": [second]})
    client = site.obtain(redirect_uri=own or DEFAULT_REDIRECT_URI)
    assert site.requests[1]["redirect_uris"] == [second]
    assert client.redirect_uri == second


def test_odd_members_of_a_client(site: Site) -> None:
    odd = {"error": None, "scope": [MAIL_SCOPE, "offline_access"], "client_secret_expires_at": math.inf}
    body = json.dumps({"client_id": "c", **odd}).encode()[:-1]
    site.says(body + b', "huge": ' + b"9" * 5000 + b', "half": "\\ud800"}', 202)
    client = site.obtain()
    assert (client.client_id, client.registered_scope) == ("c", f"{MAIL_SCOPE} offline_access")


@pytest.mark.parametrize("status", [400, 403])
def test_a_limit_on_registrations_passes(site: Site, status: int) -> None:
    site.says({"message": "Too many requests. Please try again later."}, status)
    with pytest.raises(NetworkError, match="too many requests"):
        site.obtain()


def test_passing_faults_and_redirects(site: Site) -> None:
    site.responses = [None]
    with pytest.raises(NetworkError):
        site.obtain()
    site.responses = [StubResponse(503, b"", {})]
    with pytest.raises(NetworkError):
        site.obtain()
    site.responses = [StubResponse(429, b"", {"Retry-After": "9"})]
    with pytest.raises(NetworkError) as caught:
        site.obtain()
    assert caught.value.retry_after == 9
    site.responses = [StubResponse(302, b"", {"Location": f"{site.url}/elsewhere"})]
    with pytest.raises(OAuthError, match="redirect"):
        site.obtain()


@pytest.mark.parametrize("endpoint", [None, "", 7, ["https://a/"]])
def test_a_server_that_registers_nobody(site: Site, endpoint: object) -> None:
    with pytest.raises(OAuthError, match="does not register clients automatically") as caught:
        site.obtain({"registration_endpoint": endpoint}, registration_endpoint="")
    assert "by hand" in caught.value.hint


def test_plain_http_is_not_registered_at(site: Site) -> None:
    with pytest.raises(ConfigError, match="https://"):
        site.obtain(registration_endpoint="http://example.org/register")


@pytest.mark.parametrize(
    ("supported", "expected"),
    [
        (None, f"{MAIL_SCOPE} offline_access"),
        ("mail", f"{MAIL_SCOPE} offline_access"),
        (["openid", MAIL_SCOPE, "email"], MAIL_SCOPE),
        (["offline_access", MAIL_SCOPE], f"{MAIL_SCOPE} offline_access"),
    ],
)
def test_the_scope_of_mail(supported: object, expected: str) -> None:
    row = Provider(name="example", issuer="https://a/")
    assert registration.scope(row, {} if supported is None else {"scopes_supported": supported}) == expected
    own = replace(row, scope="openid email mail")
    assert registration.scope(own, {"scopes_supported": supported}) == "openid email mail"


@pytest.mark.parametrize(("supported", "named"), [(["openid", "pop", 7], "openid pop"), ([], "none"), ([{}], "none")])
def test_a_server_without_the_scope_of_mail(supported: object, named: str) -> None:
    with pytest.raises(OAuthError, match=f"it has: {named}") as caught:
        registration.scope(Provider(name="example", issuer="https://a/"), {"scopes_supported": supported})
    assert "scope into [providers.example]" in caught.value.hint


# --- the file


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100000,
        {"client_id": 7},
        {"client_id": ""},
        {"version": 2},
        {"issuer": "https://evil.example.org"},
        {"redirect_uris": "http://127.0.0.1/callback"},
        {"grant_types": [7]},
        {"client_secret_expires_at": True},
    ],
)
def test_a_damaged_file_says_which_to_delete(site: Site, home: Path, content: bytes | dict[str, object]) -> None:
    site.says({"client_id": "c", "client_secret": SECRET})
    site.obtain()
    [file] = kept_files(home)
    damaged = {**json.loads(file.read_text()), **content} if isinstance(content, dict) else content
    file.write_bytes(damaged if isinstance(damaged, bytes) else json.dumps(damaged).encode())
    with pytest.raises(StateError, match="is damaged") as caught:
        site.obtain()
    assert f"rm {file}" in caught.value.hint
    assert SECRET not in str(caught.value)
    assert len(site.requests) == 1
    registration.forget(site.provider())
    assert site.obtain().client_id == "c"


def test_a_file_that_is_not_ours_alone(site: Site, home: Path) -> None:
    site.says({"client_id": "c"})
    site.obtain()
    [file] = kept_files(home)
    file.chmod(0o640)
    with pytest.raises(StateError, match="open to others"):
        registration.kept(site.provider())
    target = file.rename(home / "elsewhere")
    target.chmod(0o600)
    file.symlink_to(target)
    with pytest.raises(StateError):
        registration.kept(site.provider())
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(StateError, match="not a regular file"):
        registration.kept(site.provider())
    file.unlink()
    if os.geteuid() == 0:
        target.rename(file)
        os.chown(file, 12345, -1)
        with pytest.raises(StateError, match="another user"):
            registration.kept(site.provider())


def test_a_directory_that_cannot_be_made_shows_before_the_server_is_asked(site: Site, home: Path) -> None:
    state = home / ".local/state/oauth2-pop3"
    state.mkdir()
    (state / "registrations").write_text("")
    site.says({"client_id": "c"})
    with pytest.raises(OAuth2Pop3Error, match="registrations"):
        site.obtain()
    assert site.requests == []


def test_the_sign_in_url_has_what_was_registered(site: Site) -> None:
    site.says({"client_id": "c", "redirect_uris": ["http://localhost/callback"], "scope": MAIL_SCOPE})
    ready = site.obtain().applied_to(site.provider(authorization_endpoint=f"{site.url}/authorize"))
    url = AuthorizationRequest.prepare(Client(ready, account="a@example.org"), redirect_uri=ready.redirect_uri).url
    query = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
    assert (query["client_id"], query["scope"]) == ("c", MAIL_SCOPE)
    assert query["redirect_uri"] == "http://localhost/callback"
