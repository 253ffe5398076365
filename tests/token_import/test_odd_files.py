"""Files of tokens that no program would write. What is tried at real servers is in test_token_import.py."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import ConfigError
from oauth2_pop3.token_import import Imported, ImportRequest, NotImported, import_file

SASL = {"refresh_token": "1//03", "user": "ann@gmail.com", "client_id": "1", "client_secret": "hush", "expiry": "1"}
ANN = ImportRequest(account="ann@gmail.com", check=False)
ALL = ImportRequest(check=False)


def imported(file: Path, request: ImportRequest = ANN) -> Imported | NotImported:
    (result,) = import_file(str(file), request, Config.load(), password=lambda _: "secret")
    return result


def problem(file: Path, request: ImportRequest = ANN) -> str:
    result = imported(file, request)
    assert isinstance(result, NotImported)
    assert isinstance(result.error, ConfigError)
    assert "hush" not in str(result.error)
    return str(result.error)


def written(home: Path, content: str | Mapping[str, object]) -> Path:
    file = home / "tokens"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.mark.parametrize("url", ["https://[[[", "https://a:99999/", "//", "\u2100", "x" * 5000, ""])
def test_an_endpoint_that_is_no_url_says_nothing_of_the_provider(url: str, home: Path) -> None:
    result = imported(written(home, {**SASL, "token_endpoint": url}))
    assert isinstance(result, Imported)
    assert result.account.provider.name == "google"


@pytest.mark.parametrize(
    "key", ["refresh_token", "access_token", "client_id", "client_secret", "user", "token_endpoint"]
)
@pytest.mark.parametrize("value", ["a\ud800", "a\0", "a\nb", "a\x1b]0;x\x07"])
def test_what_no_server_could_be_sent_is_found_before_anything_is_kept(key: str, value: str, home: Path) -> None:
    what = {"user": "address"}.get(key, key.replace("_", " "))
    assert f"the {what} in the file is damaged" in problem(written(home, {**SASL, key: value}), ALL)
    assert not (home / ".local/state/oauth2-pop3").exists()


@pytest.mark.parametrize("expiry", ["inf", "nan", "1e400", "9" * 400, 1e308, -1, [], {"a": 1}, None, "9" * 5000])
def test_a_moment_that_is_none_counts_as_unknown(expiry: object, home: Path) -> None:
    result = imported(written(home, {**SASL, "access_token": "x", "expiry": expiry}))
    assert isinstance(result, Imported)
    assert result.account.store.load("ann@gmail.com").expires_at == 0


@pytest.mark.parametrize("registration", ["[" * 900 + "]" * 900, "1", "null", "[]"])
def test_a_registration_of_mutt_that_is_none(registration: str, home: Path) -> None:
    text = f'{{"registration": {registration}, "access_token_expiration": 1e400, "email": "ann@gmail.com"}}'
    assert problem(written(home, text))


@pytest.mark.parametrize("content", ["", "[" * 20_000, '{"refresh_token": ' + "9" * 5000 + "}", "\ufeff", "\0"])
def test_what_is_no_file_of_tokens(content: str, home: Path) -> None:
    file = written(home, content)
    assert f"{file} is not a file of" in problem(file)


@pytest.mark.parametrize(
    ("age", "lifetime"), [("1900", 1900), ("9" * 5000, 3000), ("-1", 3000), ("", 3000), ("x", 3000)]
)
def test_the_age_that_fetchmails_script_allows_a_token(age: str, lifetime: int, home: Path) -> None:
    result = imported(fetchmail_file(home, max_age_sec=age))
    assert isinstance(result, Imported)
    expires_at = result.account.store.load("ann@gmail.com").expires_at
    assert abs(expires_at - time.time() - lifetime) < 100


def test_an_age_beyond_all_calendars_ends_the_token_now(home: Path) -> None:
    """It was stored once in such a way that the store called it damaged."""
    result = imported(fetchmail_file(home, max_age_sec=str(10**14)))
    assert isinstance(result, Imported)
    assert result.account.store.load("ann@gmail.com").expires_at == 0


@pytest.mark.parametrize("kind", ["a directory", "not a regular file"])
def test_a_token_file_that_is_no_file(kind: str, home: Path) -> None:
    odd = home / "odd"
    (os.mkdir if kind == "a directory" else os.mkfifo)(odd)
    assert f"cannot read {odd}: it is {kind}" in problem(fetchmail_file(home, refresh_token_file=str(odd)))


def fetchmail_file(home: Path, **settings: str) -> Path:
    for name in ("refresh", "access"):
        (home / name).write_text(f"{name}-token\n")
    named = {"refresh_token_file": str(home / "refresh"), "access_token_file": str(home / "access"), "client_id": "1"}
    return written(home, "".join(f"{key}={value}\n" for key, value in {**named, **settings}.items()))
