"""The client credentials grant (RFC 6749 section 4.4), at the real authorization server and the real POP3 server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from oauth2_pop3.errors import AuthenticationRejected, ConfigError, NetworkError, OAuthError
from oauth2_pop3.oauth2.client import Client as OurClient
from oauth2_pop3.oauth2.grants.client_credentials import ClientCredentials
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.pop3 import maildrop
from oauth2_pop3.pop3.maildrop import MaildropServer
from oauth2_pop3.providers.provider import Provider
from servers.authorization_server import (
    NATIVE_CONFIDENTIAL,
    SERVICE_JWT,
    SERVICE_SECRET,
    SERVICE_USERNAME,
    AuthorizationServer,
    Client,
)
from servers.dovecot import Dovecot
from support.grants import complete

SECRET = "a-secret-that-nobody-may-see"


@pytest.fixture
def provider(home: Path, authorization_server: AuthorizationServer) -> Provider:
    row = Provider(
        name="example",
        issuer=authorization_server.issuer,
        scope="mail",
        ca_certs=str(authorization_server.ca_file),
    )
    return complete(row)


def ask(provider: Provider, client: Client = SERVICE_JWT, *, key_password: str = "") -> Token:
    asking = OurClient(
        replace(provider, client_id=client.client_id),
        account=SERVICE_USERNAME,
        client_secret=client.client_secret,
        key_password=key_password,
    )
    grant = ClientCredentials()
    return grant.read(asking, grant.request(asking))


def count(token: Token, dovecot: Dovecot, provider: Provider, user: str = SERVICE_USERNAME) -> int:
    """The messages in the maildrop, by POP3."""
    server = MaildropServer(host="localhost", port=dovecot.pop3s_port, ca_certs=provider.ca_certs, timeout=60)
    session = maildrop.open_maildrop(server, user, lambda _: token.access_token)
    try:
        return session.stat()[0]
    finally:
        session.close()


@pytest.fixture
def key(authorization_server: AuthorizationServer) -> rsa.RSAPrivateKey:
    """The one that SERVICE_JWT is registered with."""
    found = load_pem_private_key(authorization_server.private_key_file.read_bytes(), None)
    assert isinstance(found, rsa.RSAPrivateKey)
    return found


@pytest.fixture
def own_certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "service-jwt")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=90))
    return builder.serial_number(x509.random_serial_number()).sign(key, SHA256())


def test_a_secret_opens_the_maildrop(
    provider: Provider, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    dovecot.clear(SERVICE_USERNAME)
    dovecot.add_messages(SERVICE_USERNAME, 2)
    token = ask(provider, SERVICE_SECRET)
    assert token.scope == "mail"
    assert token.refresh_token == ""
    assert 3500 < token.valid_for() <= 3600
    assert count(token, dovecot, provider) == 2
    [request] = authorization_server.token_requests()
    assert request == {"grant_type": "client_credentials", "client_id": "service-secret", "status": 200}
    with pytest.raises(AuthenticationRejected):
        count(token, dovecot, provider, "somebody-else@example.org")


Files = Callable[[Path, rsa.RSAPrivateKey, x509.Certificate], dict[str, Any]]
PASSWORD = b"pw"


def _plain(directory: Path, key: rsa.RSAPrivateKey, _: x509.Certificate) -> dict[str, Any]:
    return {"client_private_key": _write(directory / "key.pem", _pem(key))}


def _with_kid(directory: Path, key: rsa.RSAPrivateKey, own: x509.Certificate) -> dict[str, Any]:
    return {
        **_plain(directory, key, own),
        "client_key_id": "service-jwt",
        "token_endpoint_auth_method": "private_key_jwt",
    }


def _with_certificate(directory: Path, key: rsa.RSAPrivateKey, own: x509.Certificate) -> dict[str, Any]:
    file = _write(directory / "certificate.pem", own.public_bytes(Encoding.PEM))
    return {**_plain(directory, key, own), "client_certificate": file}


def _encrypted_pkcs12(directory: Path, key: rsa.RSAPrivateKey, own: x509.Certificate) -> dict[str, Any]:
    content = pkcs12.serialize_key_and_certificates(b"x", key, own, None, BestAvailableEncryption(PASSWORD))
    return {"client_private_key": _write(directory / "client.p12", content)}


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize("files", [_plain, _with_kid, _with_certificate, _encrypted_pkcs12])
def test_a_key_opens_the_maildrop(
    files: Files,
    provider: Provider,
    authorization_server: AuthorizationServer,
    dovecot: Dovecot,
    tmp_path: Path,
    key: rsa.RSAPrivateKey,
    own_certificate: x509.Certificate,
) -> None:
    """RS256 without a certificate and PS256 with one: oidc-provider verifies either."""
    dovecot.clear(SERVICE_USERNAME)
    dovecot.add_messages(SERVICE_USERNAME, 1)
    row = replace(provider, **files(tmp_path, key, own_certificate))
    password = PASSWORD.decode() if files is _encrypted_pkcs12 else ""
    tokens = [ask(row, key_password=password) for _ in range(2)]  # twice: a jti is taken once
    assert tokens[0].access_token != tokens[1].access_token
    assert [count(token, dovecot, provider) for token in tokens] == [1, 1]
    assert {request["status"] for request in authorization_server.token_requests()} == {200}


def test_a_key_that_the_server_does_not_know(provider: Provider, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    file = _write(tmp_path / "other.pem", _pem(key))
    with pytest.raises(OAuthError) as caught:
        ask(replace(provider, client_private_key=file))
    assert caught.value.code == "invalid_client"
    assert "PRIVATE KEY" not in str(caught.value)


def test_a_wrong_secret_and_a_client_that_may_not(provider: Provider) -> None:
    with pytest.raises(OAuthError) as caught:
        ask(provider, Client(SERVICE_SECRET.client_id, SECRET))
    assert caught.value.code == "invalid_client"
    assert SECRET not in str(caught.value)
    with pytest.raises(OAuthError) as caught:
        ask(provider, NATIVE_CONFIDENTIAL)
    assert caught.value.code == "invalid_request"  # oidc-provider's word for RFC 6749's unauthorized_client
    assert "grant type is not allowed" in caught.value.message


def test_the_scope_is_what_was_granted(provider: Provider) -> None:
    """oidc-provider grants less than was asked for, and says so (section 3.3); nothing, if nothing was asked for."""
    assert ask(replace(provider, scope="mail everything"), SERVICE_SECRET).scope == "mail"
    assert ask(replace(provider, scope=""), SERVICE_SECRET).scope == ""


def test_a_public_client_is_told_before_anything_is_sent(
    provider: Provider, authorization_server: AuthorizationServer
) -> None:
    with pytest.raises(ConfigError, match=r"needs a client_secret or a client_private_key.*--client-private-key"):
        ask(provider, Client(SERVICE_SECRET.client_id))
    assert authorization_server.token_requests() == []


def test_a_passing_fault(provider: Provider, authorization_server: AuthorizationServer) -> None:
    authorization_server.fault("429:9", times=1)
    with pytest.raises(NetworkError) as caught:
        ask(provider, SERVICE_SECRET)
    assert caught.value.retry_after == 9
    assert ask(provider, SERVICE_SECRET).access_token
