"""One HTTPS request, with limits on its size and its time. No redirect is followed.

The only module that imports requests. TLS is always verified. Plain HTTP goes only to a loopback address, and only if
the configuration says ``allow_insecure_loopback``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters

from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import tls
from oauth2_pop3.net.loopback import is_loopback

SIZE_LIMIT = 1 << 20
"""Bytes that a response may have. Token responses and metadata have a few kilobytes."""
CONNECT_TIMEOUT = 10.0
"""Seconds in which the connection must be made."""
READ_TIMEOUT = 30.0
"""Seconds the server may stay silent."""
TOTAL_TIMEOUT = 60.0
"""Seconds for the whole exchange, however slowly the server sends."""

_USER_AGENT = "oauth2-pop3"
_PORT_HINT = "Is there a captive portal or a proxy in between? If not, check the endpoint's host and port."


@dataclass(frozen=True)
class Response:
    """A server's response. Headers and body may hold tokens, so its repr shows neither."""

    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> dict[str, object]:
        """The body as a JSON object; {} if it is not one."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def retry_after(self) -> float | None:
        """Seconds that Retry-After asks for (RFC 9110 section 10.2.3); None if it is missing or makes no sense."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (TypeError, ValueError):
            return None


class _NoNetrc(requests.auth.AuthBase):
    """Keeps requests from reading a password from ~/.netrc and sending it to the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _SystemAuthorities(requests.adapters.HTTPAdapter):
    """Trusts the certificate authorities that the POP3 connection trusts: the system's, or those of ca_certs.

    Without it, requests would trust only the authorities that it brings along (certifi's, or REQUESTS_CA_BUNDLE's).
    They are still added to the system's when it verifies, and through a proxy only they or ca_certs count.
    """

    def __init__(self, ca_certs: str) -> None:
        self._context = tls.client_context(ca_certs=ca_certs)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the connection pool with our TLS context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


class _Session(requests.Session):
    """Never looks at a redirect's target: a Location that is not a URL would raise."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Return None: every response is final."""
        return None


def request(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, object] | None = None,
    basic: tuple[str, str] | None = None,
    ca_certs: str = "",
    allow_insecure_loopback: bool = False,
    size_limit: int = SIZE_LIMIT,
    accept: str = "application/json",
) -> Response:
    """Send one request and return the response.

    form, json: the body of a POST, one or the other.
    basic: client_id and secret for HTTP Basic (RFC 6749 section 2.3.1).
    ca_certs: a PEM file or a directory of certificate authorities, in place of the system's.
    allow_insecure_loopback: whether plain HTTP to this machine is allowed.
    size_limit: how many bytes the response's body may have.
    accept: the Accept header.

    Raises NetworkError (no response, 429 or 5xx), OAuthError (a redirect, an untrusted certificate, or too long a
    response) and ConfigError (a URL or ca_certs that cannot be used).
    """
    require_https(url, allow_insecure_loopback=allow_insecure_loopback)
    adapter = _SystemAuthorities(ca_certs)  # explains what is wrong with ca_certs; requests would not
    verify = str(Path(ca_certs).expanduser()) if ca_certs else True
    outcome: list[Response | OAuth2Pop3Error] = []
    headers = {"Accept": accept, "User-Agent": _USER_AGENT}
    content = {"data": form, "json": json, "headers": headers, "auth": _authentication(basic), "verify": verify}

    def work() -> None:
        try:
            outcome.append(_exchange(method, url, content, adapter, size_limit))
        except OAuth2Pop3Error as error:
            outcome.append(error)
        except UnicodeError:
            outcome.append(OAuthError(f"what would be sent to {_host(url)} is not text"))
        except Exception as error:  # noqa: BLE001 - or it would be lost with the thread, such as that of an odd proxy
            outcome.append(ConfigError(f"{_host(url)} cannot be asked: {type(error).__name__}: {error}"))

    # requests has no time limit for the whole exchange: a server could send a header line a minute forever. In that
    # case the thread is left behind, and ends with the process.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TOTAL_TIMEOUT)
    if not outcome:
        raise NetworkError(f"{_host(url)} did not send its response in full within {TOTAL_TIMEOUT:.0f} seconds")
    if isinstance(outcome[0], OAuth2Pop3Error):
        raise outcome[0]
    return outcome[0]


def require_https(url: str, *, allow_insecure_loopback: bool) -> None:
    """Raise ConfigError unless the URL is https://, or http:// to this machine and `allow_insecure_loopback` is set."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        _ = parts.port
    except ValueError:
        raise ConfigError(f"{_host(url)[:200]!r} in a URL is not a host name and port") from None
    shown = parts._replace(netloc=_host(url)).geturl()
    if "@" in parts.netloc or not url.isprintable() or " " in url:
        raise ConfigError(
            f"{shown!r} cannot be used as a URL", hint="It contains a user name, a space or a control character."
        )
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and is_loopback(host):
        if allow_insecure_loopback:
            return
        raise ConfigError(
            f"{shown} is not https://", hint="For a server on this machine you can set allow_insecure_loopback = true."
        )
    raise ConfigError(f"{shown or 'an empty URL'} is not https://", hint="Tokens are sent only over verified TLS.")


def _exchange(
    method: str,
    url: str,
    content: Mapping[str, Any],
    adapter: requests.adapters.HTTPAdapter,
    size_limit: int,
) -> Response:
    host = _host(url)
    try:
        with _Session() as session:
            session.mount("https://", adapter)
            # No proxy for loopback: the proxy is another machine, and the request may be in plain text.
            session.trust_env = not is_loopback(urlsplit(url).hostname or "")
            with session.request(
                method,
                url,
                **content,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _bounded(response, host, size_limit)
    except requests.exceptions.SSLError as error:
        raise _tls_error(error, host) from None
    except requests.exceptions.Timeout:
        raise NetworkError(f"{host} did not respond in time") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise ConfigError(f"{url} cannot be used as a URL: {error}") from None
    except (requests.exceptions.RequestException, OSError) as error:
        raise NetworkError(f"no connection to {host}: {_reason(error)}") from None
    if 300 <= response.status_code < 400:
        raise OAuthError(
            f"{host} responded with a redirect, which is not followed",
            hint="Is there a captive portal or a proxy in between, or has the endpoint moved?",
        )
    received = Response(url, response.status_code, response.headers, body)
    if received.status == 429 or received.status >= 500:
        seconds = received.retry_after
        raise NetworkError(
            f"{host} responded with {received.status} {_phrase(received.status)}",
            retry_after=seconds,
            hint="" if seconds is None else f"It asks for a pause of {seconds:.0f} seconds.",
        )
    return received


def _tls_error(error: requests.exceptions.SSLError, host: str) -> OAuth2Pop3Error:
    cause = _innermost(error)
    if not isinstance(cause, OSError):  # urllib3 compared the certificate itself
        message, hint = tls.explain_certificate(_reason(error), host)
        return OAuthError(message, hint=hint)
    message, hint = tls.explain(cause, host, port_hint=_PORT_HINT)
    return NetworkError(message, hint=hint) if tls.is_temporary(cause) else OAuthError(message, hint=hint)


def _authentication(basic: tuple[str, str] | None) -> requests.auth.AuthBase:
    return requests.auth.HTTPBasicAuth(*basic) if basic else _NoNetrc()


def _bounded(response: requests.Response, host: str, size_limit: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(16384):
        body += chunk
        if len(body) > size_limit:
            raise OAuthError(f"{host} sent more than {size_limit} bytes")
    return bytes(body)


def _phrase(status: int) -> str:
    return "(too many requests)" if status == 429 else "(a fault in the server)"


def _host(url: str) -> str:
    """Host and port of a text that may not be a URL at all, without user name and password."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]


def _reason(error: BaseException) -> str:
    cause = _innermost(error)
    verify_message = getattr(cause, "verify_message", "")
    strerror = getattr(cause, "strerror", "")
    return str(verify_message or strerror or cause).strip() or type(cause).__name__


def _innermost(error: BaseException) -> BaseException:
    """The innermost cause, which tells the most: requests wraps urllib3's errors, urllib3 those of ssl and socket."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or seen.__cause__ or seen.__context__ or next(iter(seen.args), None)
        if not isinstance(inner, BaseException):
            return seen
        seen = inner
