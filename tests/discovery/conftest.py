"""A name server and a web server for discovery, both real and both on this machine."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
import trustme

from servers.certificates import Certificates
from servers.dns import NameServer
from support.discovery import HOSTS, Names, Site


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def site(authority: trustme.CA, certificates: Certificates, home: Path, tmp_path: Path) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            there.requests.append((host, self.path))
            missing: tuple[int, bytes, dict[str, str]] = (404, b"<html>", {})
            status, body, headers = there.documents.get((host, self.path.partition("?")[0]), missing)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the client has gone
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that hangs up is what some tests are about

    ca_file = tmp_path / "authorities.pem"
    ca_file.write_bytes(certificates.ca_file.read_bytes() + authority.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    there = Site(server.server_address[1], ca_file)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield there
    server.shutdown()
    server.server_close()


@pytest.fixture
def names(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """names(**records): a name server with these records, and all host names of the web unless `hosts` says which."""
    with ExitStack() as stack:

        def start(**records: Any) -> dns.resolver.Resolver:
            server = stack.enter_context(NameServer(**{"hosts": HOSTS, **records}))
            monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo({443: site.port}))
            monkeypatch.setattr(dns.resolver, "Resolver", lambda: server.resolver)
            monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
            return server.resolver

        yield start
