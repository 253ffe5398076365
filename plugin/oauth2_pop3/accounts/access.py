"""The only way to an access token: cache, then store, then refresh, under one lock an account."""

from __future__ import annotations

from dataclasses import replace

from oauth2_pop3 import access_token_cache
from oauth2_pop3.access_token_cache import DEFAULT_MIN_VALIDITY
from oauth2_pop3.accounts import account as accounts
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import AuthorizationRequired, NetworkError, OAuth2Pop3Error, TokenNotFound
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import AccountLock
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import APP_GRANTS
from oauth2_pop3_hooks import manager


def access_token(
    address: str, *, mailbox: str = "", min_validity: float = DEFAULT_MIN_VALIDITY, refused: str = ""
) -> str:
    """An access token for an account, good for min_validity seconds if the server gives such ones.

    mailbox: the maildrop that it is to open, if not the account's: a service account's token is made for each.
    refused: a token that a server has refused, which is not given out again. Where a refresh fails for a passing
    reason, a token that has not ended is given out all the same. Raises TokenNotFound, AuthorizationRequired
    (77: sign in again), NetworkError (75: later), and other kinds of OAuth2Pop3Error.
    """
    cached = None if mailbox else access_token_cache.read(address, min_validity)
    if cached and cached != refused:
        return cached
    account = accounts.load(address)
    if mailbox and account.provider.grant == "jwt_bearer":
        account = replace(account, address=mailbox)
        address = mailbox
    with AccountLock(account.key):
        cached = access_token_cache.read(address, min_validity)  # somebody else may have refreshed it meanwhile
        if cached and cached != refused:
            return cached
        token = _stored(account)
        if token.valid_for() <= min_validity or token.access_token == refused:
            try:
                token = _refresh(account, token)
            except OAuth2Pop3Error as error:
                _record_fault(account, error)
                if not isinstance(error, NetworkError):
                    raise
                if token.valid_for() > 0 and token.access_token != refused:
                    return token.access_token
                raise
        if access_token_cache.read(address, 0) != token.access_token:  # a refresh has written the account's own
            write_cache(account, token, name=address)
        return token.access_token


def require_protocol(account: Account, protocol: str) -> None:
    """Raise AuthorizationRequired where the account's sign-in did not include a protocol: "imap" or "smtp".

    What was granted counts, and not what was asked for (RFC 6749 section 5.1). Raises ConfigError, TokenNotFound.
    """
    granted = _stored(account).scope
    if not scopes.opens(account.provider, protocol, granted):
        also = ",".join(name for name in scopes.OTHER_PROTOCOLS if name == protocol or name in account.also)
        raise AuthorizationRequired(
            f"the sign-in of {account.address} does not include {protocol.upper()}",
            hint=f"Run: oauth2-pop3 login {account.address} --also {also}",
        )


def renew(address: str) -> None:
    """Get a new access token, however long the present one would still be good: what keeps a refresh token alive.

    Where the grant has none there is nothing to do. Raises what access_token does.
    """
    account = accounts.load(address)
    if account.provider.grant in APP_GRANTS:
        return
    with AccountLock(account.key):
        try:
            _refresh(account, _stored(account))
        except OAuth2Pop3Error as error:
            _record_fault(account, error)
            raise


def _stored(account: Account) -> Token:
    """What the store has; for a grant that no person takes part in, nothing has to be there."""
    try:
        return account.store.load(account.key)
    except TokenNotFound:
        if account.provider.grant not in APP_GRANTS:
            raise
        return Token(access_token="", expires_at=0)


def _refresh(account: Account, token: Token) -> Token:
    """Get a new token and keep it. Call it under the account's lock."""
    if account.provider.grant in APP_GRANTS:
        new = app_token(account, previous=token)
        keep(account, new)
        return new
    if not token.refresh_token:
        raise _needs_a_person(account, AuthorizationRequired(f"there is no refresh token for {account.address}"))
    from oauth2_pop3.oauth2 import metadata
    from oauth2_pop3.oauth2.grants.refresh_token import refresh

    # A rehearsal: a disk that is full must show before the server replaces the refresh token, not after.
    account.store.save(account.key, token)
    provider, _ = metadata.complete(account.provider)

    def ask(old: Token) -> Token:
        return refresh(
            provider,
            old,
            client_id=provider.client_id,
            client_secret=account.client_secret(old.client_secret),
            account=account.address,
            key_password=account.key_password(),
        )

    try:
        new = ask(token)
    except AuthorizationRequired as error:
        # Another machine or program may share the store, and not our lock.
        again = account.store.load(account.key)
        if again.refresh_token == token.refresh_token:
            raise _needs_a_person(account, error) from error
        try:
            new = ask(again)
        except AuthorizationRequired as second:
            raise _needs_a_person(account, second) from second
    keep(account, new)
    return new


def keep(account: Account, token: Token) -> None:
    """Store a new token, durable before anybody uses it, and tell the plugins. Call it under the account's lock."""
    account.store.save(account.key, token)
    write_cache(account, token)
    manager.token_refreshed(account.address, token.expires_at)


def app_token(account: Account, *, client_secret: str = "", previous: Token | None = None) -> Token:
    """A token by a grant that no person takes part in: client_credentials, jwt_bearer. It is not kept by this.

    Raises OAuthError, AuthorizationRequired, NetworkError, ConfigError.
    """
    from oauth2_pop3.oauth2 import metadata
    from oauth2_pop3.oauth2.grants import client_credentials, jwt_bearer

    provider, _ = metadata.complete(account.provider)
    provider = replace(provider, scope=provider.app_scope or provider.scope)
    secret = client_secret or (previous.client_secret if previous else "")
    if provider.grant == "jwt_bearer":
        answer = jwt_bearer.ask(provider, subject=account.address, account=account.address)
    else:
        answer = client_credentials.ask(
            provider,
            client_id=provider.client_id,
            client_secret=account.client_secret(secret),
            account=account.address,
            key_password=account.key_password(),
        )
    return replace(Token.from_response(answer, scope=provider.scope), client_secret=secret, refresh_token="")


def write_cache(account: Account, token: Token, *, name: str = "") -> None:
    """Put the access token where the warm path of `token` finds it. name: the mailbox that was asked for."""
    path = access_token_cache.path(name or account.key)
    state_files.private_directory(state_files.state_directory())
    state_files.private_directory(path.rpartition("/")[0])
    state_files.write(path, f"{token.expires_at}\n{token.access_token}\n".encode("ascii"))


def forget(account: Account) -> None:
    """Delete the account's tokens on this machine, and the copies that its mailboxes have."""
    from oauth2_pop3.accounts import last_fault as history
    from oauth2_pop3.accounts import notification

    with AccountLock(account.key):
        for name in {account.key, account.address, account.user, *accounts.mailboxes(account, Config.load())}:
            state_files.remove(access_token_cache.path(name))
        history.forget(account.key)
        notification.reset(account.address)
        account.store.delete(account.key)


def _record_fault(account: Account, error: OAuth2Pop3Error) -> None:
    from oauth2_pop3.accounts import last_fault as history

    history.record_fault(account.key, error)


def tell_person(account: Account, reason: str) -> str:
    """Tell plugins and notify_command that an account needs a person; the command that mends it."""
    command = f"oauth2-pop3 login {account.address}"
    manager.authorization_required(account.address, reason, command)
    config = Config.load()
    if config.notify_command:
        from oauth2_pop3.accounts.notification import notify

        notify(account.address, reason, command, config)
    return command


def _needs_a_person(account: Account, error: AuthorizationRequired) -> AuthorizationRequired:
    """Say which command mends it, and tell the plugins."""
    command = tell_person(account, error.message)
    hint = error.hint if command in error.hint else f"{error.hint} Run: {command}".strip()
    return AuthorizationRequired(error.message, code=error.code, hint=hint)
