"""Signing out: revoked at the authorization server where it can be (RFC 7009), forgotten here in any case."""

from __future__ import annotations

from dataclasses import dataclass

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.errors import OAuth2Pop3Error, TokenNotFound
from oauth2_pop3.oauth2 import metadata
from oauth2_pop3.oauth2.revocation import revoke


@dataclass(frozen=True)
class SignedOut:
    """What happened at the server; here the tokens are deleted. fault: why they could not be revoked."""

    revoked: bool
    fault: OAuth2Pop3Error | None = None


def sign_out(account: Account) -> SignedOut:
    """End an account's sign-in. Raises TokenNotFound where there is none, TokenStoreError where it cannot be deleted.

    Tokens that cannot be read are deleted too, and the fault says so.
    """
    try:
        token = account.store.load(account.key)
        provider, _ = metadata.complete(account.provider)
        revoked = revoke(
            provider,
            token,
            client_id=provider.client_id,
            client_secret=account.client_secret(token.client_secret),
            account=account.address,
            key_password=account.key_password(),
        )
        outcome = SignedOut(revoked)
    except TokenNotFound:
        raise
    except OAuth2Pop3Error as error:
        outcome = SignedOut(False, error)
    access.forget(account)
    return outcome
