"""The built-in store: a private JSON file for each account, in ``$XDG_STATE_HOME/oauth2-pop3/tokens``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import TokenNotFound, TokenStoreError
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import state_directory
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.stores import TokenStore


class FileStore(TokenStore):
    """Writes files of mode 0600, in one rename and synced. It refuses to read one that others may read or write."""

    name: ClassVar[str] = "file"

    def load(self, account: str) -> Token:
        """Read the account's file. Raises TokenNotFound, and TokenStoreError if it is damaged or open to others."""
        path = str(self._path(account))
        content = state_files.read_state(path, TokenStoreError)
        if content is None:
            raise TokenNotFound(f"nobody has signed in as {account} yet", hint=f"Run: oauth2-pop3 login {account}")
        try:
            return Token.from_json(content.decode(), where=path, account=account)
        except UnicodeDecodeError as error:
            raise TokenStoreError(f"cannot read {path}: {error}") from error

    def save(self, account: str, token: Token) -> None:
        """Replace the account's file."""
        state_files.write_state(str(self._path(account)), token.to_json().encode())

    @contextmanager
    def saving(self, account: str, present: Token) -> Iterator[Callable[[Token], None]]:  # noqa: ARG002 - its size says little
        """Open the file that is to replace the account's, and reserve its room on the disk.

        If the new token cannot be written there nevertheless, it overwrites the present one, which is of no use then.
        """
        with state_files.replacement(str(self._path(account))) as replacement:
            yield lambda token: replacement.commit_at_any_price(token.to_json().encode())

    def delete(self, account: str) -> None:
        """Delete the account's file."""
        state_files.remove(str(self._path(account)))

    def accounts(self) -> list[str]:
        """Return all accounts that have a file."""
        return sorted(unquote(path.stem) for path in Path(state_directory(), "tokens").glob("*.json"))

    @staticmethod
    def _path(account: str) -> Path:
        return Path(state_directory(), "tokens", f"{file_name(account)}.json")
