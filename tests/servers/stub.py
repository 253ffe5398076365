"""An HTTP server that responds as a test wants: for responses that no real authorization server gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs


class Request(NamedTuple):
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, [value] in parse_qs(self.body.decode(), keep_blank_values=True).items()}


class StubResponse(NamedTuple):
    """A response. document: bytes are sent as they are, anything else as JSON.

    headers: a Content-Length among them is sent though it is wrong, and a Transfer-Encoding instead of one.
    """

    status: int
    document: object = b""
    headers: Mapping[str, str] = {}


@contextmanager
def stub(respond: Callable[[Request], StubResponse | None]) -> Iterator[str]:
    """A server on loopback, without TLS; its URL. If `respond` returns None, the connection ends without a response."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            response = respond(Request(self.path, dict(self.headers), body))
            if response is None:
                self.close_connection = True
                return
            content = (
                response.document if isinstance(response.document, bytes) else json.dumps(response.document).encode()
            )
            self.send_response(response.status)
            length = {} if "Transfer-Encoding" in response.headers else {"Content-Length": str(len(content))}
            for name, value in {**length, **response.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing: a client may go away whenever it wants."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
