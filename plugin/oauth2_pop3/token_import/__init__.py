"""Taking over the tokens that another program has, so that nobody must sign in again."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts import account as accounts
from oauth2_pop3.accounts.account import Account
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
from oauth2_pop3.files import host_file
from oauth2_pop3.files.state_files import AccountLock
from oauth2_pop3.oauth2 import metadata
from oauth2_pop3.oauth2.grants.refresh_token import refresh
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider, domain_of, for_domain
from oauth2_pop3.token_import import (
    emailproxy,
    fetchmail_oauth2,
    getmail_gmail_xoauth_tokens,
    mutt_oauth2,
    sasl_xoauth2,
)
from oauth2_pop3.token_import.imported_token import SIZE_LIMIT, ImportedToken

_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], list[ImportedToken]]], ...] = tuple(
    (module.PROGRAM, module.recognises, module.read)
    for module in (getmail_gmail_xoauth_tokens, mutt_oauth2, sasl_xoauth2, fetchmail_oauth2)
)


@dataclass(frozen=True)
class TakenOver:
    """An account that is ours now. checked: the server gave a new token for it, and the POP3 server took that.

    rotated: with a new refresh token, so that the other program's may be of no use any more.
    """

    account: Account
    source: ImportedToken
    checked: bool
    rotated: bool


def read(name: str, *, decryption_command: str = "", password: Callable[[str], str]) -> list[ImportedToken]:
    """What a file has; "-" is standard input. decryption_command: reads it and prints what is in it.

    password: asked for the account of an address, where the file is encrypted with its password. Raises ConfigError
    where it cannot be read, or is no file of a program that is known here.
    """
    content = sys.stdin.buffer.read(SIZE_LIMIT + 1) if name == "-" else host_file.HostFile.read(name).content
    if len(content) > SIZE_LIMIT:
        raise ConfigError(f"{name} is larger than 1 MiB: it is no file of tokens")
    if decryption_command:
        content = accounts.command_output(decryption_command, what="the decryption command", stdin=content)
    try:
        for _, recognises, read_content in _FORMATS:
            if recognises(content):
                return read_content(content)
        if emailproxy.recognises(content):
            return emailproxy.read(content, password)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.message}", hint=error.hint) from error
    known = ", ".join([*(program for program, *_ in _FORMATS), emailproxy.PROGRAM])
    hint = "If it is encrypted, give --decryption-command, such as 'gpg --decrypt'."
    raise ConfigError(f"{name} is not a file of {known}", hint=hint)


def take_over(
    imported: ImportedToken, settings: Mapping[str, str], *, config: Config, replace_it: bool, check: bool
) -> TakenOver:
    """Make an account of what a file says: refresh the token, keep it, try the mailbox, write config.toml.

    settings: `address`, `provider`, `client_id`, `client_secret_command` that go before what the file says. A refresh
    token that was replaced is on the disk before anything else can fail. Raises ConfigError, UsageError,
    AuthorizationRequired (the refresh token has ended: nothing was kept), NetworkError (it is kept, and not tried),
    and other kinds of OAuth2Pop3Error.
    """
    if imported.problem:
        raise ConfigError(imported.problem)
    account, values = _account(imported, settings, config)
    config.require_writable()
    with AccountLock(account.key):
        before = _stored(account)
        if before and not replace_it:
            raise ConfigError(
                f"{account.address} has signed in already, and that is left as it is",
                hint="Give --replace to take over the other program's token instead.",
            )
        token = _token(imported, account)
        # First of all: a disk that is full must show before the server replaces the refresh token.
        account.store.save(account.key, token)
        unreachable: NetworkError | None = None
        if check:
            try:
                token = _refreshed(account, token)
            except NetworkError as error:
                unreachable = error
            except OAuth2Pop3Error:
                if before:
                    account.store.save(account.key, before)
                else:
                    account.store.delete(account.key)
                raise
        access.keep(account, token)
    config.save_account(account.address, values)
    if unreachable:
        raise NetworkError(
            f"the token of {account.address} is taken over, but it could not be tried: {unreachable.message}",
            hint="oauth2-pop3 check tries it again.",
        )
    rotated = token.refresh_token != imported.refresh_token
    if check:
        _check(account, token)
    return TakenOver(account, imported, checked=check, rotated=rotated)


def _account(imported: ImportedToken, settings: Mapping[str, str], config: Config) -> tuple[Account, dict[str, str]]:
    """The account, and what is to be written of it."""
    address = settings.get("address") or imported.address
    if not address:
        raise UsageError(f"the file of {imported.program} does not say whose token it is", hint="Give --account.")
    domain_of(address)
    name = settings.get("provider") or str(config.accounts.get(address.lower(), {}).get("provider", ""))
    name = name or _provider(address, imported, config)
    values = {"provider": name}
    provider = accounts.of(address, name, config).provider
    if provider.unsupported:
        raise ConfigError(provider.unsupported.strip().rstrip("."))
    client_id = settings.get("client_id") or imported.client_id or provider.client_id
    if not client_id:
        raise UsageError(
            f"the file of {imported.program} does not have the client_id",
            hint="It stands in that program's own script or configuration: give it with --client-id.",
        )
    if client_id != provider.client_id:
        values["client_id"] = client_id
        secret = settings.get("client_secret_command")
        if (provider.client_secret or provider.client_secret_command) and not secret:
            raise ConfigError(
                f"{config.path} names another client and its secret for {name}",
                hint="Give the secret of the file's client with --client-secret-command.",
            )
    for key in ("client_secret_command", "tenant"):
        if settings.get(key):
            values[key] = settings[key]
    tenant = re.search(r"://login\.[a-z.]+/([^/]+)/oauth2/", imported.token_endpoint)
    if tenant and tenant[1] not in ("common", "organizations", "consumers", provider.tenant):
        values.setdefault("tenant", tenant[1])
    return accounts.of(address, name, config, values), values


def _provider(address: str, imported: ImportedToken, config: Config) -> str:
    """By the address's domain, by the server that gave the token, by the domain's MX record."""
    known = accounts.all_providers(config)
    domain = domain_of(address)
    by_domain = for_domain({name: {"domains": row.domains} for name, row in known.items()}, domain)
    if by_domain:
        return by_domain
    host = urlsplit(imported.token_endpoint).hostname
    by_server = [name for name, row in known.items() if host and host in _hosts(row)]
    return by_server[0] if by_server else accounts.provider_name(address, config)


def _hosts(provider: Provider) -> set[str | None]:
    urls = (provider.issuer, provider.authorization_endpoint, provider.token_endpoint)
    return {urlsplit(url).hostname for url in urls if url}


def _stored(account: Account) -> Token | None:
    try:
        return account.store.load(account.key)
    except TokenNotFound:
        return None


def _token(imported: ImportedToken, account: Account) -> Token:
    # The file's secret is of use where nobody else has one, and where its client takes one.
    secret = imported.client_secret if account.provider.client_secret_policy != "forbidden" else ""
    token = Token(
        access_token=imported.access_token,
        expires_at=imported.expires_at if imported.access_token else 0,
        refresh_token=imported.refresh_token,
        scope=imported.scope,
        client_secret=secret,
    )
    for name, value in (("refresh token", token.refresh_token), ("access token", token.access_token)):
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"the {name} in the file is damaged")
    return token


def _refreshed(account: Account, token: Token) -> Token:
    provider, _ = metadata.complete(account.provider)
    try:
        return refresh(
            provider,
            token,
            client_id=provider.client_id,
            client_secret=account.client_secret(token.client_secret),
            account=account.address,
            key_password=account.key_password(),
        )
    except AuthorizationRequired as error:
        raise AuthorizationRequired(
            f"the other program's token is refused: {error.message}", code=error.code, hint=error.hint
        ) from error
    except OAuthError as error:
        raise OAuthError(f"the other program's token was not refreshed: {error}", code=error.code) from error


def _check(account: Account, token: Token) -> None:
    """What is found wrong here is no reason to throw the token away: the other program's may be dead by now."""
    try:
        if token.scope:
            check_scope(account.provider, token)
        if account.provider.pop3_host:
            check_maildrop(account, token.access_token)
    except OAuth2Pop3Error as error:
        what = f"the token of {account.address} is taken over and kept, but it does not open the mailbox"
        if isinstance(error, NetworkError):
            what = f"the token of {account.address} is taken over, but the check at the POP3 server failed"
        command = f"To sign in anew, run: oauth2-pop3 login {account.address}"
        raise type(error)(f"{what}: {error.message}", hint=error.hint or command) from error
