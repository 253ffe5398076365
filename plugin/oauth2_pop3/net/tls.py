"""TLS as this project wants it: certificates verified, TLS 1.2 at least."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from oauth2_pop3.errors import ConfigError


def client_context(
    *,
    ca_certs: str | Sequence[str] = "",
    certfile: str = "",
    keyfile: str = "",
    ciphers: str = "",
    at_least: str = "1.2",
) -> ssl.SSLContext:
    """Make a context that verifies the server's certificate chain and name (RFC 8314 section 3, RFC 7817).

    ca_certs: in place of the system's certificate authorities: a PEM file, a directory as c_rehash(1) makes it, or
        several of these.
    certfile, keyfile: the client's own certificate and key.
    at_least: the lowest TLS version, "1.2" or "1.3".

    Raises ConfigError if a file cannot be read or OpenSSL knows none of the ciphers.
    """
    first, *more = (ca_certs,) if isinstance(ca_certs, str) else ca_certs or ("",)
    place = first
    try:
        cafile, capath = _file_and_directory(place)
        context = ssl.create_default_context(cafile=cafile, capath=capath)
        for place in more:
            context.load_verify_locations(*_file_and_directory(place))
    except RuntimeError:
        raise ConfigError(f"ca_certs, {place}, starts with the home directory of a user who does not exist") from None
    except OSError as error:
        raise ConfigError(
            f"cannot read the certificate authorities of ca_certs, {place}: {error.strerror or error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if at_least == "1.3" else ssl.TLSVersion.TLSv1_2
    try:
        if certfile:
            context.load_cert_chain(Path(certfile).expanduser(), Path(keyfile).expanduser() if keyfile else None)
    except OSError as error:
        raise ConfigError(f"cannot read the client certificate {certfile}: {error.strerror or error}") from error
    try:
        if ciphers:
            context.set_ciphers(ciphers)
    except ssl.SSLError as error:
        raise ConfigError(f"OpenSSL knows none of the ciphers {ciphers!r}") from error
    return context


def _file_and_directory(ca_certs: str) -> tuple[str | None, str | None]:
    """The value of ca_certs as the arguments cafile and capath of OpenSSL: one of the two is None, or both."""
    if not ca_certs:
        return None, None
    path = Path(ca_certs).expanduser()
    return (None, str(path)) if path.is_dir() else (str(path), None)


def fingerprint_matches(certificate: bytes, fingerprints: Collection[str]) -> bool:
    """Tell whether a DER certificate has one of the fingerprints (hexadecimal; colons are allowed).

    A fingerprint is SHA-256, or MD5 as in fetchmail's sslfingerprint. MD5 is enough here because the certificate's
    chain and name have been verified too.
    """
    digests = {hashlib.sha256(certificate).hexdigest(), hashlib.md5(certificate, usedforsecurity=False).hexdigest()}
    return any(fingerprint.replace(":", "").strip().lower() in digests for fingerprint in fingerprints)


def explain(error: ssl.SSLError, host: str) -> tuple[str, str]:
    """Say what a failed handshake with a host means, and what to do about it: (message, hint)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return explain_certificate(error.verify_message, host)
    return (
        f"no TLS connection to {host}: {error.reason or error}",
        "Check the port: 995 speaks TLS, 110 does not.",
    )


def explain_certificate(reason: str, host: str) -> tuple[str, str]:
    """Say why the certificate of a host is not trusted, and what to do about it: (message, hint).

    `reason` is OpenSSL's text, such as "certificate has expired".
    """
    hint = (
        "If the server has a certificate authority of its own, name it in ca_certs, or for the bridge with "
        "--ca-certs FILE."
    )
    if "not yet valid" in reason or "expired" in reason:
        hint = f"Is this machine's clock right? It says {time.strftime('%Y-%m-%d')}."
    return f"the TLS certificate of {host} is not trusted: {reason}", f"Nothing was sent. {hint}"
