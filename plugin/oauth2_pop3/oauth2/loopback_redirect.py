"""Waiting for the redirect: at a listener on loopback (RFC 8252 section 7.3) and at the terminal at once."""

from __future__ import annotations

import contextlib
import html
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from oauth2_pop3.errors import ConfigError, UsageError
from oauth2_pop3.net.loopback import is_loopback

WAIT = 600.0
"""Seconds that a person has to sign in."""
_OUTCOME_WAIT = 120.0  # seconds that the browser's page waits to be told how it went
_PASTE_LIMIT = 65536

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>oauth2-pop3: {title}</title>
<style>body{{font:1.1em/1.5 system-ui,sans-serif;
max-width:36em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}}
h1{{font-size:1.6em;color:{colour}}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


@dataclass
class Redirect:
    """A redirect that arrived, or a line that was pasted. finish() tells the person at the browser how it went."""

    text: str = field(repr=False)
    pasted: bool = False
    _outcome: tuple[bool, str] = (False, "")
    _decided: threading.Event = field(default_factory=threading.Event)
    _shown: threading.Event = field(default_factory=threading.Event)

    def finish(self, worked: bool, text: str) -> None:
        """Let the browser's page say whether it worked, and wait a moment until it has been sent."""
        self._outcome = (worked, text)
        self._decided.set()
        if not self.pasted:
            self._shown.wait(5)

    def outcome(self) -> tuple[bool, str]:
        """Wait until the sign-in has ended, and return what the page is to say."""
        if not self._decided.wait(_OUTCOME_WAIT):
            return False, "The sign-in has not ended yet. See the terminal."
        return self._outcome

    def shown(self) -> None:
        """The page has been sent."""
        self._shown.set()


class RedirectListener:
    """An HTTP server on loopback for one redirect_uri (RFC 8252 section 7.3).

    A redirect_uri without a port gets a free one, which the attribute redirect_uri names. It cannot listen for a
    redirect_uri that is not plain HTTP on loopback: the person must paste that one. Raises ConfigError if the port is
    taken.
    """

    def __init__(self, redirect_uri: str) -> None:
        parts = urlsplit(redirect_uri)
        self.redirect_uri = redirect_uri
        self.redirects: SimpleQueue[Redirect] = SimpleQueue()
        self.wake_reader, self._wake_writer = socket.socketpair()
        self._server: ThreadingHTTPServer | None = None
        if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
            return
        address = "::1" if ":" in (parts.hostname or "") else "127.0.0.1"
        try:
            self._server = _Server((address, parts.port or 0), _handler(self, parts.path or "/"))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {address}:{parts.port} for the redirect: {error.strerror}",
                hint="Stop what uses that port, or register a redirect URI without a port.",
            ) from error
        if not parts.port:
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            self.redirect_uri = urlunsplit(parts._replace(netloc=f"{host}:{self._server.server_address[1]}"))
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    @property
    def listens(self) -> bool:
        """Whether a browser on this machine can bring the redirect."""
        return self._server is not None

    def arrived(self, redirect: Redirect) -> None:
        """Queue a redirect, and wake the thread that waits for it."""
        self.redirects.put(redirect)
        with contextlib.suppress(OSError):
            self._wake_writer.send(b".")

    def wait(self, *, terminal: bool, seconds: float = WAIT) -> Iterator[Redirect]:
        """Give every redirect that arrives, and every line that is pasted at the terminal. It ends after `seconds`."""
        deadline = time.monotonic() + seconds
        with (
            selectors.DefaultSelector() as selector,
            _PastedLines() if terminal else contextlib.nullcontext() as lines,
        ):
            selector.register(self.wake_reader, selectors.EVENT_READ)
            if lines:
                selector.register(sys.stdin, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.fileobj is self.wake_reader:
                        self.wake_reader.recv(64)
                        with contextlib.suppress(Empty):
                            while True:
                                yield self.redirects.get_nowait()
                    elif lines:
                        if lines.ended:
                            selector.unregister(sys.stdin)
                        yield from (Redirect(line, pasted=True) for line in lines.read())
                        if lines.ended and not self.listens:
                            return

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self.wake_reader.close()
        self._wake_writer.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's name, which may ask a name server."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]


def _handler(listener: RedirectListener, path: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 15
        server_version, sys_version = "oauth2-pop3", ""

        def do_GET(self) -> None:
            """The redirect: hand it on, and respond as soon as the sign-in has ended."""
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            parts = urlsplit(self.path)
            if not is_loopback(host) or (parts.path or "/") != path:
                self._page(404, False, "There is nothing here.")
            elif not parts.query:
                self._page(400, False, "This address waits for the sign-in to come back. Nothing came with it.")
            else:
                redirect = Redirect(self.path)
                listener.arrived(redirect)
                worked, text = redirect.outcome()
                self._page(200 if worked else 400, worked, text)
                redirect.shown()

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
            with contextlib.suppress(OSError):
                self.wfile.write(body)
                self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing: a request line holds the code."""

    return Handler


class _PastedLines:
    """Lines typed or pasted at the terminal. The terminal's own limit of 1,024 or 4,096 octets a line is lifted."""

    def __init__(self) -> None:
        self._pending = b""
        self.ended = False
        self._fd = sys.stdin.fileno()

    def __enter__(self) -> _PastedLines:
        import termios

        try:
            self._saved = termios.tcgetattr(self._fd)
        except termios.error as error:
            raise UsageError("standard input is not a terminal") from error
        changed = termios.tcgetattr(self._fd)
        changed[3] &= ~termios.ICANON
        termios.tcsetattr(self._fd, termios.TCSADRAIN, changed)
        return self

    def __exit__(self, *_: object) -> None:
        import termios

        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def read(self) -> list[str]:
        """The lines that are complete by now. Call it when standard input can be read."""
        block = os.read(self._fd, 4096)
        self.ended = not block or block.startswith(b"\x04")
        for octet in block:
            if octet in b"\x7f\x08":
                self._pending = self._pending[:-1]
            else:
                self._pending += bytes([octet])
        *lines, self._pending = self._pending.replace(b"\r", b"\n").split(b"\n")
        self._pending = self._pending[-_PASTE_LIMIT:]
        return [text for line in lines if (text := line.decode("utf-8", "replace").strip())]
