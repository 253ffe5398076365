"""The user's configuration: ``$XDG_CONFIG_HOME/oauth2-pop3/config.toml``.

::

    [providers.example]                 # a provider of your own, or keys that override a built-in one's
    issuer = "https://auth.example.org"
    scope = "mail offline_access"
    pop3_host = "pop.example.org"
    domains = ["example.org"]

    [accounts."you@example.org"]        # `login` writes this
    provider = "example"
    client_id = "1234"                  # any key of a provider may stand here, for this account only
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oauth2_pop3.errors import ConfigError, StateError
from oauth2_pop3.files import state_files
from oauth2_pop3.files.private_file import read_regular, require_mode, require_owner
from oauth2_pop3.providers.tables import TableLocation, parse_toml

_TOP_LEVEL = ("accounts", "notify_command", "notify_every", "providers", "token_store")
DEFAULT_TOKEN_STORE = "file"
DEFAULT_NOTIFY_EVERY = 86400
"""Seconds between two runs of notify_command for one account."""

Tables = Mapping[str, Mapping[str, object]]


def config_file() -> Path:
    """Return the path of config.toml. Raises ConfigError if there is no home directory."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        directory = Path(base) if base.startswith("/") else Path.home() / ".config"
    except RuntimeError:
        raise ConfigError("there is no home directory", hint="Set HOME, or XDG_CONFIG_HOME.") from None
    return directory / "oauth2-pop3" / "config.toml"


@dataclass(frozen=True)
class Config:
    """What config.toml says. The keys within its tables are not checked yet."""

    path: Path
    text: str = field(default="", repr=False)
    providers: Tables = field(default_factory=dict)
    accounts: Tables = field(default_factory=dict, repr=False)
    token_store: str = DEFAULT_TOKEN_STORE
    notify_command: str = ""
    notify_every: int = DEFAULT_NOTIFY_EVERY

    @classmethod
    def load(cls, path: Path | None = None) -> Config:
        """Read the file; if there is none, the configuration is empty. Raises ConfigError."""
        path = path or config_file()
        found = _read(path)
        if found is None:
            return cls(path)
        text, status = found
        config = cls.from_text(text, path)
        if config._has_secret():
            require_mode(str(path), status, ConfigError, 0o077, holds="a client_secret")
        return config

    @classmethod
    def from_text(cls, text: str, path: Path) -> Config:
        """What a text says. path: the file's that holds it. Raises ConfigError."""
        document = parse_toml(text, str(path))
        unknown = sorted(document.keys() - set(_TOP_LEVEL))
        if unknown:
            raise ConfigError(
                f"{path} has an unknown key {unknown[0]}",
                hint=f"The keys at the top level are {', '.join(_TOP_LEVEL)}.",
            )
        return cls(
            path,
            text,
            providers=_tables(document, "providers", path),
            accounts=_by_address(_tables(document, "accounts", path), path),
            token_store=_string(document, "token_store", DEFAULT_TOKEN_STORE, path),
            notify_command=_string(document, "notify_command", "", path),
            notify_every=_seconds(document, "notify_every", DEFAULT_NOTIFY_EVERY, path),
        )

    def location(self, kind: str, name: str) -> TableLocation:
        """Return the place of a provider's or an account's table, for messages."""
        return TableLocation(str(self.path), self.text, f"{kind}.{name}")

    def _has_secret(self) -> bool:
        return any("client_secret" in row for rows in (self.providers, self.accounts) for row in rows.values())

    def require_writable(self) -> None:
        """Raise ConfigError if save_account and save_provider would: before a person signs in, not after."""
        path = Path(os.path.realpath(self.path))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            writable = os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.R_OK))
        except OSError:
            writable = False
        if not writable:
            raise ConfigError(f"cannot write {path}", hint="Make its directory writable, or set XDG_CONFIG_HOME.")

    def save_account(self, address: str, values: Mapping[str, object]) -> None:
        """Write an account's table, and leave everything else in the file as it is.

        A key whose value is "" is removed. A symbolic link is followed to the file; a new file is the user's only.
        Raises ConfigError if the file cannot be written, and StateError or StateLocked if its lock cannot be had.
        """
        self._save("accounts", address, values)

    def save_provider(self, name: str, values: Mapping[str, object]) -> None:
        """Write a provider's table, as save_account writes an account's. Raises what save_account does."""
        self._save("providers", name, values)

    def _save(self, kind: str, name: str, values: Mapping[str, object]) -> None:
        path = Path(os.path.realpath(self.path))
        with state_files.StateLock("config.toml"):  # two people may sign in at the same time
            try:
                _save_table(path, kind, name, values)
            except StateError as error:
                raise ConfigError(error.message, hint=error.hint) from error
            except (OSError, ValueError, KeyError, RecursionError) as error:  # the last three are tomlkit's
                reason = error.strerror if isinstance(error, OSError) else error
                raise ConfigError(f"cannot write {path}: {reason}") from error


def _read(path: Path) -> tuple[str, os.stat_result] | None:
    """Read config.toml's text and status; None if there is no such file. Raises ConfigError.

    It names commands that are run, so it must not be for everybody to write, nor another user's. It may be root's.
    """
    found = read_regular(str(path), ConfigError)
    if found is None:
        return None
    content, status = found
    require_owner(str(path), status, ConfigError, or_root=True)
    require_mode(str(path), status, ConfigError, 0o002)
    try:
        # CRLF and CR become LF, as in a file that is opened as text. Some editors begin a file with a byte order mark.
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"), status
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint="TOML files are written in UTF-8.") from error


def _save_table(path: Path, kind: str, name: str, values: Mapping[str, object]) -> None:
    import tomlkit
    import tomlkit.items

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text, status = _read(path) or ("", None)
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
        state_files.write(str(path), result.encode(), stat.S_IMODE(status.st_mode) if status else 0o600)


def _tables(document: Mapping[str, object], key: str, path: Path) -> Tables:
    value = document.get(key, {})
    if isinstance(value, dict) and all(isinstance(row, dict) for row in value.values()):
        return value
    raise ConfigError(f"{path}: every entry of {key} must be a table", hint=f'Write [{key}."..."] above its keys.')


def _by_address(accounts: Tables, path: Path) -> Tables:
    """Return the accounts by their addresses in small letters, as state files are named."""
    found: dict[str, Mapping[str, object]] = {}
    for address, row in accounts.items():
        if address.lower() in found:
            raise ConfigError(f"{path} has the account {address} twice", hint="Capital letters make no difference.")
        found[address.lower()] = row
    return found


def _string(document: Mapping[str, object], key: str, default: str, path: Path) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise ConfigError(f"{path}: {key} must be a string")
    if "\0" in value:
        raise ConfigError(f"{path}: {key} must not contain a NUL")
    return value


def _seconds(document: Mapping[str, object], key: str, default: int, path: Path) -> int:
    value = document.get(key, default)
    if type(value) is not int or value < 0:
        raise ConfigError(f"{path}: {key} must be a number of seconds")
    return value
