"""The TCP server below both servers of the sandbox: only on loopback, a thread for each connection, TLS on request."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
HANDSHAKE_SECONDS = 30


class LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A TCP server on a free port of 127.0.0.1.

    It is not http.server.ThreadingHTTPServer, whose server_bind looks up the host's name: without a network, that takes
    seconds.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # or some of fifty clients at once would wait for a retransmitted SYN

    def __init__(
        self, handler: Callable[[Any, Any, Any], socketserver.BaseRequestHandler], tls: ssl.SSLContext | None
    ) -> None:
        super().__init__((HOST, 0), handler)
        self.port: int = self.server_address[1]
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        """Start serving connections, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and end the open connections."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Its TLS handshake waits for its own thread, so that no slow client blocks the others."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake in the connection's own thread, then let the handler serve it."""
        if isinstance(request, ssl.SSLSocket):
            request.settimeout(HANDSHAKE_SECONDS)
            request.do_handshake()
        super().finish_request(request, client_address)

    def adopt(self, connection: socket.socket) -> None:
        """Remember a socket that replaced an accepted one, as STLS does."""
        with self._lock:
            self._connections.add(connection)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection when its handler has finished."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that went away or did not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def make_certificates(path: str) -> ssl.SSLContext:
    """Make a certificate authority and a certificate for loopback; return the server's context.

    The authority's own certificate is written to `path` (PEM). Raises UsageError if trustme is not installed.
    """
    from oauth2_pop3.errors import UsageError

    try:
        import trustme
    except ImportError as error:
        raise UsageError(
            "the sandbox needs the package trustme to make certificates",
            hint="Run: pip install 'oauth2-pop3[sandbox]'",
        ) from error
    authority = trustme.CA(organization_name="oauth2-pop3 sandbox")
    authority.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    return context
