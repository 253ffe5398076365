"""The plugin's test of its store, by the contract test that oauth2-pop3 ships. test_plugins.py runs it in a venv."""

from pathlib import Path

import pytest
from oauth2_pop3_example import SqliteStore

from oauth2_pop3.stores.contract import TokenStoreContract


class TestSqliteStore(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def _empty_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))

    def make(self) -> SqliteStore:
        return SqliteStore()

    def test_others_cannot_read_it(self) -> None:
        self.make()
        assert Path("~/tokens.sqlite").expanduser().stat().st_mode & 0o077 == 0
