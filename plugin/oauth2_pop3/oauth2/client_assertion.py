"""A client's key in place of its secret: private_key_jwt (RFC 7523 section 2.2), with a certificate's x5t#S256.

Needs the extra `jwt` (PyJWT and cryptography).
"""

from __future__ import annotations

import base64
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files.private_file import read_private, read_regular
from oauth2_pop3.providers.provider import Provider

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LIFETIME = 300
"""Seconds for which an assertion is valid."""
WARNING_DAYS = 30
"""How many days before a certificate ends the person is warned."""
SHORTEST_RSA_KEY = 2048
"""Bits: RFC 7518 sections 3.3 and 3.5."""
_SIZE_LIMIT = 1 << 20


class _Key(NamedTuple):
    private_key: Any
    certificate: Certificate | None


def private_key_jwt(provider: Provider, *, audience: str, key_password: str = "") -> str:
    """An assertion that identifies this client, signed with provider.client_private_key. Raises ConfigError.

    key_password: the password of the key's file. The certificate, from client_certificate or the PKCS#12 file, is
    named by its SHA-256 (x5t#S256, RFC 7515 section 4.1.8). The key is named by client_key_id, if the row has one.
    """
    key = _read(provider, key_password)
    headers: dict[str, object] = {}
    if key.certificate is not None:
        _require_valid(provider, key.certificate)
        headers["x5t#S256"] = _thumbprint(key.certificate)
    if provider.client_key_id:
        headers["kid"] = provider.client_key_id
    now = int(time.time())
    claims = {
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": audience,
        "jti": secrets.token_urlsafe(24),
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
    }
    return sign(key.private_key, claims, headers, where=provider.client_private_key)


def sign(private_key: Any, claims: dict[str, Any], headers: dict[str, Any], *, where: str) -> str:
    """A JWT by the algorithm that fits the key (RFC 7518 section 3, RFC 8037). where: its file, for the ConfigError."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private_key, rsa.RSAPrivateKey) and private_key.key_size < SHORTEST_RSA_KEY:
        raise ConfigError(
            f"{where} holds an RSA key of {private_key.key_size} bits, which is too weak (RFC 7518 section 3.3)",
            hint=f"Make one of {SHORTEST_RSA_KEY} bits or more, and register it.",
        )
    if isinstance(private_key, rsa.RSAPrivateKey):
        # With x5t#S256 (Entra, certificate credentials) Microsoft wants PS256 and also takes RS256; others only RS256.
        algorithm = "PS256" if "x5t#S256" in headers else "RS256"
    elif isinstance(private_key, ec.EllipticCurvePrivateKey) and private_key.curve.name in _CURVES:
        algorithm = _CURVES[private_key.curve.name]
    elif isinstance(private_key, ed25519.Ed25519PrivateKey):
        algorithm = "EdDSA"
    else:
        raise ConfigError(
            f"{where} holds a key that cannot sign a JWT", hint="Use RSA, EC (P-256, P-384, P-521) or Ed25519."
        )
    return jwt.encode(claims, private_key, algorithm=algorithm, headers=headers)


_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def warning(provider: Provider, key_password: str = "") -> str:
    """A sentence for the person if the client's certificate ends soon; else "". Raises ConfigError."""
    if not provider.client_private_key:
        return ""
    certificate = _read(provider, key_password).certificate
    if certificate is None:
        return ""
    _require_valid(provider, certificate)
    days = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    if days >= WARNING_DAYS:
        return ""
    left = f"{days} day{'' if days == 1 else 's'}"
    return (
        f"the certificate of the client ends in {left}, on {certificate.not_valid_after_utc:%Y-%m-%d}: "
        f"register a new one with {provider.display_name}"
    )


def read_private_file(path: str) -> bytes:
    """Read a file that holds a key. Raises ConfigError, also if it is open to others."""
    content = read_private(
        _expanded(path), ConfigError, holds="a private key", or_root=True, follow_links=True, limit=_SIZE_LIMIT
    )
    if content is None:
        raise _missing(path)
    return content


def _expanded(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise ConfigError(f"cannot read {path}: no user has that home directory") from None


def _missing(path: str) -> ConfigError:
    return ConfigError(f"cannot read {path}: No such file or directory")


def require_library() -> None:
    """Raise ConfigError if the extra is not installed."""
    try:
        import cryptography  # noqa: F401
        import jwt  # noqa: F401
    except ImportError:
        raise ConfigError(
            "PyJWT and cryptography are needed to sign with a key", hint="Run: pip install 'oauth2-pop3[jwt]'"
        ) from None


def _read(provider: Provider, key_password: str) -> _Key:
    require_library()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    path = provider.client_private_key
    content = read_private_file(path)
    password = key_password.encode() or None
    certificate = None
    try:
        if b"-----BEGIN" in content:
            private_key: Any = serialization.load_pem_private_key(content, password)
        else:
            private_key, certificate, _ = pkcs12.load_key_and_certificates(content, password)
    except TypeError:  # PEM: encrypted and no password, or a password and not encrypted
        raise ConfigError(
            f"{path} is encrypted and no password was given, or a password was given and it is not encrypted",
            hint="client_private_key_password_command is the command that prints it.",
        ) from None
    except Exception as error:  # noqa: BLE001 - cryptography raises ValueError, and its own of several kinds
        what = "is not a private key in PEM or PKCS#12, or the password is wrong"
        raise ConfigError(f"{path} {what}: {str(error) or type(error).__name__}") from None
    if private_key is None:
        raise ConfigError(f"{path} holds no private key")
    if provider.client_certificate:
        certificate = _certificate(provider.client_certificate)
    if certificate is not None and _public(certificate) != _public(private_key):
        if provider.client_certificate:
            raise ConfigError(f"the certificate {provider.client_certificate} does not belong to the key in {path}")
        raise ConfigError(f"the certificate in {path} does not belong to the key in the same file")
    return _Key(private_key, certificate)


def _public(owner: Any) -> bytes:
    """The public key of a private key or a certificate, to compare."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der: bytes = owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def _certificate(path: str) -> Certificate:
    from cryptography import x509

    found = read_regular(_expanded(path), ConfigError, limit=_SIZE_LIMIT)
    if found is None:
        raise _missing(path)
    try:
        return x509.load_pem_x509_certificate(found[0])
    except ValueError:
        raise ConfigError(f"{path} is not a certificate in PEM format") from None


def _require_valid(provider: Provider, certificate: Certificate) -> None:
    end = certificate.not_valid_after_utc
    if end <= datetime.now(UTC):
        raise ConfigError(
            f"the certificate of the client ended on {end:%Y-%m-%d}",
            hint=f"Register a new one with {provider.display_name}, and name it in config.toml.",
        )


def _thumbprint(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return base64.urlsafe_b64encode(certificate.fingerprint(SHA256())).rstrip(b"=").decode()
