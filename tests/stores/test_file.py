"""The built-in stores pass the same contract test as those of plugins."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import TokenNotFound, TokenStoreError
from oauth2_pop3.stores import Token, TokenStore
from oauth2_pop3.stores.contract import TokenStoreContract
from oauth2_pop3.stores.file import FileStore

ANN = "ann@example.org"


class MemoryStore(TokenStore):
    """The store of the docstring in oauth2_pop3.stores."""

    name = "memory"
    tokens: dict[str, str]

    def __init__(self, tokens: dict[str, str]) -> None:
        self.tokens = tokens

    def load(self, account: str) -> Token:
        if account not in self.tokens:
            raise TokenNotFound(f"no token for {account}")
        return Token.from_json(self.tokens[account], where="memory")

    def save(self, account: str, token: Token) -> None:
        self.tokens[account] = token.to_json()

    def delete(self, account: str) -> None:
        self.tokens.pop(account, None)

    def accounts(self) -> list[str]:
        return sorted(self.tokens)


class TestMemoryStore(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def _empty(self) -> None:
        self.tokens: dict[str, str] = {}

    def make(self) -> TokenStore:
        return MemoryStore(self.tokens)


class ForgetfulStore(MemoryStore):
    def save(self, account: str, token: Token) -> None:
        self.tokens.setdefault(account, token.to_json())


class MixingStore(MemoryStore):
    def save(self, account: str, token: Token) -> None:
        super().save(account.replace("/", "").lstrip("."), token)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (ForgetfulStore, "test_a_later_save_replaces_an_earlier_one"),
        (MixingStore, "test_accounts_are_kept_apart"),
    ],
)
def test_the_contract_finds_a_store_that_breaks_it(kind: type[MemoryStore], test: str) -> None:
    tokens: dict[str, str] = {}

    class Contract(TokenStoreContract):
        __test__ = False

        def make(self) -> TokenStore:
            return kind(tokens)

    with pytest.raises((AssertionError, TokenNotFound)):
        getattr(Contract(), test)()


class TestFileStore(TokenStoreContract):
    @pytest.fixture(autouse=True)
    def _home(self, home: Path) -> None:
        self.directory = home / ".local/state/oauth2-pop3/tokens"

    def make(self) -> FileStore:
        return FileStore()

    @pytest.fixture
    def file(self) -> Path:
        self.make().save(ANN, self.token)
        return self.directory / "ann@example.org.json"

    def refuses(self, message: str) -> TokenStoreError:
        with pytest.raises(TokenStoreError, match=message) as caught:
            self.make().load(ANN)
        assert not isinstance(caught.value, TokenNotFound), "a file that is refused is not one that is not there"
        assert "access-1" not in str(caught.value)
        assert "refresh-1" not in str(caught.value)
        return caught.value

    def test_what_is_on_the_disk(self, file: Path) -> None:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.parent.parent.stat().st_mode) == 0o700
        record = json.loads(file.read_text())
        assert record["version"] == 1
        assert record["refresh_token"] == "refresh-1"
        assert list(file.parent.iterdir()) == [file]

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o602])
    def test_a_loose_mode(self, file: Path, mode: int) -> None:
        file.chmod(mode)
        assert f"chmod 600 {file}" in self.refuses(f"mode {mode:04o}").hint

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_a_foreign_owner(self, file: Path) -> None:
        os.chown(file, 65534, 65534)
        self.refuses("another user")

    def test_a_symbolic_link(self, file: Path, tmp_path: Path) -> None:
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        self.refuses("cannot read")
        self.make().save(ANN, self.token)  # it is replaced, and nothing written through it
        assert not file.is_symlink()

    # Regression: IsADirectoryError
    def test_a_directory(self, file: Path) -> None:
        file.unlink()
        file.mkdir(0o700)
        self.refuses("it is a directory|it is not a regular file")

    # Regression: it waits for a writer for ever
    def test_a_pipe(self, file: Path) -> None:
        file.unlink()
        os.mkfifo(file, 0o600)

        def rescue() -> None:
            try:
                os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                return
            stuck.append(file)

        stuck: list[Path] = []
        timer = threading.Timer(0.5, rescue)
        timer.start()
        try:
            self.refuses("it is a directory|it is not a regular file")
        finally:
            timer.cancel()
            timer.join()
        assert not stuck

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"access_token": 1, "expires_at": 1}'])
    def test_a_damaged_file(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        self.refuses("damaged|cannot read")

    def test_what_a_killed_writer_left(self, file: Path) -> None:
        (file.parent / f"{file.name}.tmp").write_text("half")
        assert self.make().accounts() == [ANN]
        assert self.make().load(ANN) == self.token
        self.make().save(ANN, self.token)

    # Regression: a killed writer's file holds a refresh token, and `logout` leaves it there
    def test_delete_leaves_nothing(self, file: Path) -> None:
        (file.parent / f"{file.name}.tmp").write_text(self.token.to_json())
        self.make().delete(ANN)
        assert list(file.parent.iterdir()) == []

    def test_nobody_has_signed_in(self) -> None:
        with pytest.raises(TokenNotFound) as caught:
            self.make().load(ANN)
        assert f"oauth2-pop3 login {ANN}" in caught.value.hint
        assert self.make().accounts() == []
        assert not self.directory.exists()

    def test_names_of_files_and_back(self) -> None:
        store = self.make()
        for account in ("%", "..", ".json", "a.json", "a b", "ü%41", "*"):
            store.save(account, self.token)
            assert file_name(account) in {path.stem for path in self.directory.iterdir()}
        assert store.accounts() == sorted(["%", "..", ".json", "a.json", "a b", "ü%41", "*"])
