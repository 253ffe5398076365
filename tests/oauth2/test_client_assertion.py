"""private_key_jwt (RFC 7523 section 2.2): what the assertion says, who can verify it, and keys that cannot be used."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.oauth2 import client_assertion
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.providers.provider import Provider
from servers import programs

AUDIENCE = "https://login.example/token"
PASSWORD = "pässword-that-nobody-may-see"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())


def provider(**keys: Any) -> Provider:
    return Provider(name="example", authorization_endpoint="https://login.example/a", token_endpoint=AUDIENCE, **keys)


def pem(key: Any, password: str = "") -> bytes:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    content: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return content


def certificate(key: Any, ends_in: timedelta = timedelta(days=365)) -> x509.Certificate:
    """A self-signed certificate, such as people upload to an app's registration."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a client")])
    end = datetime.now(UTC) + ends_in
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(end - timedelta(days=900)).not_valid_after(end)
    return builder.serial_number(x509.random_serial_number()).sign(key, SHA256())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """write(content): the path of a new file that holds it."""

    def make(content: bytes, mode: int = 0o600) -> str:
        path = tmp_path / f"file-{len(list(tmp_path.iterdir()))}"
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    return make


def make_assertion(row: Provider, password: str = "") -> str:
    return client_assertion.private_key_jwt(
        replace(row, client_id="the-client"), audience=AUDIENCE, key_password=password
    )


def verified(assertion: str, key: Any, algorithm: str) -> dict[str, Any]:
    """The claims, once PyJWT has verified the signature and the times as a server would."""
    options: Any = {"require": ["iss", "sub", "aud", "jti", "iat", "nbf", "exp"]}
    claims: dict[str, Any] = jwt.decode(
        assertion, key.public_key(), [algorithm], audience=AUDIENCE, issuer="the-client", options=options
    )
    return claims


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA, "RS256"),
        (P256, "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=["RS256", "ES256", "ES384", "ES512", "EdDSA"],
)
def test_what_it_says(write: Callable[..., str], key: Any, algorithm: str) -> None:
    row = provider(client_private_key=write(pem(key)), client_key_id="key-7")
    assertion = make_assertion(row)
    assert jwt.get_unverified_header(assertion) == {"alg": algorithm, "typ": "JWT", "kid": "key-7"}
    claims = verified(assertion, key, algorithm)
    assert claims["sub"] == "the-client"
    assert abs(claims["iat"] - time.time()) < 10
    assert claims["nbf"] == claims["iat"]
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert len(claims["jti"]) >= 22
    assert verified(make_assertion(row), key, algorithm)["jti"] != claims["jti"]
    wrong = {"RS256": OTHER_RSA, "EdDSA": ed25519.Ed25519PrivateKey.generate()}.get(algorithm)
    wrong = wrong or ec.generate_private_key(key.curve)
    with pytest.raises(jwt.InvalidSignatureError):  # else `verified` proves nothing
        verified(assertion, wrong, algorithm)


def test_no_kid_where_the_row_has_none(write: Callable[..., str]) -> None:
    header = jwt.get_unverified_header(make_assertion(provider(client_private_key=write(pem(RSA)))))
    assert header == {"alg": "RS256", "typ": "JWT"}


def test_the_certificate_is_named_by_the_thumbprint_that_openssl_prints(write: Callable[..., str]) -> None:
    """With a certificate, RSA signs with PS256, as Microsoft documents for x5t#S256."""
    file = write(certificate(RSA).public_bytes(Encoding.PEM), mode=0o644)
    assertion = make_assertion(provider(client_private_key=write(pem(RSA)), client_certificate=file))
    command = [programs.find("openssl"), "x509", "-in", file, "-noout", "-fingerprint", "-sha256"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    digest = bytes.fromhex(printed.partition("=")[2].strip().replace(":", ""))
    assert len(digest) == 32
    thumbprint = jwt.get_unverified_header(assertion)["x5t#S256"]
    assert base64.urlsafe_b64decode(thumbprint + "=") == digest
    assert "=" not in thumbprint
    assert verified(assertion, RSA, "PS256")["iss"] == "the-client"


@pytest.mark.parametrize("key", [RSA, P256], ids=["RSA", "EC"])
@pytest.mark.parametrize("password", ["", PASSWORD], ids=["plain", "encrypted"])
def test_pkcs12_brings_its_certificate(write: Callable[..., str], key: Any, password: str) -> None:
    own = certificate(key)
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    file = write(pkcs12.serialize_key_and_certificates(b"client", key, own, None, encryption))
    assertion = make_assertion(provider(client_private_key=file), password)
    header = jwt.get_unverified_header(assertion)
    assert base64.urlsafe_b64decode(header["x5t#S256"] + "=") == own.fingerprint(SHA256())
    assert verified(assertion, key, header["alg"])


def test_an_encrypted_pem_and_a_home_directory(
    write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = Path(write(pem(RSA, PASSWORD))).name
    assert verified(make_assertion(provider(client_private_key=f"~/{name}"), PASSWORD), RSA, "RS256")


def test_key_and_certificate_in_one_file(write: Callable[..., str]) -> None:
    """The form in which trustme and many tools write them; with the certificate before the key."""
    leaf = trustme.CA().issue_cert("client.example")
    file = write(leaf.cert_chain_pems[0].bytes() + leaf.private_key_pem.bytes())
    assertion = make_assertion(provider(client_private_key=file, client_certificate=file))
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    header = jwt.get_unverified_header(assertion)
    assert "x5t#S256" in header
    assert verified(assertion, key, header["alg"])


# --- keys that cannot be used


def refusal(row: Provider, password: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        make_assertion(row, password)
    assert PASSWORD not in f"{caught.value}"
    assert "BEGIN" not in f"{caught.value}"
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "password", "words"),
    [
        (b"", "", "private key"),
        (b"\x00\x01 something else", "", "private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "private key"),
        (certificate(P256).public_bytes(Encoding.PEM), "", "private key"),
        (pem(P256, "another"), PASSWORD, "password is wrong"),
        (pem(P256, "another"), "", "client_private_key_password_command"),
        (pem(P256), PASSWORD, "client_private_key_password_command"),
        (
            pkcs12.serialize_key_and_certificates(None, P256, None, None, BestAvailableEncryption(b"another")),
            PASSWORD,
            "password is wrong",
        ),
        (
            pkcs12.serialize_key_and_certificates(None, None, certificate(P256), None, NoEncryption()),
            "",
            "holds no private key",
        ),
        (pem(ed448.Ed448PrivateKey.generate()), "", "cannot sign"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "", "cannot sign"),
        (pem(rsa.generate_private_key(65537, 1024)), "", "1024 bits.*too weak"),
        (bytes((1 << 20) + 1), "", "larger than"),
    ],
    ids=[
        "empty",
        "binary",
        "broken",
        "certificate",
        "wrong-password",
        "no-password",
        "needless-password",
        "pkcs12-wrong-password",
        "pkcs12-no-key",
        "Ed448",
        "secp256k1",
        "RSA-1024",
        "too-large",
    ],
)
def test_a_file_that_is_no_key(write: Callable[..., str], content: bytes, password: str, words: str) -> None:
    file = write(content)
    with pytest.raises(ConfigError, match=words) as caught:
        make_assertion(provider(client_private_key=file), password)
    assert file in caught.value.message or "password_command" in words
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_others_may_not_read_it(write: Callable[..., str], mode: int) -> None:
    file = write(pem(P256), mode)
    refused = refusal(provider(client_private_key=file))
    assert f"(mode {mode:04o}). " in refused
    assert refused.endswith(f" Run: chmod 600 {file}"), "it can be pasted as it stands"
    Path(file).chmod(0o400)
    assert make_assertion(provider(client_private_key=file))


def test_it_is_ours(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(pem(P256))
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert "belongs to another user" in refusal(provider(client_private_key=file))


def test_a_path_that_leads_nowhere(write: Callable[..., str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    key = write(pem(P256))
    for path, words in (
        (f"{tmp_path}/missing", "No such file"),
        (str(tmp_path), "is a directory"),
        (f"{tmp_path}/fifo", "not a regular file"),  # and reading it does not wait
        ("~nobody-has-this-name/key.pem", "home directory"),
        ("a\0b", "null byte"),
    ):
        assert words in refusal(provider(client_private_key=path))
        assert words in refusal(provider(client_private_key=key, client_certificate=path))
    assert "not a certificate in PEM" in refusal(provider(client_private_key=key, client_certificate=key))


# --- certificates


@pytest.mark.parametrize("as_pkcs12", [False, True])
def test_a_certificate_of_another_key(write: Callable[..., str], as_pkcs12: bool) -> None:
    theirs = write(certificate(OTHER_RSA).public_bytes(Encoding.PEM))
    content = pem(RSA)
    if as_pkcs12:  # the one that is named counts, not the one inside
        content = pkcs12.serialize_key_and_certificates(None, RSA, certificate(RSA), None, NoEncryption())
    row = provider(client_private_key=write(content), client_certificate=theirs)
    assert f"the certificate {theirs} does not belong to the key" in refusal(row)
    with pytest.raises(ConfigError, match="does not belong"):
        client_assertion.warning(row)


def with_certificate(write: Callable[..., str], ends_in: timedelta) -> Provider:
    file = write(certificate(P256, ends_in).public_bytes(Encoding.PEM))
    return provider(client_private_key=write(pem(P256)), client_certificate=file, title="The Example")


def test_a_certificate_that_has_ended(write: Callable[..., str]) -> None:
    row = with_certificate(write, timedelta(minutes=-1))
    told = refusal(row)
    assert "the certificate of the client ended on 20" in told
    assert "Register a new one with The Example" in told
    with pytest.raises(ConfigError, match="ended on"):
        client_assertion.warning(row)


@pytest.mark.parametrize(
    ("ends_in", "words"),
    [
        (timedelta(minutes=5), "ends in 0 days"),
        (timedelta(days=1, minutes=5), "ends in 1 day,"),
        (timedelta(days=29, hours=23), "ends in 29 days"),
        (timedelta(days=30, hours=1), ""),
        (timedelta(days=400), ""),
    ],
)
def test_a_certificate_that_ends_soon_is_warned_of(write: Callable[..., str], ends_in: timedelta, words: str) -> None:
    row = with_certificate(write, ends_in)
    told = client_assertion.warning(row)
    assert words in told
    assert bool(words) == bool(told)
    if told:
        assert f"{datetime.now(UTC) + ends_in:%Y-%m-%d}" in told
        assert "The Example" in told
    assert make_assertion(row)


def test_nothing_to_warn_of(write: Callable[..., str]) -> None:
    assert client_assertion.warning(provider()) == ""
    assert client_assertion.warning(provider(client_private_key=write(pem(P256)))) == ""
    locked = provider(client_private_key=write(pem(P256, PASSWORD)))
    assert client_assertion.warning(locked, PASSWORD) == ""


# --- how a client authenticates


def test_client_authentication(write: Callable[..., str]) -> None:
    def authenticate(row: Provider, secret: str = "") -> Any:
        return Client(replace(row, client_id="the client"), client_secret=secret).authenticated({"a": "1"})

    assert authenticate(provider()) == ({"a": "1", "client_id": "the client"}, None)
    assert authenticate(provider(), "s+") == ({"a": "1", "client_id": "the client", "client_secret": "s+"}, None)
    basic = provider(token_endpoint_auth_method="client_secret_basic")
    assert authenticate(basic, "s+") == ({"a": "1"}, ("the+client", "s%2B"))
    none = provider(token_endpoint_auth_method="none")
    assert authenticate(none, "s+") == ({"a": "1", "client_id": "the client"}, None)

    row = provider(client_private_key=write(pem(P256)))
    for each in (row, replace(row, token_endpoint_auth_method="private_key_jwt")):
        form, header = authenticate(each)
        claims = jwt.decode(form.pop("client_assertion"), P256.public_key(), ["ES256"], audience=AUDIENCE)
        assert claims["iss"] == claims["sub"] == "the client"
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert form == {"a": "1", "client_id": "the client", "client_assertion_type": kind}
        assert header is None

    with pytest.raises(ConfigError, match="no client_private_key is named"):
        authenticate(provider(token_endpoint_auth_method="private_key_jwt"), "s+")  # the secret does not go out


def test_without_the_extra(write: Callable[..., str]) -> None:
    """Neither library is loaded before it is needed; if one is missing, the error has the command to install it."""
    code = """
import sys
sys.modules[sys.argv[1]] = None
from oauth2_pop3.oauth2 import client, client_assertion, token_endpoint
from oauth2_pop3.errors import ConfigError
from oauth2_pop3.oauth2.grants import client_credentials, jwt_bearer
from oauth2_pop3.providers.provider import Provider
assert not {"jwt", "cryptography"} - {sys.argv[1]} & set(sys.modules)
row = Provider(name="x", client_private_key=sys.argv[2])
try:
    client_assertion.private_key_jwt(row, audience="a")
except ConfigError as error:
    print(error.hint)
"""
    for library in ("jwt", "cryptography"):
        arguments = [sys.executable, "-c", code, library, write(pem(P256))]
        result = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert (result.stdout, result.stderr) == ("Run: pip install 'oauth2-pop3[jwt]'\n", "")
