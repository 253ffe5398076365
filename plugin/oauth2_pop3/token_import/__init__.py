"""Importing the tokens that another program has, so that nobody must sign in again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from oauth2_pop3.accounts import access, provider_registry, refresh
from oauth2_pop3.accounts.account import Account, make_account
from oauth2_pop3.accounts.checks import check_maildrop, check_scope
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import (
    AuthorizationRequired,
    ConfigError,
    NetworkError,
    OAuth2Pop3Error,
    OAuthError,
    TokenNotFound,
    UsageError,
)
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider, authority, domain_of, row_for_domain
from oauth2_pop3.token_import.formats import read_tokens
from oauth2_pop3.token_import.imported_token import ImportedToken


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What `import` was asked for, beyond what a file says.

    account: the only address to import; or whose the token is, if the file does not say it. "" imports all.
    settings: provider, client_id, client_secret_command and tenant, which take precedence over what the file says.
    replace: also import accounts that have signed in already.
    check: whether to try the tokens.
    decryption_command: reads the file and prints what is in it.
    """

    account: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    check: bool = True
    decryption_command: str = ""


@dataclass(frozen=True)
class Imported:
    """An account that was imported.

    checked: the authorization server gave a new token for it, and the POP3 server accepted that token.
    rotated: a new refresh token came with it, so that the other program's may not work any more.
    """

    account: Account
    source: ImportedToken
    checked: bool
    rotated: bool


@dataclass(frozen=True)
class NotImported:
    """An account, or a whole file, that was not imported. address: "" for a file."""

    error: OAuth2Pop3Error
    address: str = ""


def import_file(
    name: str, request: ImportRequest, config: Config, *, password: Callable[[str], str]
) -> Iterator[Imported | NotImported]:
    """Import every account of a file that was asked for. One that fails does not stop the others.

    name: the file's; "-" is standard input.
    password: asks for emailproxy's password for an address.
    """
    try:
        tokens = read_tokens(name, decryption_command=request.decryption_command, password=password)
    except OAuth2Pop3Error as error:
        yield NotImported(error)
        return
    whose = request.account if not any(token.address for token in tokens) else ""
    for token in tokens:
        if request.account and token.address and token.address.lower() != request.account.lower():
            continue
        try:
            yield import_token(token, request, config, address=whose)
        except OAuth2Pop3Error as error:
            yield NotImported(error, token.address)


def import_token(imported: ImportedToken, request: ImportRequest, config: Config, *, address: str = "") -> Imported:
    """Make an account of what a file says: refresh the token, keep it, try the mailbox, write config.toml.

    address: whose it is, if the file does not say it. A refresh token that was replaced is on the disk before anything
    else can fail. Raises ConfigError, UsageError, AuthorizationRequired (the refresh token has ended: nothing was
    kept), NetworkError (it is kept, but was not tried), and other kinds of OAuth2Pop3Error.
    """
    if imported.problem:
        raise ConfigError(imported.problem)
    account, values = account_of(imported, {**request.settings, **({"address": address} if address else {})}, config)
    config.require_writable()
    with StateLock(account.key) as lock:
        before = _stored(account)
        if before and not request.replace:
            raise ConfigError(
                f"{account.address} has signed in already, and that is left as it is",
                hint="To import the other program's token instead, give --replace.",
            )
        token = _token(imported, account)
        # This comes first: a full disk must show before the server replaces the refresh token.
        account.store.save(account.key, token)
        unreachable: NetworkError | None = None
        if request.check:
            try:
                token = _refreshed(account, token, lock)
            except NetworkError as error:
                unreachable, token = error, account.store.load(account.key)
            except OAuth2Pop3Error:
                if not _put_back(account, before, token):
                    config.save_account(account.address, values)
                raise
        refresh.write_cache(account, token)
        access.announce(account, token)
    config.save_account(account.address, values)
    if unreachable:
        raise NetworkError(
            f"the token of {account.address} is imported, but it could not be tried: {unreachable.message}",
            hint=f"To try it again, run: oauth2-pop3 check {account.address}",
        )
    rotated = token.refresh_token != imported.refresh_token
    if request.check:
        _check(account, token)
    return Imported(account, imported, checked=request.check, rotated=rotated)


def account_of(imported: ImportedToken, settings: Mapping[str, str], config: Config) -> tuple[Account, dict[str, str]]:
    """The account that a file's token becomes, and its keys for config.toml. Raises ConfigError and UsageError.

    settings: those of the request, and "address" if the file does not say whose token it is.
    """
    imported.require_text()
    address = settings.get("address") or imported.address
    if not address:
        raise UsageError(f"the file of {imported.program} does not say whose token it is", hint="Give --account.")
    domain_of(address)
    name = settings.get("provider") or str(config.accounts.get(address.lower(), {}).get("provider", ""))
    name = name or _provider(address, imported, config)
    values = {"provider": name}
    provider = make_account(address, name, config).provider
    provider.require_supported()
    client_id = settings.get("client_id") or imported.client_id or provider.client_id
    if not client_id:
        raise UsageError(
            f"the file of {imported.program} does not have the client_id",
            hint="Look for it in that program's own script or configuration, and give it with --client-id.",
        )
    if client_id != provider.client_id:
        values["client_id"] = client_id
        secret = settings.get("client_secret_command")
        if (provider.client_secret or provider.client_secret_command) and not secret:
            raise ConfigError(
                f"{config.path} names a different client, with a secret, for {name}",
                hint="Give the secret of the file's client with --client-secret-command.",
            )
    for key in ("client_secret_command", "tenant"):
        if settings.get(key):
            values[key] = settings[key]
    tenant = re.search(r"://login\.[a-z.]+/([^/]+)/oauth2/", imported.token_endpoint)
    if tenant and tenant[1] not in ("common", "organizations", "consumers", provider.tenant):
        values.setdefault("tenant", tenant[1])
    return make_account(address, name, config, values), values


def _provider(address: str, imported: ImportedToken, config: Config) -> str:
    """The provider: by the address's domain, by the server that gave the token, or by the domain's MX record."""
    if by_domain := row_for_domain(provider_registry.rows(config), domain_of(address)):
        return by_domain
    known = provider_registry.all_providers(config)
    server = authority(imported.token_endpoint)
    by_server = [name for name, row in known.items() if server and server in _servers(row)]
    return by_server[0] if by_server else provider_registry.name_for(address, config)


def _servers(provider: Provider) -> set[str]:
    return {authority(url) for url in (provider.issuer, provider.authorization_endpoint, provider.token_endpoint)}


def _stored(account: Account) -> Token | None:
    try:
        return account.store.load(account.key)
    except TokenNotFound:
        return None


def _token(imported: ImportedToken, account: Account) -> Token:
    # The secret in the file is left out if this provider's clients must not send one.
    secret = imported.client_secret if account.provider.client_secret_policy != "forbidden" else ""
    return Token(
        access_token=imported.access_token,
        expires_at=imported.expires_at if imported.access_token else 0,
        refresh_token=imported.refresh_token,
        scope=imported.scope,
        client_secret=secret,
        provider=account.provider.name,
        client_id=account.provider.client_id,
    )


def _put_back(account: Account, before: Token | None, imported: Token) -> bool:
    """Put back what was stored before; False if the server has replaced the imported refresh token, which stays."""
    if account.store.load(account.key).refresh_token != imported.refresh_token:
        return False
    if before:
        account.store.save(account.key, before)
    else:
        account.store.delete(account.key)
    return True


def _refreshed(account: Account, token: Token, lock: StateLock) -> Token:
    try:
        return refresh.use_refresh_token(account, token, lock)
    except AuthorizationRequired as error:
        raise AuthorizationRequired(
            f"the other program's token is refused: {error.message}", code=error.code, hint=error.hint
        ) from error
    except OAuthError as error:
        raise OAuthError(f"the other program's token was not refreshed: {error}", code=error.code) from error


def _check(account: Account, token: Token) -> None:
    """Try the mailbox. The token is kept even if that fails: the other program's token may not work any more."""
    try:
        if token.scope:
            check_scope(account.provider, token)
        if account.provider.pop3_host:
            check_maildrop(account, token.access_token)
    except OAuth2Pop3Error as error:
        what = f"the token of {account.address} is imported and kept, but it does not open the mailbox"
        command = f"To sign in again, run: oauth2-pop3 login {account.address}"
        if isinstance(error, NetworkError):
            what = f"the token of {account.address} is imported, but the check at the POP3 server failed"
            command = f"To try it again, run: oauth2-pop3 check {account.address}"
        raise type(error)(f"{what}: {error.message}", hint=error.hint or command) from error
