"""`oauth2-pop3 token` at a token endpoint whose responses are odd: what a user sees of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from oauth2_pop3.oauth2.token import Token
from servers.stub import Request, StubResponse, stub
from support.product import ADDRESS, Completed, Product

GOOD = {"access_token": "new-access", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "new-refresh-token"}
OLD = Token("old-access", 1, "old-refresh-token", "mail", "", 1, 2)


class Endpoint:
    """A token endpoint with one response, and an account whose access token has ended."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.response: StubResponse | None = None

    def respond(self, _: Request) -> StubResponse | None:
        return self.response

    def use(self, url: str) -> None:
        self.product.configure(f"""
            [providers.example]
            authorization_endpoint = "{url}/authorize"
            token_endpoint = "{url}/token"
            scope = "mail"
            client_id = "c"
            domains = ["example.org"]
            allow_insecure_loopback = true

            [accounts."{ADDRESS}"]
        """)
        file = self.product.state / "tokens" / f"{ADDRESS}.json"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_text(OLD.to_json())

    def token(self, document: object, status: int = 200, **headers: str) -> Completed:
        self.response = StubResponse(status, document, {name.replace("_", "-"): text for name, text in headers.items()})
        return self.product.run("token", ADDRESS)


@pytest.fixture
def endpoint(product: Product) -> Iterator[Endpoint]:
    there = Endpoint(product)
    with stub(there.respond) as url:
        there.use(url)
        yield there


def test_tokens_among_oddities(endpoint: Endpoint) -> None:
    body = json.dumps({**GOOD, "error": None, "token_type": None, "scope": ["mail"]}).encode()[:-1]
    result = endpoint.token(body + b', "deep": ' + b"[" * 10_000 + b', "huge": ' + b"9" * 5000, 201)
    assert (result.returncode, result.stdout, result.stderr) == (0, "new-access\n", "")
    assert endpoint.product.stored()["refresh_token"] == "new-refresh-token"


@pytest.mark.parametrize(
    ("status", "document", "code", "words"),
    [
        (
            400,
            {"error": {"errorId": "INVALID_INPUT", "message": "not acceptable"}},
            76,
            "INVALID_INPUT: not acceptable",
        ),
        (400, {"error": "invalid_grant"}, 77, f"oauth2-pop3 login {ADDRESS}"),
        (403, {"error": "access_denied", "error_description": "Too many requests."}, 75, "Wait some minutes"),
        (503, b"<title>Back at ten</title>", 75, "Back at ten"),
        (400, {"error": "x", "error_description": "who is old-refresh-token?"}, 76, "who is ...?"),
    ],
    ids=["words", "person", "limit", "page", "secret"],
)
def test_refusals(endpoint: Endpoint, status: int, document: object, code: int, words: str) -> None:
    result = endpoint.token(document, status, Retry_After="Fri, 31 Dec 99999999999999999999 23:59:59 GMT")
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert "refresh-token" not in result.stderr
    assert endpoint.product.stored()["refresh_token"] == "old-refresh-token"


def test_a_connection_that_ends_in_tls(endpoint: Endpoint) -> None:
    """It passes by itself (75); plain HTTP in place of TLS does not. Neither is a certificate that is not trusted."""
    for octets, code, words in ((b"", 75, "closed the connection"), (b"HTTP/1.1 400 Bad\r\n\r\n", 76, "not TLS")):
        listener = socket.create_server(("127.0.0.1", 0))

        def serve(listener: socket.socket = listener, octets: bytes = octets) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(octets)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with listener:
            endpoint.use(f"https://127.0.0.1:{listener.getsockname()[1]}")
            result = endpoint.product.run("token", ADDRESS)
        assert (result.returncode, result.stdout) == (code, ""), result.stderr
        assert words in result.stderr
        assert "not trusted" not in result.stderr
