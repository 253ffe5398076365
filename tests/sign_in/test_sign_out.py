"""`oauth2-pop3 logout`: revoked at the certified authorization server, forgotten here in any case."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from oauth2_pop3.errors import AuthorizationRequired, OAuthError
from oauth2_pop3.oauth2.client import Client as OurClient
from oauth2_pop3.oauth2.revocation import revoke
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider
from servers.authorization_server import NATIVE_BASIC, NATIVE_CONFIDENTIAL, NATIVE_PUBLIC, AuthorizationServer, Client
from servers.dovecot import Dovecot
from servers.stub import Request, StubResponse, stub
from support.product import ADDRESS, Product


def refused_at_the_server(server: AuthorizationServer, refresh_token: str, client: Client = NATIVE_PUBLIC) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return bool(server._post("/token", client, form).json().get("error") == "invalid_grant")


def nothing_is_left(product: Product) -> bool:
    return not list(product.state.glob("tokens/*")) and not list(product.state.glob("access/*"))


@pytest.mark.parametrize("client", [NATIVE_PUBLIC, NATIVE_CONFIDENTIAL, NATIVE_BASIC])
def test_it_is_revoked(
    client: Client, product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    more = 'token_endpoint_auth_method = "client_secret_basic"' if client == NATIVE_BASIC else ""
    product.use(authorization_server, dovecot, client=client, more=more)
    assert product.login(authorization_server).returncode == 0
    refresh_token = product.stored()["refresh_token"]
    result = product.run("logout", ADDRESS)
    assert result.returncode == 0, result.stderr
    assert "has revoked them" in result.stdout
    assert nothing_is_left(product)
    assert refused_at_the_server(authorization_server, refresh_token, client)
    assert product.run("token", ADDRESS).returncode == 77
    assert product.run("logout", ADDRESS).returncode == 77


def test_a_token_without_its_row_is_revoked_too(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    """As a `login` leaves it that is killed between the two, with another provider and client than the domain's."""
    product.use(authorization_server, dovecot)
    product.configure(product.config_file.read_text().replace("domains =", "#").replace("client_id =", "#"))
    before = product.config_file.read_text()
    arguments = (ADDRESS, "--provider", "example", "--client-id", NATIVE_PUBLIC.client_id)
    assert product.login(authorization_server, *arguments).returncode == 0
    product.configure(before)
    refresh_token = product.stored()["refresh_token"]
    assert product.run("token", ADDRESS, "--min-validity", "99999999").returncode == 77
    result = product.run("logout", ADDRESS)
    assert (result.returncode, result.stderr) == (0, "")
    assert "has revoked them" in result.stdout
    assert nothing_is_left(product)
    assert refused_at_the_server(authorization_server, refresh_token)


def test_a_token_whose_provider_nobody_knows_any_more_is_deleted(signed_in: Product) -> None:
    signed_in.configure("")
    assert signed_in.stored()["provider"] == "example"
    result = signed_in.run("logout", ADDRESS)
    assert result.returncode == 78
    assert "deleted from this machine" in result.stdout
    assert nothing_is_left(signed_in)


def test_it_is_forgotten_though_the_server_is_down(
    signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    product, server = signed_in, authorization_server
    refresh_token = product.stored()["refresh_token"]
    server.stop()
    result = product.run("logout", ADDRESS)
    assert result.returncode == 75
    assert "deleted from this machine" in result.stdout
    assert "has not revoked them" in result.stderr
    assert refresh_token not in result.stdout + result.stderr
    assert nothing_is_left(product)


def test_a_provider_that_cannot_revoke(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    product, server = signed_in, authorization_server
    refresh_token = product.stored()["refresh_token"]
    endpoints = f'authorization_endpoint = "{server.issuer}/auth"\ntoken_endpoint = "{server.issuer}/token"\n'
    product.configure(product.config_file.read_text().replace("client_id =", endpoints + "client_id ="))
    result = product.run("logout", ADDRESS)
    assert result.returncode == 0, result.stderr
    assert "cannot revoke tokens" in result.stdout
    assert nothing_is_left(product)
    assert not refused_at_the_server(server, refresh_token)


@pytest.mark.parametrize("content", ["", "{", '{"version": 2, "access_token": "x", "expires_at": 1}'])
def test_tokens_that_cannot_be_read_are_forgotten_too(content: str, signed_in: Product) -> None:
    """Once, they stayed for ever, and so did the readable copy of the access token."""
    product = signed_in
    (product.state / "tokens" / f"{ADDRESS}.json").write_text(content)
    result = product.run("logout", ADDRESS)
    assert result.returncode == 74
    assert "deleted from this machine" in result.stdout
    assert "has not revoked them" in result.stderr
    assert nothing_is_left(product)


def test_a_mailbox_does_not_end_the_sign_in_of_the_person_who_opens_it(signed_in: Product) -> None:
    """Once, signing out of a shared mailbox revoked the person's own tokens."""
    product = signed_in
    shared = "sales@example.org"
    with product.config_file.open("a") as file:
        file.write(f'[accounts."{shared}"]\naccount = "{ADDRESS}"\n')
    result = product.run("logout", shared)
    assert result.returncode == 64
    assert f"oauth2-pop3 logout {ADDRESS}" in result.stderr
    assert product.token()


def test_a_server_that_refuses_to(signed_in: Product) -> None:
    product = signed_in
    product.configure(product.config_file.read_text().replace('client_id = "native-public"', 'client_id = "nobody"'))
    result = product.run("logout", ADDRESS)
    assert result.returncode == 76
    assert "has not revoked them" in result.stderr
    assert nothing_is_left(product)


# -- servers that do not respond as RFC 7009 says, or respond as the certified one never does


class Revocation:
    """A revocation_endpoint on plain HTTP. responses: by token_type_hint; requests: the forms that came."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/revoke"
        self.responses: dict[str, tuple[int, dict[str, str]]] = {}
        self.requests: list[dict[str, str]] = []

    def revoke(self, *, access_token_ended: bool = False, client_id: str = "c", refresh_token: str = "rt") -> bool:
        provider = Provider(name="x", revocation_endpoint=self.url, allow_insecure_loopback=True, client_id=client_id)
        token = Token("at", int(time.time()) + (-1 if access_token_ended else 100), refresh_token)
        return revoke(OurClient(provider, account=ADDRESS, client_secret="s"), token)

    def respond(self, request: Request) -> StubResponse:
        self.requests.append(request.form)
        status, document = self.responses.get(request.form["token_type_hint"], (200, {}))
        return StubResponse(status, document or b"")

    @property
    def hints(self) -> list[str]:
        return [form["token_type_hint"] for form in self.requests]


@pytest.fixture
def endpoint() -> Iterator[Revocation]:
    with stub(lambda request: revocation.respond(request)) as url:
        revocation = Revocation(url)
        yield revocation


@pytest.mark.usefixtures("home")
def test_what_is_sent(endpoint: Revocation) -> None:
    assert endpoint.revoke()
    client = {"client_id": "c", "client_secret": "s"}
    assert endpoint.requests == [
        {"token": "rt", "token_type_hint": "refresh_token", **client},
        {"token": "at", "token_type_hint": "access_token", **client},
    ]


@pytest.mark.usefixtures("home")
def test_an_access_token_that_has_ended_is_left_out(endpoint: Revocation) -> None:
    assert endpoint.revoke(access_token_ended=True)
    assert endpoint.hints == ["refresh_token"]


@pytest.mark.usefixtures("home")
def test_a_client_without_a_client_id(endpoint: Revocation) -> None:
    assert endpoint.revoke(client_id="")
    assert not any("client_id" in form for form in endpoint.requests)


# Regression: "Google has not revoked them" at each logout, for the access token that had ended with its refresh token
@pytest.mark.parametrize("hints", [("access_token",), ("refresh_token", "access_token")])
@pytest.mark.usefixtures("home")
def test_google_says_that_a_token_is_dead_already(hints: tuple[str, ...], endpoint: Revocation) -> None:
    response = {"error": "invalid_token", "error_description": "Token expired or revoked"}
    endpoint.responses = dict.fromkeys(hints, (400, response))
    assert endpoint.revoke()
    assert endpoint.hints == ["refresh_token", "access_token"]


@pytest.mark.usefixtures("home")
def test_a_kind_of_token_that_cannot_be_revoked(endpoint: Revocation) -> None:
    endpoint.responses["access_token"] = (400, {"error": "unsupported_token_type"})
    assert endpoint.revoke()
    with pytest.raises(OAuthError, match="unsupported_token_type"):
        endpoint.revoke(refresh_token="")
    endpoint.responses["refresh_token"] = (400, {"error": "unsupported_token_type"})
    with pytest.raises(OAuthError, match="unsupported_token_type"):
        endpoint.revoke()


@pytest.mark.parametrize("response", [{"error": "invalid_grant"}, {"error": "access_denied"}, {}])
@pytest.mark.usefixtures("home")
def test_a_refusal_asks_nobody_to_sign_in(response: dict[str, str], endpoint: Revocation) -> None:
    endpoint.responses["refresh_token"] = (400, response)
    with pytest.raises(OAuthError) as caught:
        endpoint.revoke()
    assert not isinstance(caught.value, AuthorizationRequired)
    assert caught.value.exit_code == 76
    assert "rt" not in str(caught.value).split()
