"""The only way to an access token: the cache, then the store, then the grant, under one lock for each account."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from oauth2_pop3 import access_token_cache
from oauth2_pop3.access_token_cache import DEFAULT_MIN_VALIDITY
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.detached import another_request_follows, detached, response_has_come
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
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.token import Token, UnusableResponse
from oauth2_pop3.providers import scopes
from oauth2_pop3_hooks import manager

_SAVE_AGAIN = (0.2, 1.0, 5.0)
"""Seconds to wait before each further attempt to store a token."""


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
            write_cache(account, token, name=name)
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
        return use_refresh_token(account, token, lock)
    except AuthorizationRequired as error:
        raise _needs_a_person(account, error) from error


def use_refresh_token(account: Account, token: Token, lock: StateLock) -> Token:
    """Use an account's refresh token, in a process that outlives this one, and store what comes.

    lock: the account's, which is held. Raises what Grant.renew does, and StateError if a token cannot be stored.
    """
    client = account.client(token)  # here: the user's commands may need the terminal
    from oauth2_pop3.net import https  # noqa: F401 - before there are two processes, and once for many accounts

    # The child opens the store anew: a connection of this process's must not be used by two.
    return detached(partial(_refresh, replace(account), client, token), lock=lock.descriptor)


def _refresh(account: Account, client: Client, token: Token) -> Token:
    """Use the refresh token, and store what comes before anybody looks at it. This runs in a process of its own."""
    with account.store.saving(account.key, token) as save:
        try:
            new = _renewed_or_kept(account, client, token, save)
        except AuthorizationRequired:
            # Another machine or program may share the store, and not our lock.
            again = account.store.load(account.key)
            if again.refresh_token == token.refresh_token:
                raise
            if client.client_secret == token.client_secret:  # it was typed, perhaps anew
                client = replace(client, client_secret=again.client_secret)
            another_request_follows()
            new = _renewed_or_kept(account, client, again, save)
        _save_surely(account, save, new)
    write_cache(account, new)
    return new


def _renewed_or_kept(account: Account, client: Client, token: Token, save: Callable[[Token], None]) -> Token:
    """Use the refresh token. If the response cannot be used, what cannot be had again of it is saved before the error.

    The present access token may still be good, and stays.
    """
    try:
        return account.grant.renew(client, token)
    except UnusableResponse as error:
        if error.token:
            _save_surely(
                account,
                save,
                replace(
                    error.token,
                    access_token=token.access_token,
                    expires_at=token.expires_at,
                    obtained_at=token.obtained_at,
                ),
            )
        raise UnusableResponse(error.message, code=error.code) from None


def _save_surely(account: Account, save: Callable[[Token], None], token: Token) -> None:
    """Save a token that cannot be had again: if that fails, try again for a while. Raises TokenNotKept."""
    response_has_come()
    for pause in (*_SAVE_AGAIN, 0.0):
        try:
            save(token)
            return
        except StateError as error:
            failed = error
            time.sleep(pause)
    raise TokenNotKept(
        f"a new refresh token of {account.address} came and cannot be stored: {failed.message}",
        hint=f"{failed.hint} Then sign in again. Run: oauth2-pop3 login {account.address}",
    ) from failed


def keep(account: Account, token: Token) -> None:
    """Store a new token, durable before anybody uses it, and tell the plugins. Call it under the account's lock."""
    account.store.save(account.key, token)
    write_cache(account, token)
    announce(account, token)


def announce(account: Account, token: Token) -> None:
    """Tell the plugins that an account has a new token."""
    manager.token_refreshed(account.address, token.expires_at)


def write_cache(account: Account, token: Token, *, name: str = "") -> None:
    """Put the access token where the warm path of `token` finds it. name: the mailbox that it was asked for.

    It is a copy. If it cannot be written, the next run gets the token from the store.
    """
    path = access_token_cache.path(name or account.key)
    with suppress(StateError):
        state_files.write_copy(path, f"{token.expires_at}\n{token.access_token}\n".encode("ascii"))


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
