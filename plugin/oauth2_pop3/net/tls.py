"""TLS as this project wants it: certificates verified, TLS 1.2 at least."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from oauth2_pop3.errors import ConfigError

PORT_HINT = "Check the port: 995 speaks TLS, 110 does not."
"""What to do if a POP3 server does not speak TLS."""


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


def is_temporary(error: OSError) -> bool:
    """Tell whether a connection that failed in TLS may succeed at the next attempt, with nobody doing anything.

    A connection that ended, was reset or fell silent may. A certificate that is not trusted may not, nor may a server
    that does not speak TLS, or that shares no version or cipher with this machine.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if not isinstance(error, ssl.SSLError) or isinstance(error, _ENDED):
        return True
    return (failure := _failure(error)) is not None and failure.temporary


def explain(error: OSError, host: str, *, port_hint: str = PORT_HINT) -> tuple[str, str]:
    """Say what a TLS connection that failed means, and what to do about it: (message, hint).

    port_hint: what to do if something else than TLS is spoken at the port.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return explain_certificate(error.verify_message, host)
    said, hint = "", ""
    if isinstance(error, TimeoutError):
        said = "the server did not respond in time"
    elif not isinstance(error, ssl.SSLError):
        said = error.strerror or str(error) or type(error).__name__
    elif isinstance(error, _ENDED):
        said = "the server closed the connection"
    elif failure := _failure(error):
        said = f"{failure.meaning} ({_text(error)})"
        hint = failure.hint or ("" if failure.temporary else port_hint)
    else:
        said = f"the handshake failed ({_text(error)})"
    return f"no TLS connection to {host}: {said}", hint


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


class _Failure(NamedTuple):
    """What one or more of OpenSSL's reasons mean. `hint` is "" if the port is to be checked, or nothing can be done."""

    reasons: tuple[str, ...]
    meaning: str
    hint: str = ""
    temporary: bool = False


_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_TOO_OLD = "Ask the server's operator. This program does not go below TLS 1.2, and openssl.cnf may ask for more."

# Parts of the names in OpenSSL's include/openssl/sslerr.h, which differ a little from version to version: SSLV3_ALERT_x
# became SSL/TLS_ALERT_x in 3.2. Those with ALERT, and UNRECOGNIZED_NAME, are what the server said (RFC 8446 section 6).
_FAILURES = (
    _Failure(("UNEXPECTED_EOF", "SHUTDOWN_WHILE_IN_INIT"), "the server closed the connection", temporary=True),
    _Failure(("ALERT_INTERNAL_ERROR",), "the server reports an internal error", temporary=True),
    _Failure(("ALERT_USER_CANCEL",), "the server ended the handshake", temporary=True),
    _Failure(
        ("BAD_RECORD_MAC", "ALERT_DECRYPTION_FAILED", "ALERT_RECORD_OVERFLOW"),
        "something was damaged on the way",
        temporary=True,
    ),
    _Failure(
        (
            *("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"),
            *("BAD_RECORD_TYPE", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"),
        ),
        "what came from there is not TLS",
    ),
    _Failure(
        ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "INAPPROPRIATE_FALLBACK", "VERSION_TOO_LOW"),
        "the server speaks none of the TLS versions that are allowed here",
        _TOO_OLD,
    ),
    _Failure(
        ("ALERT_HANDSHAKE_FAILURE", "ALERT_INSUFFICIENT_SECURITY", "NO_SHARED_CIPHER"),
        "the server accepts none of the ciphers and keys that are offered",
        "If the ciphers are configured here, check them. The server may also want a certificate of the client.",
    ),
    _Failure(
        ("UNRECOGNIZED_NAME",),
        "the server does not know this name",
        "Check the host's name.",
    ),
    _Failure(
        ("NO_APPLICATION_PROTOCOL", "ALERT_120"),
        "the server does not speak the protocol that was asked for",
    ),
    _Failure(
        (
            *("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_NO_CERTIFICATE", "ALERT_UNSUPPORTED_CERTIFICATE"),
            *("ALERT_UNKNOWN_CA", "CERTIFICATE_UNOBTAINABLE"),
        ),
        "the server wants another certificate of the client, or wants one at all",
        "Ask the server's operator which one. For POP3 it is configured as certfile and keyfile.",
    ),
    _Failure(("ALERT_ACCESS_DENIED",), "the server refuses this client", "Ask the server's operator."),
    _Failure(
        ("KEY_TOO_SMALL", "MD_TOO_WEAK", "UNSAFE_LEGACY_RENEGOTIATION", "LEGACY_SIGALG", "WRONG_SIGNATURE_TYPE"),
        "the server's TLS is too old or too weak for this machine's OpenSSL",
        _TOO_OLD,
    ),
    _Failure(
        ("NO_CIPHERS_AVAILABLE", "NO_PROTOCOLS_AVAILABLE", "LIBRARY_HAS_NO_CIPHERS"),
        "this machine's own settings leave no cipher or no version of TLS",
        "Check the ciphers that are configured, and openssl.cnf.",
    ),
)


def _failure(error: ssl.SSLError) -> _Failure | None:
    said = _text(error).upper().replace(" ", "_")
    return next((failure for failure in _FAILURES if any(reason in said for reason in failure.reasons)), None)


def _text(error: ssl.SSLError) -> str:
    """OpenSSL's text. An OpenSSL that is newer than Python has reasons that Python does not name."""
    text = getattr(error, "reason", "") or re.sub(r"^\[[^]]*\]|\(_ssl\.c:\d+\)$", "", error.strerror or str(error))
    return text.replace("_", " ").strip().lower()
