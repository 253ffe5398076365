"""One HTTPS request, with limits on its size and its time. No redirect is followed.

The only module that imports requests. TLS is always verified. Plain HTTP goes only to a loopback address, and only if
the configuration says ``allow_insecure_loopback``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters

from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import causes, content, tls
from oauth2_pop3.net.json_object import json_object
from oauth2_pop3.net.loopback import is_loopback

SIZE_LIMIT = 1 << 20
"""Bytes that a response may have. Token responses and metadata have a few kilobytes."""
CONNECT_TIMEOUT = 10.0
"""Seconds in which the connection must be made."""
READ_TIMEOUT = 30.0
"""Seconds the server may stay silent."""
TOTAL_TIMEOUT = 60.0
"""Seconds for the whole exchange, however slowly the server sends."""

_GRACE = 1.0  # seconds in which the thread must notice that the time is over
_USER_AGENT = "oauth2-pop3"
_PASSES = {408: "it waited too long", 421: "misdirected", 425: "too early", 429: "too many requests"}
_LONGEST_PAUSE = 30 * 86400  # seconds; a Retry-After beyond that makes no sense


@dataclass(frozen=True)
class Response:
    """A server's response. Headers and body may hold tokens, so its repr shows neither.

    fault: why it is of no use to most callers: it broke off, is a redirect, or has a status that passes by itself.
    """

    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    fault: OAuth2Pop3Error | None = field(default=None, repr=False)

    def json(self) -> dict[str, object]:
        """The body as a JSON object; {} if it is not one."""
        return json_object(self.body)

    @property
    def is_final(self) -> bool:
        """Whether the status is an answer: neither a redirect nor one that passes by itself."""
        return self.status < 500 and not 300 <= self.status < 400 and self.status not in _PASSES

    @property
    def retry_after(self) -> float | None:
        """Seconds that Retry-After asks for (RFC 9110 section 10.2.3); None if it is missing or makes no sense."""
        value = self.headers.get("Retry-After", "").strip()
        try:
            seconds = float(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError, IndexError):  # a date that no clock shows
            return None
        return max(0.0, seconds) if seconds <= _LONGEST_PAUSE else None


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
    judged: bool = True,
) -> Response:
    """Send one request and return the response.

    form, json: the body of a POST, one or the other.
    basic: client_id and secret for HTTP Basic (RFC 6749 section 2.3.1).
    ca_certs: a PEM file or a directory of certificate authorities, in place of the system's.
    allow_insecure_loopback: whether plain HTTP to this machine is allowed.
    size_limit: how many bytes the response's body may have.
    accept: the Accept header.
    judged: whether to raise the response's fault. A caller who looks for something in any response does that later.

    Raises NetworkError (no response, or a status that passes by itself such as 429 or 5xx), OAuthError (a redirect, an
    untrusted certificate, or too long a response) and ConfigError (a URL or ca_certs that cannot be used).
    """
    require_https(url, allow_insecure_loopback=allow_insecure_loopback)
    # It explains what is wrong with ca_certs; requests would not. To load them takes longer than a request on loopback.
    adapter = _SystemAuthorities(ca_certs) if urlsplit(url).scheme == "https" else requests.adapters.HTTPAdapter()
    verify = str(Path(ca_certs).expanduser()) if ca_certs else True
    outcome: list[Response | OAuth2Pop3Error] = []
    headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": _USER_AGENT}
    options = {"data": form, "json": json, "headers": headers, "auth": _authentication(basic), "verify": verify}

    def work() -> None:
        try:
            outcome.append(_exchange(method, url, options, adapter, size_limit))
        except OAuth2Pop3Error as error:
            outcome.append(error)
        except UnicodeError:
            outcome.append(OAuthError(f"what would be sent to {_host(url)} is not text"))
        except Exception as error:  # noqa: BLE001 - or it would be lost with the thread, such as that of an odd proxy
            hint = "Is there an odd proxy in the environment, such as in https_proxy?"
            outcome.append(ConfigError(f"{_host(url)} cannot be asked ({type(error).__name__})", hint=hint))

    # requests has no time limit for the whole exchange: a server could send a header line a minute forever. In that
    # case the thread is left behind, and ends with the process.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TOTAL_TIMEOUT + _GRACE)
    if not outcome:
        raise NetworkError(f"{_host(url)} did not send its response in full within {TOTAL_TIMEOUT:.0f} seconds")
    response = outcome[0]
    if isinstance(response, OAuth2Pop3Error):
        raise response
    if judged and response.fault:
        raise response.fault
    return response


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
    options: Mapping[str, Any],
    adapter: requests.adapters.HTTPAdapter,
    size_limit: int,
) -> Response:
    host, deadline = _host(url), time.monotonic() + TOTAL_TIMEOUT
    try:
        with _Session() as session:
            session.mount("https://", adapter)
            # No proxy for loopback: the proxy is another machine, and the request may be in plain text.
            session.trust_env = not is_loopback(urlsplit(url).hostname or "")
            with session.request(
                method,
                url,
                **options,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as response:
                coding = response.headers.get("Content-Encoding", "")
                body, fault = content.read(response.raw, coding, host, size_limit, deadline - time.monotonic())
    except requests.exceptions.SSLError as error:
        raise causes.tls_error(error, host) from None
    except requests.exceptions.Timeout:
        raise NetworkError(f"{host} did not respond in time") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        # What InvalidURL says may be a proxy's URL, with a password.
        what = str(error) if isinstance(error, requests.exceptions.InvalidSchema) else "or a proxy's cannot"
        raise ConfigError(f"{url} cannot be used as a URL: {what}") from None
    except (requests.exceptions.RequestException, OSError) as error:
        raise causes.connection_error(error, host) from None
    received = Response(url, response.status_code, response.headers, body)
    return replace(received, fault=_fault(received, host) or fault)


def _fault(response: Response, host: str) -> OAuth2Pop3Error | None:
    """What the status says is wrong, if it is nothing that the caller can judge."""
    if 300 <= response.status < 400:
        return OAuthError(
            f"{host} responded with a redirect, which is not followed",
            hint="Is there a captive portal or a proxy in between, or has the endpoint moved?",
        )
    if response.is_final:
        return None
    seconds = response.retry_after
    return NetworkError(
        f"{host} responded with {response.status} ({_PASSES.get(response.status, 'a fault in the server')})",
        retry_after=seconds,
        hint="" if seconds is None else f"It asks for a pause of {seconds:.0f} seconds.",
    )


def _authentication(basic: tuple[str, str] | None) -> requests.auth.AuthBase:
    return requests.auth.HTTPBasicAuth(*basic) if basic else _NoNetrc()


def _host(url: str) -> str:
    """Host and port of a text that may not be a URL at all, without user name and password."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]
