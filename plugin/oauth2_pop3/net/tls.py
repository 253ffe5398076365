"""TLS as this project wants it: certificates verified, TLS 1.2 at least; and what counts as loopback."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from oauth2_pop3.errors import ConfigError


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address never leaves this machine (RFC 8252 section 8.3)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def client_context(
    *,
    ca_certs: str | Sequence[str] = "",
    certfile: str = "",
    keyfile: str = "",
    ciphers: str = "",
    at_least: str = "1.2",
) -> ssl.SSLContext:
    """Make a context that verifies the server's chain and name (RFC 8314 section 3, RFC 7817).

    ca_certs: a PEM file that replaces the system's certificate authorities, or a directory of them as c_rehash(1)
    makes it; or several of these. certfile, keyfile: the client's own. at_least: "1.2" or "1.3". Raises ConfigError.
    """
    first, *more = (ca_certs,) if isinstance(ca_certs, str) else ca_certs or ("",)
    place = first
    try:
        cafile, capath = _location(place)
        context = ssl.create_default_context(cafile=cafile, capath=capath)
        for place in more:
            context.load_verify_locations(*_location(place))
    except RuntimeError:
        raise ConfigError(f"ca_certs, {place}, names a home directory that nobody has") from None
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


def _location(ca_certs: str) -> tuple[str | None, str | None]:
    """It as cafile and capath."""
    path = Path(ca_certs).expanduser()
    return (None, str(path)) if ca_certs and path.is_dir() else (str(path) if ca_certs else None, None)


def fingerprint_matches(certificate: bytes, fingerprints: Collection[str]) -> bool:
    """Tell whether a DER certificate has one of the fingerprints (hexadecimal, colons allowed).

    SHA-256, or the MD5 that fetchmail's sslfingerprint is: it is asked for besides a chain and a name that are good.
    """
    digests = {hashlib.sha256(certificate).hexdigest(), hashlib.md5(certificate, usedforsecurity=False).hexdigest()}
    return any(fingerprint.replace(":", "").strip().lower() in digests for fingerprint in fingerprints)


def untrusted(host: str, reason: str) -> tuple[str, str]:
    """The same of a certificate, by OpenSSL's reason."""
    hint = "If the server has a certificate authority of its own, name it in ca_certs."
    if "not yet valid" in reason or "expired" in reason:
        hint = f"Is this machine's clock right? It says {time.strftime('%Y-%m-%d')}."
    return f"the TLS certificate of {host} is not to be trusted: {reason}", f"Nothing was sent. {hint}"


def explain(error: ssl.SSLError, host: str) -> tuple[str, str]:
    """What a failed handshake means, and what to do: (message, hint)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(host, error.verify_message)
    return (
        f"no TLS connection to {host}: {error.reason or error}",
        "Check the port: 995 speaks TLS, 110 does not.",
    )
