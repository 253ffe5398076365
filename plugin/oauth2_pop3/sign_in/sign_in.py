"""Getting an account's tokens by its grant, and checking them, so that nothing fails later when nobody is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from oauth2_pop3.accounts import access, last_fault, notification
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.checks import (
    another_identity,
    check_maildrop,
    check_refresh_token,
    check_scope,
    explain_rejection,
    signed_in_as_another,
)
from oauth2_pop3.errors import AuthenticationRejected, NetworkError, Pop3Error
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.grants.grant import Person, TokenResponse
from oauth2_pop3.oauth2.token import Token


def sign_in(
    account: Account, person: Person, *, client_secret: str = "", check: bool = True, when_kept: Callable[[], None]
) -> Token:
    """Get tokens for an account by its grant, check them and keep them.

    client_secret: one that was typed; it is kept with the token.
    check: whether to try the token at the POP3 server.
    when_kept: is called as soon as the token is kept; also if the POP3 server cannot be reached, which is an error.

    Raises AuthorizationRequired, OAuthError or AuthenticationRejected if a server refused (nothing was kept),
    NetworkError, ConfigError.
    """
    client = account.client(client_secret=client_secret)

    def accept(response: TokenResponse) -> Token:
        token = replace(
            account.grant.read(client, response),
            client_secret=client_secret,
            provider=account.provider.name,
            client_id=client.client_id,
        )
        another = ""
        if account.provider.needs_person:
            check_scope(client.provider, token)
            check_refresh_token(client.provider, token)
            another = another_identity(account, response)
        if check and account.provider.pop3_host:
            unreachable = _tried(account, token, another)
        elif another:  # only the POP3 server could say that it is an alias of the account
            raise signed_in_as_another(account, another)
        else:
            unreachable = None
        _keep(account, token)
        when_kept()
        if unreachable:
            raise NetworkError(
                f"signed in as {account.address}, and the token is kept; but the check at the POP3 server failed: "
                f"{unreachable.message}",
                hint=unreachable.hint or "Run the mail retriever later; there is no need to sign in again.",
            )
        return token

    return account.grant.sign_in(client, person, accept)


def _tried(account: Account, token: Token, another: str) -> NetworkError | None:
    """Try the token at the POP3 server. Returns the error if the server cannot be reached; raises what it refuses.

    another: as whom the person signed in, if it was not as the account.
    """
    try:
        check_maildrop(account, token.access_token)
    except AuthenticationRejected as error:
        raise explain_rejection(account, error, another) from error
    except Pop3Error as error:
        raise type(error)(error.message, hint=error.hint or account.provider.pop_switch) from error
    except NetworkError as error:
        return error
    return None


def _keep(account: Account, token: Token) -> None:
    with StateLock(account.key):
        access.keep(account, token)
    last_fault.forget(account.key)
    notification.reset(account.address)
