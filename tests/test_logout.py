"""`oauth2-pop3 logout`: revoked at the certified authorization server, forgotten here in any case."""

from __future__ import annotations

import pytest

from product import ADDRESS, Product
from servers.authorization_server import NATIVE_BASIC, NATIVE_CONFIDENTIAL, NATIVE_PUBLIC, AuthorizationServer, Client
from servers.dovecot import Dovecot

Stack = tuple[Product, AuthorizationServer]


@pytest.fixture
def signed_in(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> Stack:
    product.use(authorization_server, dovecot)
    assert product.login(authorization_server).returncode == 0
    return product, authorization_server


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


def test_it_is_forgotten_though_the_server_is_down(signed_in: Stack) -> None:
    product, server = signed_in
    refresh_token = product.stored()["refresh_token"]
    server.stop()
    result = product.run("logout", ADDRESS)
    assert result.returncode == 75
    assert "deleted from this machine" in result.stdout
    assert "has not revoked them" in result.stderr
    assert refresh_token not in result.stdout + result.stderr
    assert nothing_is_left(product)


def test_a_provider_that_cannot_revoke(signed_in: Stack) -> None:
    product, server = signed_in
    refresh_token = product.stored()["refresh_token"]
    endpoints = f'authorization_endpoint = "{server.issuer}/auth"\ntoken_endpoint = "{server.issuer}/token"\n'
    product.configure(product.config_file.read_text().replace("client_id =", endpoints + "client_id ="))
    result = product.run("logout", ADDRESS)
    assert result.returncode == 0, result.stderr
    assert "has no way to revoke them" in result.stdout
    assert nothing_is_left(product)
    assert not refused_at_the_server(server, refresh_token)


def test_a_server_that_refuses_to(signed_in: Stack) -> None:
    product, _ = signed_in
    product.configure(product.config_file.read_text().replace('client_id = "native-public"', 'client_id = "nobody"'))
    result = product.run("logout", ADDRESS)
    assert result.returncode == 76
    assert "has not revoked them" in result.stderr
    assert nothing_is_left(product)
