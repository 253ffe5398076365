"""Waiting for the redirect: at a listener on loopback (RFC 8252 section 7.3) and at the terminal at once."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit, urlunsplit

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.oauth2.pasted_lines import PastedLines
from oauth2_pop3.oauth2.redirect_server import Outcome, RedirectServer

WAIT = 600.0
"""Seconds that a person has to sign in."""
_OUTCOME_WAIT = 120.0  # seconds that the browser's page waits to be told how it went
_SENDING = 5.0  # seconds in which the pages that browsers wait for must be sent in the end
_ENDED = "The sign-in has ended. See the terminal."
_LINGERING = 3.0  # seconds in which the person's browser may come, after something else has fetched the page


@dataclass
class Redirect:
    """A redirect that arrived, or a line that was pasted. finish() tells the person at the browser how it went.

    shown_to: who has the page by now: a browser's tab (True), something else (False).
    """

    text: str = field(repr=False)
    pasted: bool = False
    shown_to: set[bool] = field(default_factory=set)
    _outcome: tuple[bool, str] = (False, "")
    _decided: threading.Event = field(default_factory=threading.Event)

    def finish(self, worked: bool, text: str) -> None:
        """Let the browser's page say whether it worked."""
        if not self._decided.is_set():
            self._outcome = (worked, text)
            self._decided.set()

    def outcome(self) -> tuple[bool, str]:
        """Wait until the sign-in has ended, and return what the page is to say."""
        if not self._decided.wait(_OUTCOME_WAIT):
            return False, "The sign-in has not ended yet. See the terminal."
        return self._outcome


class RedirectListener:
    """An HTTP server on loopback for one redirect_uri (RFC 8252 section 7.3).

    A redirect_uri without a port gets a free one, which the attribute redirect_uri names. It cannot listen for a
    redirect_uri that is not plain HTTP on loopback: the person must paste that one. Raises ConfigError if the port is
    taken.

    The same redirect may come twice: a virus scanner fetches it ahead of the browser, or the browser asks again when a
    connection broke. Both are shown how the one sign-in ended.
    """

    def __init__(self, redirect_uri: str) -> None:
        parts = urlsplit(redirect_uri)
        self.redirect_uri = redirect_uri
        self.redirects: SimpleQueue[Redirect] = SimpleQueue()
        self.wake_reader, self._wake_writer = socket.socketpair()
        self._by_target: dict[str, Redirect] = {}
        self._changed = threading.Condition()
        self._showing = 0  # pages that are waited for, or being sent
        self._latest = Redirect("", pasted=True)
        self._ended = False
        self._server: RedirectServer | None = None
        if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
            return
        address = "::1" if ":" in (parts.hostname or "") else "127.0.0.1"
        try:
            self._server = RedirectServer((address, parts.port or 0), parts.path or "/", self.showing)
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

    @contextlib.contextmanager
    def showing(self, target: str, tab: bool) -> Iterator[Outcome]:
        """Give what waits for the outcome, while a page is shown; queue the redirect if it has come for the first time.

        target: of the request. tab: whether a person sees the page. An OSError says that it could not be sent.
        """
        with self._changed:
            first = target not in self._by_target
            redirect = self._by_target.setdefault(target, Redirect(target))
            self._showing += 1
            if self._ended:
                redirect.finish(False, _ENDED)
        if first:
            self.redirects.put(redirect)
            with contextlib.suppress(OSError):
                self._wake_writer.send(b".")
        try:
            yield redirect.outcome
        except OSError:
            tab = False  # it was not sent: a browser asks again
        finally:
            with self._changed:
                self._showing -= 1
                redirect.shown_to.add(tab)
                self._changed.notify_all()

    def wait(self, *, terminal: bool, seconds: float = WAIT) -> Iterator[Redirect]:
        """Give every redirect that arrives, and every line that is pasted at the terminal. It ends after `seconds`."""
        deadline = time.monotonic() + seconds
        with (
            selectors.DefaultSelector() as selector,
            PastedLines() if terminal else contextlib.nullcontext() as lines,
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
                                self._latest = self.redirects.get_nowait()
                                yield self._latest
                    elif lines:
                        if lines.ended:
                            selector.unregister(sys.stdin)
                        yield from (Redirect(line, pasted=True) for line in lines.read())
                        if lines.ended and not self.listens:
                            return

    def close(self) -> None:
        """Stop listening, as soon as whoever waits for a page has it, and the person's browser is among them."""
        if self._server:
            with self._changed:
                for redirect in self._by_target.values():
                    redirect.finish(False, _ENDED)
                self._ended = True
                self._changed.wait_for(lambda: not self._showing, _SENDING)
                if self._latest.shown_to:
                    self._changed.wait_for(lambda: True in self._latest.shown_to, _LINGERING)
            self._server.shutdown()
            self._server.server_close()
        self.wake_reader.close()
        self._wake_writer.close()
