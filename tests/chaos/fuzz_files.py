"""Targets: config.toml, files of tokens, our own and other programs', and the other files of state."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from chaos.fuzz_target import Run, Target
from oauth2_pop3 import access_token_cache, token_import
from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.accounts import last_fault, provider_registry, status
from oauth2_pop3.accounts.account import load_account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.accounts.forecast import forecast
from oauth2_pop3.errors import OAuth2Pop3Error, TokenStoreError
from oauth2_pop3.oauth2.registration import kept_file
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers import mx
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.token_import import (
    emailproxy,
    fetchmail_oauth2,
    formats,
    getmail_gmail_xoauth_tokens,
    mutt_oauth2,
    sasl_xoauth2,
)

ADDRESS = "you@example.org"
CONFIG = b"""\
# mine
token_store = "file"
notify_command = "notify-send 'mail'"
notify_every = 3600

[providers.example]
issuer = "https://auth.example.org"
scope = "mail offline_access"
pop3_host = "pop.example.org"
pop3_port = 995
starttls = false
domains = ["example.org", "example.net"]
mx = ["example.org"]
refresh_token_lifetime = 7776000
authorization_parameters = { prompt = "consent" }
grants = ["authorization_code", "device_code"]

[providers.google]
client_secret_command = "pass show gmail"

[accounts."you@example.org"]
provider = "example"
client_id = "1234"
also = ["imap"]

[accounts]
"me@gmail.com" = { provider = "google", client_id = "x", tenant = "t" }
"shared@example.org" = { account = "you@example.org" }
"""
KEYS = tuple(name.encode() for name in ("[providers.x]", "[accounts.'a@b']", "account = ", *Provider.__annotations__))


@contextmanager
def home(directory: Path) -> Iterator[None]:
    """A home in a directory, for a process that asks no name server."""
    (directory / "oauth2-pop3").mkdir(mode=0o700)
    named = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "XDG_STATE_HOME": str(directory)}
    with patch.dict(os.environ, named), patch.object(mx, "mail_exchanges", lambda *_, **__: ["mx.example.org"]):
        yield


def _at_home(make: Callable[[Path], AbstractContextManager[Run]]) -> Callable[[Path], AbstractContextManager[Run]]:
    @contextmanager
    def made(directory: Path) -> Iterator[Run]:
        with home(directory), make(directory) as parse:
            yield parse

    return made


@_at_home
@contextmanager
def _config(directory: Path) -> Iterator[Run]:
    """config.toml, and all that is made of it: the accounts, the providers, `status`."""
    path = directory / "oauth2-pop3/config.toml"

    def parse(content: bytes) -> None:
        with suppress(UnicodeDecodeError):
            config = Config.from_text(content.decode(), path)
            for name in config.providers:
                with suppress(OAuth2Pop3Error):
                    provider_registry.provider(name, config, {}, config.location("providers", name))
            for address in config.accounts:
                json.dumps(status.status(address, config).as_object())
            for address in config.accounts:
                load_account(address, config)

    yield parse


@_at_home
@contextmanager
def _written_config(directory: Path) -> Iterator[Run]:
    """config.toml as a file: read, and written to by `login`, which must keep what it says of others."""
    path = directory / "oauth2-pop3/config.toml"

    def parse(content: bytes) -> None:
        path.write_bytes(content)
        path.chmod(0o600)
        before = Config.load(path)
        before.save_account("new@example.org", {"provider": "example", "client_id": "5678"})
        after = Config.load(path)
        assert after.accounts["new@example.org"]["client_id"] == "5678"
        others = {address: row for address, row in after.accounts.items() if address != "new@example.org"}
        assert repr(others) == repr({a: row for a, row in before.accounts.items() if a != "new@example.org"})
        assert repr(after.providers) == repr(before.providers)

    yield parse


@contextmanager
def _token_file(_: Path) -> Iterator[Run]:
    """A file of the file store, as the store reads it; what is read is written and read again."""
    provider = Provider(name="x", refresh_token_lifetime=1 << 62, refresh_token_idle_lifetime=86400)

    def parse(content: bytes) -> None:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise TokenStoreError("not text") from error
        token = Token.from_json(text, where="the file")
        assert Token.from_json(token.to_json(), where="again") == token
        token.valid_for()
        forecast(provider, token)

    yield parse


def _import_of(form: formats.Format) -> Callable[[Path], AbstractContextManager[Run]]:
    @_at_home
    @contextmanager
    def made(directory: Path) -> Iterator[Run]:
        path = directory / "oauth2-pop3/config.toml"
        rows = '[providers.example]\nissuer = "https://auth.example.org"\ndomains = ["example.org"]\nclient_id = "1"\n'
        config = Config.from_text(rows, path)
        request = token_import.ImportRequest(check=False, replace=True)

        def parse(content: bytes) -> None:
            for other in formats.FORMATS:
                other.recognises(content)
            if not form.recognises(content):
                return
            for imported in form.read(content, lambda _: "secret"):
                repr(imported)
                with suppress(OAuth2Pop3Error):
                    token_import.account_of(imported, {"address": ADDRESS}, config)
                if zlib.crc32(content) % 64 == 0:  # it syncs files, which takes long
                    with suppress(OAuth2Pop3Error):
                        done = token_import.import_token(imported, request, config, address=ADDRESS)
                        assert done.account.store.load(done.account.key).refresh_token == imported.refresh_token
                        Config.load(path)
                    path.unlink(missing_ok=True)

        (directory / "refresh").write_text("1//refresh\n")
        (directory / "access").write_text("ya29.access\n")
        os.mkfifo(directory / "fifo")
        before = Path.cwd()
        rounds = patch.multiple(emailproxy, _ROUNDS=1000, _MOST_ROUNDS=1000)
        os.chdir(directory)
        try:
            with patch.object(sasl_xoauth2, "CONFIG", "sasl.conf"), rounds:
                yield parse
        finally:
            os.chdir(before)

    return made


@_at_home
@contextmanager
def _cache(directory: Path) -> Iterator[Run]:
    """The file with the cached access token: what is odd counts as missing."""
    path = Path(access_token_cache.path(ADDRESS))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)

    def parse(content: bytes) -> None:
        path.write_bytes(content)
        token = access_token_cache.read(ADDRESS)
        assert token is None or (token.isascii() and b"\n" + token.encode() + b"\n" in content)
        access_token_cache.expires_at(ADDRESS, token or "")

    yield parse


@_at_home
@contextmanager
def _fault(directory: Path) -> Iterator[Run]:
    """The file with the last fault."""
    path = directory / "oauth2-pop3/faults" / file_name(ADDRESS)
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)

    def parse(content: bytes) -> None:
        path.write_bytes(content)
        if fault := last_fault.last_fault(ADDRESS):
            assert fault.message.isprintable()
            assert 0 <= fault.at < access_token_cache.LATEST
            json.dumps([fault.at, fault.exit_code])

    yield parse


@_at_home
@contextmanager
def _registration(directory: Path) -> Iterator[Run]:
    """The file with a client that was registered."""
    path = Path(kept_file.path("https://auth.example.org"))
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    provider = Provider(name="x", issuer="https://auth.example.org")

    def parse(content: bytes) -> None:
        path.write_bytes(content)
        if kept := kept_file.read("https://auth.example.org"):
            kept.identifying(provider)
            kept.wanted_by(provider, "mail offline_access")

    yield parse


_TOKEN = {
    "version": 1,
    "access_token": "ya29.a0AfH6SM",
    "expires_at": 1764000000,
    "refresh_token": "1//03",
    "scope": "https://mail.google.com/ offline_access",
    "client_secret": "hush",
    "obtained_at": 1763996400,
    "signed_in_at": 1763000000,
    "refresh_token_expires_at": 1770000000,
}
_GETMAIL = {
    "scope": "https://mail.google.com/",
    "user": "you@example.org",
    "client_id": "1.apps.googleusercontent.com",
    "client_secret": "hush",
    "token_uri": "https://accounts.google.com/o/oauth2/token",
    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    "redirect_uri": "http://localhost",
    "refresh_token": "1//03",
    "access_token": "ya29",
    "expires_at": 1764000000.5,
}
_MUTT: list[Mapping[str, object]] = [
    {
        "registration": "google",
        "authflow": "localhostauthcode",
        "email": "you@example.org",
        "access_token": "ya29",
        "access_token_expiration": "2025-11-26T05:08:15.123456",
        "refresh_token": "1//03",
    },
    {
        "registration": {"token_endpoint": "https://login.microsoftonline.com/t/oauth2/v2.0/token", "scope": "mail"},
        "email": "you@example.org",
        "client_id": "1",
        "client_secret": "",
        "access_token": "ey",
        "access_token_expiration": 1764000000,
        "refresh_token": "0.A",
    },
]
_SASL = {
    "client_id": "1",
    "client_secret": "hush",
    "token_endpoint": "https://auth.example.org/token",
    "user": "you@example.org",
    "access_token": "ya29",
    "expiry": "1764000000",
    "refresh_token": "1//03",
}
_FETCHMAIL = b"""\
client_id=1.apps.googleusercontent.com
client_secret=hush
refresh_token_file=refresh
access_token_file=access
max_age_sec=1900
auth_url=https://accounts.google.com/o/oauth2/auth
token_url=https://accounts.google.com/o/oauth2/token
scope=https://mail.google.com/
redirect_uri=http://127.0.0.1
"""
_EMAILPROXY = b"""\
[Server setup]
[IMAP-1993]
server_address = outlook.office365.com

[you@example.org]
permission_url = https://login.microsoftonline.com/common/oauth2/v2.0/authorize
token_url = https://login.microsoftonline.com/common/oauth2/v2.0/token
oauth2_scope = https://outlook.office.com/POP.AccessAsUser.All offline_access
redirect_uri = http://localhost
client_id = 1
client_secret = hush
token_salt = 8+aTjwNGDvQC9gsZ4dSGYA==
token_iterations = 1000
access_token = gAAAAABpJIEAMDAwMDAwMDAwMDAwMDAwMBeMjQa_ghThu-N1A22TAis39Ric41Jr1sJ1urbJIBcPrZw-0W1-s9fElINR-5z1LA==
access_token_expiry = 1764000000
refresh_token = gAAAAABpJIEAMTExMTExMTExMTExMTExMSWGftdDnelLsZRcX-rYt9ozt3EsxbNof23OAnAq8602_ypvD4PAYruS_H9xrHwJaA==

[@example.net]
oauth2_flow = client_credentials
"""
_REGISTRATION = {
    "version": 1,
    "client_id": "made",
    "client_secret": "hush",
    "redirect_uri": "http://127.0.0.1/callback",
    "scope": "mail offline_access",
    "registration_access_token": "r",
    "registration_client_uri": "https://auth.example.org/register/made",
    "issuer": "https://auth.example.org",
    "redirect_uris": ["http://127.0.0.1/callback", "http://[::1]/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "registered_scope": "mail offline_access",
    "asked_redirect_uri": "http://127.0.0.1/callback",
    "asked_scope": "mail offline_access",
    "token_endpoint_auth_method": "none",
    "client_secret_expires_at": 0,
}
TARGETS = (
    Target("config", _config, [CONFIG, b"", b"\xef\xbb\xbf" + CONFIG], words=KEYS),
    Target("config_written", _written_config, [CONFIG, b'[accounts]\n"a@b".provider = "x"\n'], words=KEYS),
    Target("token_file", _token_file, documents=[_TOKEN], words=[b"version"]),
    Target("import_getmail", _import_of(getmail_gmail_xoauth_tokens), documents=[_GETMAIL]),
    Target("import_mutt", _import_of(mutt_oauth2), documents=_MUTT),
    Target("import_sasl", _import_of(sasl_xoauth2), documents=[_SASL]),
    Target(
        "import_fetchmail",
        _import_of(fetchmail_oauth2),
        [_FETCHMAIL],
        words=[b"max_age_sec=", b"fifo", b"/dev/zero", b"refresh_token_file=", b"token_url=", b"access"],
    ),
    Target(
        "import_emailproxy",
        _import_of(emailproxy),
        [_EMAILPROXY],
        words=[b"token_iterations = ", b"token_salt = ", b"[DEFAULT]", b"[a@b]", b"access_token_expiry = ", b"\n "],
    ),
    Target("access_token_cache", _cache, [b"1999999999\nya29.token\n", b"1e9\nx\n"], words=[b"1999999999\n"]),
    Target("last_fault", _fault, documents=[{"at": 1764000000, "message": "no connection", "exit_code": 75}]),
    Target("registration_file", _registration, documents=[_REGISTRATION]),
)
