"""An HTTP server that answers as a test wants: for what no real authorization server says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs


class Request(NamedTuple):
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, [value] in parse_qs(self.body.decode(), keep_blank_values=True).items()}


class Answer(NamedTuple):
    """What is said. document: bytes as they are, anything else as JSON."""

    status: int
    document: object = b""
    headers: Mapping[str, str] = {}


@contextmanager
def stub(answer: Callable[[Request], Answer | None]) -> Iterator[str]:
    """A server on loopback, without TLS; its URL. Where the answer is None the connection ends without one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            said = answer(Request(self.path, dict(self.headers), body))
            if said is None:
                self.close_connection = True
                return
            content = said.document if isinstance(said.document, bytes) else json.dumps(said.document).encode()
            self.send_response(said.status)
            for name, value in {**said.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
