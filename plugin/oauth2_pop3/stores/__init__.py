"""Where refresh tokens are kept: one module a store, each a TokenStore.

A store is made with no arguments. `access` calls it under the account's lock, so it need not lock; what it must do
is to have a token on the disk, synced, when `save` returns. contract.py tests that of any store::

    class MemoryStore(TokenStore):
        name = "memory"

        def __init__(self) -> None:
            self._tokens: dict[str, str] = {}

        def load(self, account: str) -> Token:
            if account not in self._tokens:
                raise TokenNotFound(f"no token for {account}")
            return Token.from_json(self._tokens[account], where="memory")

        def save(self, account: str, token: Token) -> None:
            self._tokens[account] = token.to_json()

        def delete(self, account: str) -> None:
            self._tokens.pop(account, None)

        def accounts(self) -> list[str]:
            return sorted(self._tokens)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from oauth2_pop3.oauth2.token import Token


class TokenStore(ABC):
    """Keeps one Token an account. Accounts come in small letters. Every method may raise StateError.

    TokenStoreError is the kind of it that a store of yours should raise.
    """

    name: ClassVar[str]
    """What config.toml calls it in ``token_store``."""

    @abstractmethod
    def load(self, account: str) -> Token:
        """Read the account's token; raises TokenNotFound where there is none."""

    @abstractmethod
    def save(self, account: str, token: Token) -> None:
        """Replace the account's token: all of it or nothing, and durable on return."""

    @abstractmethod
    def delete(self, account: str) -> None:
        """Forget the account's token; no error where there is none."""

    @abstractmethod
    def accounts(self) -> list[str]:
        """All accounts that have a token, sorted."""
