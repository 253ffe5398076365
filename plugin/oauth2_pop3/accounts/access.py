"""The only way to an access token: the cache, then the store, then the grant, under one lock for each account."""

from __future__ import annotations

from dataclasses import replace

from oauth2_pop3 import access_token_cache
from oauth2_pop3.access_token_cache import DEFAULT_MIN_VALIDITY
from oauth2_pop3.accounts import refresh
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.errors import (
    AuthorizationRequired,
    NetworkError,
    OAuth2Pop3Error,
    StateError,
    TokenNotFound,
    TokenNotKept,
)
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.token import Token, UnusableResponse
from oauth2_pop3.providers import scopes
from oauth2_pop3_hooks import manager


def access_token(
    account: Account, *, mailbox: str = "", min_validity: float = DEFAULT_MIN_VALIDITY, refused: str = ""
) -> str:
    """An access token for an account, valid for min_validity seconds if the server's tokens live that long.

    mailbox: the mailbox that it must open, if it is not the account's own. Some grants make a token for each.
    refused: a token that a server has refused; it is not returned again.

    If a refresh fails for a temporary reason, or because nothing can be written, a token that has not ended yet is
    returned all the same. Raises
    TokenNotFound and AuthorizationRequired (77: sign in again), NetworkError (75: try later), and other kinds of
    OAuth2Pop3Error.
    """
    name = account.user
    if mailbox and account.grant.token_per_mailbox:
        account, name = replace(account, address=mailbox), mailbox
    cached = access_token_cache.read(name, min_validity)
    if cached and cached != refused:
        return cached
    with StateLock(account.key) as lock:
        cached = access_token_cache.read(name, min_validity)  # another process may have refreshed it meanwhile
        if cached and cached != refused:
            return cached
        token = _stored(account)
        written = ""
        if token.valid_for() <= min_validity or token.access_token == refused:
            try:
                token = _renewed(account, token, lock)
            except OAuth2Pop3Error as error:
                _record_fault(account, error)
                if not _is_hindered(error) or token.valid_for() <= 0 or token.access_token == refused:
                    raise
                return token.access_token
            written = account.key
        if name.lower() != written:  # a shared mailbox, or a cached copy that was lost
            refresh.write_cache(account, token, name=name)
        return token.access_token


def _is_hindered(error: OAuth2Pop3Error) -> bool:
    """Whether a refresh could not be done, for a reason that says nothing of the token that there is."""
    is_about_the_token = isinstance(error, TokenNotFound | TokenNotKept)
    return isinstance(error, NetworkError | StateError | UnusableResponse) and not is_about_the_token


def require_protocol(account: Account, protocol: str) -> None:
    """Raise AuthorizationRequired if the account's sign-in did not include a protocol: "imap" or "smtp".

    What was granted counts, not what was asked for (RFC 6749 section 5.1). Raises ConfigError, TokenNotFound.
    """
    granted = _stored(account).scope
    if not scopes.opens(account.provider, protocol, granted):
        also = ",".join(name for name in scopes.OTHER_PROTOCOLS if name == protocol or name in account.also)
        raise AuthorizationRequired(
            f"the sign-in of {account.address} does not include {protocol.upper()}",
            hint=f"Run: oauth2-pop3 login {account.address} --also {also}",
        )


def renew(account: Account) -> None:
    """Use the refresh token now, however long the access token is still valid: this keeps the refresh token alive.

    Without a refresh token in the grant there is nothing to do. Raises what access_token does.
    """
    if not account.provider.needs_person:
        return
    with StateLock(account.key) as lock:
        try:
            _renewed(account, _stored(account), lock)
        except OAuth2Pop3Error as error:
            _record_fault(account, error)
            raise


def _stored(account: Account) -> Token:
    """What the store has. A grant without a person needs nothing there: its token can be asked for at any time."""
    try:
        return account.store.load(account.key)
    except TokenNotFound:
        if account.provider.needs_person:
            raise
        return Token(access_token="", expires_at=0)


def _renewed(account: Account, token: Token, lock: StateLock) -> Token:
    """Get a new token and keep it. Call it under the account's lock."""
    if account.provider.needs_person:
        new = _renewed_for_person(account, token, lock)
        announce(account, new)
    else:
        new = account.grant.renew(account.client(token), token)
        keep(account, new)
    return new


def _renewed_for_person(account: Account, token: Token, lock: StateLock) -> Token:
    if not token.refresh_token:
        raise _needs_a_person(account, AuthorizationRequired(f"there is no refresh token for {account.address}"))
    try:
        return refresh.use_refresh_token(account, token, lock)
    except AuthorizationRequired as error:
        raise _needs_a_person(account, error) from error


def keep(account: Account, token: Token) -> None:
    """Store a new token, durable before anybody uses it, and tell the plugins. Call it under the account's lock."""
    account.store.save(account.key, token)
    refresh.write_cache(account, token)
    announce(account, token)


def announce(account: Account, token: Token) -> None:
    """Tell the plugins that an account has a new token."""
    manager.token_refreshed(account.address, token.expires_at)


def forget(account: Account) -> None:
    """Delete the account's tokens on this machine, and the cached copies of its mailboxes."""
    from oauth2_pop3.accounts import last_fault, notification

    with StateLock(account.key):
        for name in {account.key, account.address, account.user, *account.mailboxes}:
            state_files.remove(access_token_cache.path(name))
        last_fault.forget(account.key)
        notification.reset(account.address)
        account.store.delete(account.key)


def _record_fault(account: Account, error: OAuth2Pop3Error) -> None:
    from oauth2_pop3.accounts.last_fault import record_fault

    record_fault(account.key, error)


def tell_person(account: Account, reason: str) -> str:
    """Tell plugins and notify_command that an account needs a person. Returns the command to run."""
    command = f"oauth2-pop3 login {account.address}"
    manager.authorization_required(account.address, reason, command)
    if account.config.notify_command:
        from oauth2_pop3.accounts.notification import notify

        notify(account.address, reason, command, account.config)
    return command


def _needs_a_person(account: Account, error: AuthorizationRequired) -> AuthorizationRequired:
    """Tell the person, and add to the error the command to run."""
    command = tell_person(account, error.message)
    hint = error.hint if command in error.hint else f"{error.hint} Run: {command}".strip()
    return AuthorizationRequired(error.message, code=error.code, hint=hint)
