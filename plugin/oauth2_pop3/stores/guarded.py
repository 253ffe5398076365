"""A guard around every store: whatever a plugin's store raises becomes one of our errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from oauth2_pop3.errors import OAuth2Pop3Error, TokenStoreError
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.stores import TokenStore

Result = TypeVar("Result")


class GuardedStore(TokenStore):
    """Passes every call on to the store that make() opens. `name` is what messages call it."""

    name: ClassVar[str] = "guarded"

    def __init__(self, name: str, make: Callable[[], TokenStore]) -> None:
        self._called = name
        self._store = self._guard("be opened", make)

    def load(self, account: str) -> Token:
        """See TokenStore."""
        return self._guard("read", lambda: self._store.load(account))

    def save(self, account: str, token: Token) -> None:
        """See TokenStore."""
        self._guard("write", lambda: self._store.save(account, token))

    @contextmanager
    def saving(self, account: str, present: Token) -> Iterator[Callable[[Token], None]]:
        """See TokenStore."""
        ready = self._guard("write", lambda: self._store.saving(account, present))
        save = self._guard("write", ready.__enter__)
        try:
            yield lambda token: self._guard("write", lambda: save(token))
        finally:
            self._guard("write", lambda: ready.__exit__(None, None, None))

    def delete(self, account: str) -> None:
        """See TokenStore."""
        self._guard("delete", lambda: self._store.delete(account))

    def accounts(self) -> list[str]:
        """See TokenStore."""
        return self._guard("list its accounts", self._store.accounts)

    def _guard(self, what: str, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except OAuth2Pop3Error:
            raise
        except Exception as error:
            # Its text may hold a token. Only the operating system's own words are shown.
            reason = error.strerror if isinstance(error, OSError) else ""
            raise TokenStoreError(
                f"the token store {self._called} cannot {what}: {reason or type(error).__name__}",
                hint="Ask its author, or set another token_store in config.toml.",
            ) from error
