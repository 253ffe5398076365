"""What made a request fail: requests wraps urllib3's errors, and urllib3 those of ssl and socket.

No exception's own text is shown: http.client's and urllib3's quote the response, in which there may be a token.
"""

from __future__ import annotations

import re
import ssl

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import tls

_PORT_HINT = "Is there a captive portal or a proxy in between? If not, check the endpoint's host and port."

_CERTIFICATE_NAME = "it is not for this name"
_WORDS = {
    "BadStatusLine": "it does not begin as a response of HTTP does",
    "HTTPException": "its headers are more than anybody needs",
    "IncompleteRead": "the connection ended before the response did",
    "InvalidChunkLength": "its chunks are damaged",
    "InvalidHeader": "its headers contradict each other",
    "LineTooLong": "a line of its headers is longer than anybody needs",
    "RemoteDisconnected": "the server closed the connection without a response",
    "TimeoutError": "it took too long",
    "UnknownProtocol": "it is not of HTTP 1",
    "ValueError": "its chunks are damaged",
}


def connection_error(error: Exception, host: str) -> OAuth2Pop3Error:
    """The error for a connection that could not be made, or broke. A proxy's TLS may be the cause."""
    cause = _innermost(error)
    if isinstance(cause, ssl.SSLError):
        return tls_error(error, host)
    if isinstance(cause, OSError):
        return NetworkError(f"no connection to {host}: {reason(error)}")
    return NetworkError(f"the response of {host} cannot be read: {reason(error)}")


def tls_error(error: Exception, host: str) -> OAuth2Pop3Error:
    """The error for a connection that failed in TLS: a NetworkError if that passes by itself."""
    cause = _innermost(error)
    if not isinstance(cause, OSError):  # urllib3 compared the certificate itself
        message, hint = tls.explain_certificate(_CERTIFICATE_NAME, host)
        return OAuthError(message, hint=hint)
    message, hint = tls.explain(cause, host, port_hint=_PORT_HINT)
    return NetworkError(message, hint=hint) if tls.is_temporary(cause) else OAuthError(message, hint=hint)


def reason(error: Exception) -> str:
    """Say what the innermost cause is, which tells the most: in OpenSSL's, the operating system's or our own words."""
    cause = _innermost(error)
    text = getattr(cause, "verify_message", "") or (cause.strerror if isinstance(cause, OSError) else "")
    if isinstance(text, str) and text.strip():
        return text.strip()
    if refused := re.match(r"Tunnel connection failed: (\d{3})\b", str(cause)):
        return f"the proxy responded with {refused[1]}"
    name = type(cause).__name__
    return _WORDS.get(name, name)


def _innermost(error: BaseException) -> BaseException:
    seen = error
    while True:
        inner = getattr(seen, "reason", None) or seen.__cause__ or seen.__context__ or next(iter(seen.args), None)
        if not isinstance(inner, BaseException):
            return seen
        seen = inner
