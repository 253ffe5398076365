"""Signing out: tokens are revoked at the authorization server if it can (RFC 7009), and deleted here in any case."""

from __future__ import annotations

from dataclasses import dataclass

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts.account import Account, load_account, load_stored_account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import OAuth2Pop3Error, TokenNotFound, UsageError
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.revocation import revoke


@dataclass(frozen=True)
class SignedOut:
    """What happened at the server; on this machine the tokens are deleted. error: why they could not be revoked."""

    revoked: bool
    error: OAuth2Pop3Error | None = None


def account_to_sign_out(address: str, config: Config) -> Account:
    """The account in config.toml, or of a token that is stored without it. Raises TokenNotFound, ConfigError."""
    try:
        return load_account(address, config)
    except TokenNotFound:
        return load_stored_account(address, config)


def sign_out(account: Account) -> SignedOut:
    """End an account's sign-in. Tokens that cannot be read are deleted too, and the result's error says so.

    Raises TokenNotFound if there are none, StateError if they cannot be deleted, UsageError for a mailbox that
    another account's token opens.
    """
    if account.mailbox and account.provider.needs_person:
        raise UsageError(
            f"{account.mailbox} has no sign-in of its own: the token of {account.address} opens it",
            hint=f"To end that one, run: oauth2-pop3 logout {account.address}. To close only this mailbox, remove "
            f'[accounts."{account.mailbox}"] from config.toml.',
        )
    with StateLock(account.key):  # a refresh that is under way would replace what is revoked
        try:
            token = account.store.load(account.key)
            outcome = SignedOut(revoke(account.client(token), token))
        except TokenNotFound:
            raise
        except OAuth2Pop3Error as error:
            outcome = SignedOut(False, error)
        access.forget(account)
    return outcome
