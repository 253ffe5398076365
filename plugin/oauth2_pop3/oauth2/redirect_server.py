"""The HTTP server at a loopback redirect_uri (RFC 8252 section 7.3), and the page that the person sees in the end."""

from __future__ import annotations

import html
import select
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from oauth2_pop3.net.loopback import is_loopback

Outcome: TypeAlias = Callable[[], tuple[bool, str]]
"""Waits until the sign-in has ended; returns whether it worked, and the page's text."""
Showing: TypeAlias = Callable[[str, bool], AbstractContextManager[Outcome]]
"""Takes a request's target, and whether a person sees the page; it is entered while the page is shown."""

_PURPOSES = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
"""Headers in which browsers say, or said, that they fetch a page that nobody has asked for yet: "prefetch"."""

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>oauth2-pop3: {title}</title>
<style>body{{font:1.1em/1.5 system-ui,sans-serif;
max-width:36em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}}
h1{{font-size:1.6em;color:{colour}}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


class RedirectServer(ThreadingHTTPServer):
    """A server for one path. Raises OSError if the port is taken."""

    daemon_threads = True
    allow_reuse_address = False
    request_queue_size = 128  # with 5, connections of another program would hold up the browser's

    def __init__(self, address: tuple[str, int], path: str, showing: Showing) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _handler(path, showing))

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's name, which may ask a name server."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a connection that is reset is no concern of the person at the terminal."""


def _handler(path: str, showing: Showing) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 15
        server_version, sys_version = "oauth2-pop3", ""

        def do_GET(self) -> None:
            """The redirect: hand it on, and respond as soon as the sign-in has ended."""
            query = self._query()
            if query is None:
                self._page(404, False, "There is nothing here.")
            elif not query:
                self._page(400, False, "This address waits for the sign-in to come back. Nothing came with it.")
            elif any("prefetch" in self.headers.get(name, "") for name in _PURPOSES):
                self._page(503, False, "This page is not fetched ahead.")  # then the browser asks when it is needed
            else:
                # All browsers say this since 2023 (Fetch Metadata), and on loopback also without TLS.
                tab = self.headers.get("Sec-Fetch-Mode") == "navigate"
                with showing(self.path, tab) as outcome:
                    worked, text = outcome()
                    left = _has_left(self.connection)
                    self._page(200 if worked else 400, worked, text)
                    if left:
                        raise ConnectionAbortedError

        def do_HEAD(self) -> None:
            """Something looks whether there is a page, and does not take it."""
            self.send_response(404 if self._query() is None else 200)
            self.end_headers()

        def _query(self) -> str | None:
            """The query of a request for the redirect_uri; None if it is for something else, or from another name."""
            try:
                host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
                parts = urlsplit(self.path)
            except ValueError:
                return None
            return parts.query if is_loopback(host) and (parts.path or "/") == path else None

        def _page(self, status: int, worked: bool, text: str) -> None:
            title, colour = ("Signed in", "#17692d") if worked else ("Not signed in", "#a01818")
            body = _PAGE.format(title=title, colour=colour, text=html.escape(text)).encode()
            self.send_response(status)
            for name, value in (
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Length", str(len(body))),
                (
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
                ),
                ("Cache-Control", "no-store"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing: a request line holds the code."""

    return Handler


def _has_left(connection: socket.socket) -> bool:
    """Whether the other end has closed the connection. What is sent to it then raises nothing."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
