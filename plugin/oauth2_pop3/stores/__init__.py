"""Where refresh tokens are kept: one module for each store, with a TokenStore in it.

A store is made without arguments. `save` and `delete` are called under the account's lock, so they need not lock.
`load` may be called at any time, from another process too, and must never see half a token. When `save` returns, the
token must be on the disk, synced. A refresh saves the token in a process of its own (accounts/detached.py), which opens
the store anew: a copy in this process's memory would be out of date. contract.py has the tests that any store must
pass::

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

# Store authors import Token from here: its own place may change.
from oauth2_pop3.oauth2.token import Token as Token


class TokenStore(ABC):
    """Keeps one Token for each account, whose address it is given in small letters.

    Every method may raise StateError. A store of yours raises TokenStoreError, which is a StateError.
    """

    name: ClassVar[str]
    """What config.toml calls it in ``token_store``."""

    @abstractmethod
    def load(self, account: str) -> Token:
        """Read the account's token. Raises TokenNotFound if there is none."""

    @abstractmethod
    def save(self, account: str, token: Token) -> None:
        """Replace the account's token, whole or not at all. On return it is on the disk."""

    @contextmanager
    def saving(self, account: str, present: Token) -> Iterator[Callable[[Token], None]]:
        """Make ready to replace the account's token, and give the function that saves the new one.

        It is entered before the authorization server is asked, because the server may end the present refresh token
        with its response. What would keep the new token from being saved must show on entering, and not then. This
        rehearses it with the present token. A store that can reserve what the new token will need does that instead.
        """
        self.save(account, present)
        yield partial(self.save, account)

    @abstractmethod
    def delete(self, account: str) -> None:
        """Delete the account's token. It is not an error if there is none."""

    @abstractmethod
    def accounts(self) -> list[str]:
        """Return all accounts that have a token, sorted."""
