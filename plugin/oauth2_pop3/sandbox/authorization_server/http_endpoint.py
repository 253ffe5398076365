"""The HTTP side of the sandbox's authorization server: requests of limited size in, whole responses out."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_BODY = 65536
LARGEST_DRAIN = 1 << 20
SECURITY_HEADERS = {
    "Cache-Control": "no-store",  # RFC 6749 section 5.1
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would send the form with "Origin: null"
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class HttpRequest:
    """A request, with its body."""

    method: Literal["GET", "POST"]
    path: str
    query: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class HttpResponse:
    """A response; status 0 closes the connection without one."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpHandler(BaseHTTPRequestHandler):
    """Hands each request to `respond`."""

    protocol_version = "HTTP/1.1"
    server_version = "oauth2-pop3-sandbox"
    sys_version = ""
    timeout = 30

    def __init__(
        self,
        request: Any,
        client_address: Any,
        server: Any,
        *,
        respond: Callable[[HttpRequest], HttpResponse],
    ) -> None:
        self._respond_to = respond
        super().__init__(request, client_address, server)

    def do_GET(self) -> None:
        """Serve GET."""
        self._respond("GET", "")

    def do_POST(self) -> None:
        """Serve POST. The request must state the length of its body, which must be small."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._send(HttpResponse(411))
        elif int(length[:7]) > LARGEST_BODY:
            self.close_connection = True
            # Read on: a client that is still sending would see a broken pipe instead of the response.
            self.rfile.read(min(int(length[:7]), LARGEST_DRAIN))
            self._send(HttpResponse(413))
        else:
            self._respond("POST", self.rfile.read(int(length)).decode("utf-8", "replace"))

    def _respond(self, method: Literal["GET", "POST"], body: str) -> None:
        parts = urlsplit(self.path)
        response = self._respond_to(HttpRequest(method, parts.path, parts.query, dict(self.headers), body))
        if response.status == 0:
            self.close_connection = True
        else:
            self._send(response)

    def _send(self, response: HttpResponse) -> None:
        body = response.body.encode()
        self.send_response(response.status)
        for name, value in {**SECURITY_HEADERS, **response.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Log nothing: a URL may contain a code."""


def basic_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Read client_id and client_secret from HTTP Basic (RFC 6749 section 2.3.1); None if they are not there."""
    scheme, _, encoded = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(client_id), unquote_plus(secret)
