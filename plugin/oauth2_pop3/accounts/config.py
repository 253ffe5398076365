"""The user's configuration: ``$XDG_CONFIG_HOME/oauth2-pop3/config.toml``.

::

    [providers.example]                 # a provider of one's own, or keys that override a built-in one's
    issuer = "https://auth.example.org"
    scope = "mail offline_access"
    pop3_host = "pop.example.org"
    domains = ["example.org"]

    [accounts."you@example.org"]        # `login` writes this
    provider = "example"
    client_id = "1234"                  # any key of a provider may stand here, for this account alone
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oauth2_pop3.errors import ConfigError, StateError
from oauth2_pop3.files import state_files
from oauth2_pop3.providers.tables import Place

_TOP_LEVEL = ("accounts", "notify_command", "notify_every", "providers", "token_store")
DEFAULT_TOKEN_STORE = "file"
DEFAULT_NOTIFY_EVERY = 86400
"""Seconds between two runs of notify_command for one account."""

Tables = Mapping[str, Mapping[str, object]]


def config_file() -> Path:
    """Where the configuration is looked for."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        directory = Path(base) if base.startswith("/") else Path.home() / ".config"
    except RuntimeError:
        raise ConfigError("there is no home directory", hint="Set HOME, or XDG_CONFIG_HOME.") from None
    return directory / "oauth2-pop3" / "config.toml"


@dataclass(frozen=True)
class Config:
    """What the file says, its tables not yet looked into."""

    path: Path
    text: str = field(default="", repr=False)
    providers: Tables = field(default_factory=dict)
    accounts: Tables = field(default_factory=dict, repr=False)
    token_store: str = DEFAULT_TOKEN_STORE
    notify_command: str = ""
    notify_every: int = DEFAULT_NOTIFY_EVERY

    @classmethod
    def load(cls, path: Path | None = None) -> Config:
        """Read the file; one that is not there is an empty one. Raises ConfigError."""
        path = path or config_file()
        try:
            text = path.read_text("utf-8")
            document = tomllib.loads(text)
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8 text", hint="TOML files are written in UTF-8.") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from error
        unknown = sorted(document.keys() - set(_TOP_LEVEL))
        if unknown:
            raise ConfigError(
                f"{path} has an unknown key {unknown[0]}",
                hint=f"At the top level there are {', '.join(_TOP_LEVEL)}.",
            )
        tables = {name: _tables(document.get(name, {}), name, path) for name in ("providers", "accounts")}
        token_store = document.get("token_store", DEFAULT_TOKEN_STORE)
        if not isinstance(token_store, str):
            raise ConfigError(f"{path}: token_store must be a string")
        notify_command = document.get("notify_command", "")
        if not isinstance(notify_command, str):
            raise ConfigError(f"{path}: notify_command must be a string")
        notify_every = document.get("notify_every", DEFAULT_NOTIFY_EVERY)
        if type(notify_every) is not int or notify_every < 0:
            raise ConfigError(f"{path}: notify_every must be a number of seconds")
        config = cls(
            path, text, tables["providers"], _by_address(tables["accounts"], path), token_store, notify_command,
            notify_every,
        )  # fmt: skip
        config._check_mode()
        return config

    def place(self, kind: str, name: str) -> Place:
        """Where the table of a provider or account stands, for messages."""
        return Place(str(self.path), self.text, f"{kind}.{name}")

    def _check_mode(self) -> None:
        """It may hold secrets, which are nobody else's to read, and names commands, which are not for all to write."""
        status = self.path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if status.st_uid not in (0, os.geteuid()):
            raise ConfigError(
                f"{self.path} belongs to another user (uid {status.st_uid})", hint="Run as that user, or set HOME."
            )
        if mode & 0o002:
            raise ConfigError(
                f"{self.path} can be written by everybody (mode {mode:04o})", hint=f"Run: chmod 600 {self.path}"
            )
        secret = any("client_secret" in row for rows in (self.providers, self.accounts) for row in rows.values())
        if secret and mode & 0o077:
            raise ConfigError(
                f"{self.path} holds a client_secret and can be read by others (mode {mode:04o})",
                hint=f"Run: chmod 600 {self.path}",
            )

    def require_writable(self) -> None:
        """Raise ConfigError where save_account and save_provider would: before a person signs in, not after."""
        path = Path(os.path.realpath(self.path))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            writable = os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.R_OK))
        except OSError:
            writable = False
        if not writable:
            raise ConfigError(f"cannot write {path}", hint="Make its directory writable, or set XDG_CONFIG_HOME.")

    def save_account(self, address: str, values: Mapping[str, object]) -> None:
        """Write the account's table, keeping everything else in the file as it is. Raises ConfigError.

        A value of "" is taken out. A symbolic link is followed to the file; a new file is the user's alone.
        """
        self._save("accounts", address, values)

    def save_provider(self, name: str, values: Mapping[str, object]) -> None:
        """Write a provider's table in the same way. Raises ConfigError."""
        self._save("providers", name, values)

    def _save(self, kind: str, name: str, values: Mapping[str, object]) -> None:
        path = Path(os.path.realpath(self.path))
        try:
            with state_files.StateLock("config.toml"):  # two people may sign in at the same time
                self._save_table(path, kind, name, values)
        except (OSError, ValueError, KeyError, StateError) as error:  # tomlkit's are of the two in between
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"cannot write {path}: {reason}") from error

    @staticmethod
    def _save_table(path: Path, kind: str, name: str, values: Mapping[str, object]) -> None:
        import tomlkit
        import tomlkit.items

        text = path.read_text("utf-8") if path.exists() else ""
        document = tomlkit.parse(text)
        tables = document.setdefault(kind, tomlkit.table(is_super_table=True))
        name = next((key for key in tables if key.lower() == name.lower()), name)
        if name not in tables:
            inline = isinstance(tables, tomlkit.items.InlineTable)
            tables[name] = tomlkit.inline_table() if inline else tomlkit.table()
        table = tables[name]
        for key, value in values.items():
            if value and table.get(key) != value:
                table[key] = value
            elif not value and key in table:
                del table[key]
        result = tomlkit.dumps(document)
        if result != text:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            state_files.write(str(path), result.encode(), stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600)


def _tables(value: object, name: str, path: Path) -> Tables:
    if isinstance(value, dict) and all(isinstance(row, dict) for row in value.values()):
        return value
    raise ConfigError(f"{path}: every entry of {name} must be a table", hint=f'Write [{name}."..."] above its keys.')


def _by_address(accounts: Tables, path: Path) -> Tables:
    """Accounts by address in small letters, as state files are named."""
    found: dict[str, Mapping[str, object]] = {}
    for address, row in accounts.items():
        if address.lower() in found:
            raise ConfigError(f"{path} has the account {address} twice", hint="Capital letters make no difference.")
        found[address.lower()] = row
    return found
