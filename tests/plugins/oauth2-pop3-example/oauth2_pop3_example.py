"""A third-party plugin: the provider example-mail, the token store `sqlite`, the retriever type `example-pop3`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oauth2_pop3.errors import TokenNotFound
from oauth2_pop3.stores import Token, TokenStore
from oauth2_pop3_hooks import hookimpl

# --- a provider


@hookimpl
def providers() -> Mapping[str, Mapping[str, object]]:
    return {
        "example-mail": {
            "title": "Example Mail",
            "issuer": "https://auth.example.net",
            "scope": "openid email offline_access mail",
            "pop3_host": "localhost",
            "domains": ["example.net"],
            "client_id": "native-public",
        }
    }


# --- a token store


class SqliteStore(TokenStore):
    name = "sqlite"

    def __init__(self) -> None:
        path = Path("~/tokens.sqlite").expanduser()
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS tokens (account TEXT PRIMARY KEY, token TEXT NOT NULL)")

    def load(self, account: str) -> Token:
        row = self._db.execute("SELECT token FROM tokens WHERE account = ?", (account,)).fetchone()
        if row is None:
            raise TokenNotFound(f"no token for {account}", hint=f"Run: oauth2-pop3 login {account}")
        return Token.from_json(row[0], where="tokens.sqlite")

    def save(self, account: str, token: Token) -> None:
        self._db.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", (account, token.to_json()))

    def delete(self, account: str) -> None:
        self._db.execute("DELETE FROM tokens WHERE account = ?", (account,))

    def accounts(self) -> list[str]:
        return [account for (account,) in self._db.execute("SELECT account FROM tokens ORDER BY account")]


@hookimpl
def token_stores() -> Mapping[str, type[TokenStore]]:
    return {SqliteStore.name: SqliteStore}


# --- a retriever type for getmail


@hookimpl
def retriever_types() -> Mapping[str, type]:
    from oauth2_pop3.hosts.getmail6.retriever import OAuth2POP3Retriever

    class ExamplePOP3Retriever(OAuth2POP3Retriever):
        """Says in each message who fetched it."""

        def showconf(self) -> None:
            self.log.info(f"example-pop3({self._confstring()})\n")

        def getmsg(self, msgid: Any) -> Any:
            message = super().getmsg(msgid)
            message.add_header("X-Fetched-By", "oauth2-pop3-example")
            return message

    return {"example-pop3": ExamplePOP3Retriever}


# --- being told


@hookimpl
def token_refreshed(account: str, expires_at: int) -> None:
    print(f"example: {account} has a new token until {expires_at}")
