"""What becomes of the token endpoint's responses: stored first, then judged; and what a run ends with."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from oauth2_pop3.accounts import access, refresh
from oauth2_pop3.accounts.account import load_account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import NetworkError, StateError, TokenNotKept
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.stores.file import FileStore
from oauth2_pop3.token_import import ImportRequest, import_token
from oauth2_pop3.token_import.imported_token import ImportedToken
from servers.stub import Request, StubResponse, stub
from support.product import ADDRESS, Product

GOOD = {"access_token": "access-2", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh-2"}
SOON = 30
"""Seconds that the present access token is still good: too few to be given out without trying a refresh."""


class TokenEndpoint:
    """Responds as it is told, and accepts only its current refresh token: the old one ends everything."""

    def __init__(self) -> None:
        self.response = StubResponse(200, GOOD)
        self.current = "refresh-1"
        self.requests = 0

    def respond(self, request: Request) -> StubResponse:
        self.requests += 1
        if request.form["refresh_token"] != self.current:
            return StubResponse(400, {"error": "invalid_grant", "error_description": "reused"})
        document = self.response.document
        if isinstance(document, dict) and isinstance(document.get("refresh_token"), str):
            self.current = document["refresh_token"]
        return self.response


@pytest.fixture
def endpoint(product: Product) -> Iterator[TokenEndpoint]:
    server = TokenEndpoint()
    with stub(server.respond) as url:
        product.configure(f"""\
[providers.example]
authorization_endpoint = "{url}/authorize"
token_endpoint = "{url}/token"
client_id = "client"
scope = "mail"
domains = ["example.org"]
allow_insecure_loopback = true
[accounts."{ADDRESS}"]
provider = "example"
""")
        yield server


@pytest.fixture
def stored(product: Product, endpoint: TokenEndpoint) -> Callable[[float], None]:
    """stored(SECONDS): an account whose access token is still good for so long."""

    def store(seconds: float) -> None:
        for directory in (product.state, product.state / "tokens"):
            directory.mkdir(mode=0o700, exist_ok=True)
        now = int(time.time())
        file = product.state / "tokens" / f"{ADDRESS}.json"
        file.touch(mode=0o600)
        file.write_text(
            json.dumps(
                {
                    "version": 1,
                    "access_token": "access-1",
                    "expires_at": now + int(seconds),
                    "refresh_token": "refresh-1",
                    "obtained_at": now - 60,
                }
            )
        )

    return store


def without(*names: str, **more: object) -> dict[str, object]:
    return {name: value for name, value in {**GOOD, **more}.items() if name not in names}


# tests/oauth2/test_token_endpoint.py has many more; these go through the command and to the disk.
USABLE = {
    "error null": StubResponse(200, {**GOOD, "error": None}),
    "token_type null": StubResponse(200, {**GOOD, "token_type": None}),
    "status 201": StubResponse(201, GOOD),
    "expires_in of 5,000 digits": StubResponse(200, json.dumps(GOOD).replace("3600", "9" * 5000).encode()),
    "scope with commas": StubResponse(200, {**GOOD, "scope": "mail,offline_access"}),
}
UNUSABLE = {
    "no access_token": StubResponse(200, without("access_token")),
    "DPoP": StubResponse(200, {**GOOD, "token_type": "DPoP"}),
    "an error object beside the tokens": StubResponse(200, {**GOOD, "error": {"code": 7}}),
    "status 400 with tokens": StubResponse(400, {**GOOD, "error": "odd"}),
}


def test_an_odd_response_that_can_be_used(
    product: Product, endpoint: TokenEndpoint, stored: Callable[[float], None]
) -> None:
    for name, response in USABLE.items():
        stored(-1)
        endpoint.current, endpoint.response = "refresh-1", response
        (product.state / "access" / ADDRESS).unlink(missing_ok=True)
        result = product.run("token", ADDRESS)
        assert (result.returncode, result.stdout, result.stderr) == (0, "access-2\n", ""), name
        assert product.stored()["refresh_token"] == "refresh-2", name


def test_what_cannot_be_had_again_is_kept_though_the_response_cannot_be_used(
    product: Product, endpoint: TokenEndpoint, stored: Callable[[float], None]
) -> None:
    """Every run but the odd one works: neither the refresh token is lost, nor an access token that is still good."""
    for name, response in UNUSABLE.items():
        stored(SOON)
        endpoint.current, endpoint.response = "refresh-1", response
        (product.state / "access" / ADDRESS).unlink(missing_ok=True)
        still_good = product.run("token", ADDRESS)
        assert (still_good.returncode, still_good.stdout) == (0, "access-1\n"), (name, still_good)
        assert product.stored()["refresh_token"] == "refresh-2", name
        stored(-1)
        endpoint.current = "refresh-1"
        ended = product.run("token", ADDRESS)
        assert (ended.returncode, ended.stdout) == (76, ""), (name, ended)
        assert "Traceback" not in ended.stderr
        assert "refresh-" not in ended.stderr
        assert product.stored()["refresh_token"] == "refresh-2", name
        endpoint.response = StubResponse(200, {**GOOD, "refresh_token": "refresh-3"})
        assert product.run("token", ADDRESS).stdout == "access-2\n", name
        assert product.stored()["refresh_token"] == "refresh-3", name


# -- in this process and its child, where a test can put a fault


def test_a_token_that_came_and_cannot_be_stored_is_told(
    endpoint: TokenEndpoint, stored: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the present access token is still good: without a word, the next run would fail and nobody know why."""

    @contextmanager
    def broken(*_: object) -> Iterator[Callable[[Token], None]]:
        def save(_: Token) -> None:
            raise StateError("the disk is dead", hint="Mend it.")

        yield save

    stored(SOON)
    monkeypatch.setattr(FileStore, "saving", broken)
    monkeypatch.setattr(refresh, "_SAVE_AGAIN", (0.0, 0.0))
    with pytest.raises(TokenNotKept, match="cannot be stored: the disk is dead") as caught:
        access.access_token(load_account(ADDRESS))
    assert f"Run: oauth2-pop3 login {ADDRESS}" in caught.value.hint
    assert endpoint.current == "refresh-2"


def test_a_store_that_recovers_gets_the_token(
    endpoint: TokenEndpoint, stored: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = FileStore.saving

    @contextmanager
    def recovering(store: FileStore, account: str, present: Token) -> Iterator[Callable[[Token], None]]:
        left = [2]

        def save(token: Token) -> None:
            if left[0]:
                left[0] -= 1
                raise StateError("busy")
            ready(token)

        with saving(store, account, present) as ready:
            yield save

    stored(-1)
    monkeypatch.setattr(FileStore, "saving", recovering)
    monkeypatch.setattr(refresh, "_SAVE_AGAIN", (0.0, 0.0))
    assert access.access_token(load_account(ADDRESS)) == "access-2"
    assert FileStore().load(ADDRESS).refresh_token == endpoint.current == "refresh-2"


@pytest.fixture
def child_ends_once_it_has_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, write_cache = os.getpid(), refresh.write_cache

    def end(*arguments: object, **more: object) -> None:
        if os.getpid() != parent:
            os._exit(0)
        write_cache(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh, "write_cache", end)


def test_a_child_that_ends_without_a_report_has_stored(
    endpoint: TokenEndpoint, stored: Callable[[float], None], child_ends_once_it_has_stored: None
) -> None:
    stored(-1)
    with pytest.raises(NetworkError, match="before it could report"):
        access.access_token(load_account(ADDRESS))
    assert access.access_token(load_account(ADDRESS)) == "access-2"
    assert endpoint.requests == 1


def test_import_does_not_put_the_old_token_back(
    product: Product, endpoint: TokenEndpoint, child_ends_once_it_has_stored: None
) -> None:
    product.configure(product.config_file.read_text().partition("[accounts")[0])
    other = ImportedToken(program="another program", address=ADDRESS, refresh_token="refresh-1")
    with pytest.raises(NetworkError, match="is imported, but it could not be tried"):
        import_token(other, ImportRequest(), Config.load())
    assert FileStore().load(ADDRESS).refresh_token == endpoint.current == "refresh-2"
