"""What every TokenStore must do, as tests that any project can run on its own store with pytest.

::

    from oauth2_pop3.stores.contract import TokenStoreContract

    class TestMemoryStore(TokenStoreContract):
        def make(self) -> TokenStore:        # empty at the start of each test; the same state at each call in it
            return MemoryStore()
"""

from __future__ import annotations

from dataclasses import replace

from oauth2_pop3.errors import TokenNotFound
from oauth2_pop3.stores import Token, TokenStore


class TokenStoreContract:
    """Derive a class of tests from this one, and define make()."""

    def make(self) -> TokenStore:
        """Open the store under test."""
        raise NotImplementedError

    token = Token(
        access_token="access-1",
        expires_at=1_800_000_000,
        refresh_token="refresh-1",
        scope="mail",
        signed_in_at=1,
    )

    def test_has_a_name(self) -> None:
        assert self.make().name

    def test_what_was_saved_is_loaded(self) -> None:
        self.make().save("you@example.org", self.token)
        assert self.make().load("you@example.org") == self.token

    def test_a_later_save_replaces_an_earlier_one(self) -> None:
        store = self.make()
        store.save("you@example.org", self.token)
        store.save("you@example.org", replace(self.token, refresh_token="refresh-2"))
        assert self.make().load("you@example.org").refresh_token == "refresh-2"

    def test_a_token_is_replaced_once_everything_was_made_ready(self) -> None:
        store = self.make()
        store.save("you@example.org", self.token)
        with store.saving("you@example.org", self.token) as save:
            assert self.make().load("you@example.org") == self.token
            save(replace(self.token, refresh_token="refresh-2", access_token="x" * 20_000))
        assert self.make().load("you@example.org").refresh_token == "refresh-2"
        assert store.accounts() == ["you@example.org"]

    def test_a_token_stays_if_no_new_one_comes(self) -> None:
        store = self.make()
        store.save("you@example.org", self.token)
        with store.saving("you@example.org", self.token):
            pass
        assert self.make().load("you@example.org") == self.token

    def test_no_token_is_said_by_its_own_error(self) -> None:
        self._not_found("you@example.org")

    def test_accounts_are_kept_apart(self) -> None:
        store = self.make()
        accounts = [
            "a@example.org",
            "b@example.org",
            ".dot@example.org",
            "ü@example.org",
            "a/b@example.org",
            "a%2fb@x",
        ]
        for account in accounts:
            store.save(account, replace(self.token, access_token=f"token-of-{accounts.index(account)}"))
        for account in accounts:
            assert store.load(account).access_token == f"token-of-{accounts.index(account)}"
        assert store.accounts() == sorted(accounts)

    def test_a_deleted_token_is_gone_and_may_be_deleted_again(self) -> None:
        store = self.make()
        store.save("you@example.org", self.token)
        store.delete("you@example.org")
        store.delete("you@example.org")
        self._not_found("you@example.org")
        assert store.accounts() == []

    def test_a_long_token_survives(self) -> None:
        long = replace(self.token, access_token="x" * 20_000)
        self.make().save("you@example.org", long)
        assert self.make().load("you@example.org") == long

    def _not_found(self, account: str) -> None:
        try:
            self.make().load(account)
        except TokenNotFound:
            return
        raise AssertionError("load of an account without a token must raise TokenNotFound")
