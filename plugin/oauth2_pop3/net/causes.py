"""What made a request fail: requests wraps urllib3's errors, and urllib3 those of ssl and socket."""

from __future__ import annotations

import ssl

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import tls

_PORT_HINT = "Is there a captive portal or a proxy in between? If not, check the endpoint's host and port."


def connection_error(error: Exception, host: str) -> OAuth2Pop3Error:
    """The error for a connection that could not be made, or broke. A proxy's TLS may be the cause."""
    if isinstance(_innermost(error), ssl.SSLError):
        return tls_error(error, host)
    return NetworkError(f"no connection to {host}: {reason(error)}")


def tls_error(error: Exception, host: str) -> OAuth2Pop3Error:
    """The error for a connection that failed in TLS: a NetworkError if that passes by itself."""
    cause = _innermost(error)
    if not isinstance(cause, OSError):  # urllib3 compared the certificate itself
        message, hint = tls.explain_certificate(reason(error), host)
        return OAuthError(message, hint=hint)
    message, hint = tls.explain(cause, host, port_hint=_PORT_HINT)
    return NetworkError(message, hint=hint) if tls.is_temporary(cause) else OAuthError(message, hint=hint)


def reason(error: Exception) -> str:
    """The text of the innermost cause, which tells the most."""
    cause = _innermost(error)
    verify_message = getattr(cause, "verify_message", "")
    strerror = getattr(cause, "strerror", "")
    return str(verify_message or strerror or cause).strip() or type(cause).__name__


def _innermost(error: BaseException) -> BaseException:
    seen = error
    while True:
        inner = getattr(seen, "reason", None) or seen.__cause__ or seen.__context__ or next(iter(seen.args), None)
        if not isinstance(inner, BaseException):
            return seen
        seen = inner
