"""One HTTPS request: no redirect followed, no more than so many bytes, in no more than so much time.

The only importer of requests. TLS is verified always; plain HTTP goes to a loopback address alone, and only where
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
from oauth2_pop3.net.tls import client_context, is_loopback, untrusted

SIZE_LIMIT = 1 << 20
"""Bytes: token answers and metadata are a few kilobytes."""
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 30.0
TOTAL_TIMEOUT = 60.0
"""Seconds for everything, however slowly the server drips."""

_USER_AGENT = "oauth2-pop3"


@dataclass(frozen=True)
class Response:
    """Status, headers and the body as bytes, which may hold tokens: its repr shows none of it."""

    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> dict[str, object]:
        """The body as a JSON object; {} if it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def retry_after(self) -> float | None:
        """Seconds that Retry-After asks for (RFC 9110 section 10.2.3)."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (TypeError, ValueError):
            return None


class _NoNetrc(requests.auth.AuthBase):
    """Keeps requests from adding a password of ~/.netrc, which goes to the host whatever we send."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _SystemAuthorities(requests.adapters.HTTPAdapter):
    """Trusts the system's certificate authorities as POP3 does, not only those that come with requests."""

    def __init__(self, ca_certs: str) -> None:
        self._context = client_context(ca_certs=ca_certs)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """With our context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


class _Session(requests.Session):
    """Looks for no redirect, not even to say where it would go."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None, whatever it says."""
        return None


def request(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, object] | None = None,
    basic: tuple[str, str] | None = None,
    bearer: str = "",
    ca_certs: str = "",
    allow_insecure_loopback: bool = False,
    size_limit: int = SIZE_LIMIT,
    accept: str = "application/json",
) -> Response:
    """Send one request. form, json: for POST. basic: client_id and secret of HTTP Basic (RFC 6749 section 2.3.1).

    bearer: an access token (RFC 6750 section 2.1). size_limit: bytes of the answer that are read.

    Raises NetworkError (no answer, 429, 5xx), OAuthError (a redirect, an untrusted certificate, too long an
    answer) and ConfigError (a URL or ca_certs that cannot be).
    """
    require_https(url, allow_insecure_loopback=allow_insecure_loopback)
    adapter = _SystemAuthorities(ca_certs)  # says what is wrong with ca_certs, where requests would not
    verify = str(Path(ca_certs).expanduser()) if ca_certs else True
    outcome: list[Response | OAuth2Pop3Error] = []
    headers = {"Accept": accept, "User-Agent": _USER_AGENT}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    content = {"data": form, "json": json, "headers": headers, "auth": _authentication(basic), "verify": verify}

    def work() -> None:
        try:
            outcome.append(_exchange(method, url, content, adapter, size_limit))
        except OAuth2Pop3Error as error:
            outcome.append(error)
        except UnicodeError:
            outcome.append(OAuthError(f"what was to be sent to {_host(url)} is not text"))
        except Exception as error:  # noqa: BLE001 - nobody else would tell of it: an odd proxy is one
            outcome.append(ConfigError(f"{_host(url)} cannot be asked: {type(error).__name__}: {error}"))

    # requests has no limit for the whole exchange: a server may send a header line a minute for ever. The thread
    # is left behind then; it dies with the process.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TOTAL_TIMEOUT)
    if not outcome:
        raise NetworkError(f"{_host(url)} did not answer in full within {TOTAL_TIMEOUT:.0f} seconds")
    if isinstance(outcome[0], OAuth2Pop3Error):
        raise outcome[0]
    return outcome[0]


def require_https(url: str, *, allow_insecure_loopback: bool) -> None:
    """Raise ConfigError unless the URL is https://, or plain and on this machine where that was allowed."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        _ = parts.port
    except ValueError:
        raise ConfigError(f"{_host(url)[:200]!r} in a URL is not a host's name and port") from None
    shown = parts._replace(netloc=_host(url)).geturl()
    if "@" in parts.netloc or not url.isprintable() or " " in url:
        raise ConfigError(
            f"{shown!r} is not a URL that can be used", hint="It holds a user's name, a space or a control character."
        )
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and is_loopback(host):
        if allow_insecure_loopback:
            return
        raise ConfigError(
            f"{shown} is not https://", hint="For a server on this machine you may set allow_insecure_loopback = true."
        )
    raise ConfigError(f"{shown or 'an empty URL'} is not https://", hint="Tokens are sent over verified TLS alone.")


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
            # A proxy would be another machine, and what is on loopback may be plain.
            session.trust_env = not is_loopback(urlsplit(url).hostname or "")
            with session.request(
                method,
                url,
                **content,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = _bounded(answer, host, size_limit)
    except requests.exceptions.SSLError as error:
        message, hint = untrusted(host, _reason(error))
        raise OAuthError(message, hint=hint) from None
    except requests.exceptions.Timeout:
        raise NetworkError(f"{host} did not answer in time") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise ConfigError(f"{url} is not a URL that can be asked: {error}") from None
    except (requests.exceptions.RequestException, OSError) as error:
        raise NetworkError(f"no connection to {host}: {_reason(error)}") from None
    if 300 <= answer.status_code < 400:
        raise OAuthError(
            f"{host} answered with a redirect, which is not followed",
            hint="Is there a captive portal or proxy in between, or has the endpoint moved?",
        )
    response = Response(url, answer.status_code, answer.headers, body)
    if response.status == 429 or response.status >= 500:
        seconds = response.retry_after
        raise NetworkError(
            f"{host} answered {response.status} {_phrase(response.status)}",
            retry_after=seconds,
            hint="" if seconds is None else f"It asks to be left alone for {seconds:.0f} seconds.",
        )
    return response


def _authentication(basic: tuple[str, str] | None) -> requests.auth.AuthBase:
    return requests.auth.HTTPBasicAuth(*basic) if basic else _NoNetrc()


def _bounded(answer: requests.Response, host: str, size_limit: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(16384):
        body += chunk
        if len(body) > size_limit:
            raise OAuthError(f"{host} answered with more than {size_limit} bytes")
    return bytes(body)


def _phrase(status: int) -> str:
    return "(too many requests)" if status == 429 else "(a fault of the server)"


def _host(url: str) -> str:
    """Host and port, without a user's name and password, of whatever may be a URL."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that says something: requests wraps urllib3 wraps ssl wraps socket."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or seen.__cause__ or seen.__context__ or next(iter(seen.args), None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    verify_message = getattr(seen, "verify_message", "")
    strerror = getattr(seen, "strerror", "")
    return str(verify_message or strerror or seen).strip() or type(seen).__name__
