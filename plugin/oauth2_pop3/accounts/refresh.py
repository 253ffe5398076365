"""Using a refresh token, which the server may replace: what comes is stored before anybody looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from oauth2_pop3 import access_token_cache
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.detached import another_request_follows, detached, response_has_come
from oauth2_pop3.errors import AuthorizationRequired, StateError, TokenNotKept
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.token import Token, UnusableResponse

_SAVE_AGAIN = (0.2, 1.0, 5.0)
"""Seconds to wait before each further attempt to store a token."""


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


def write_cache(account: Account, token: Token, *, name: str = "") -> None:
    """Put the access token where the warm path of `token` finds it. name: the mailbox that it was asked for.

    It is a copy. If it cannot be written, the next run gets the token from the store.
    """
    path = access_token_cache.path(name or account.key)
    with suppress(StateError):
        state_files.write_copy(path, f"{token.expires_at}\n{token.access_token}\n".encode("ascii"))
