"""What the sandbox's authorization server has issued: codes and tokens, in memory."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oauth2_pop3.sandbox.foundation.acts import Act

CODE_LIFETIME = 600  # RFC 6749 section 4.1.2: ten minutes at most


@dataclass
class Consent:
    """What a person allowed a client to do. All codes and tokens that came of it are revoked together."""

    account: str
    client_id: str
    scopes: list[str]
    offline: bool  # has a refresh token
    revoked: bool = False


@dataclass
class IssuedCode:
    """An authorization code, and what it is bound to (RFC 6749 section 4.1.2, RFC 7636 section 4.4)."""

    consent: Consent
    redirect_uri: str
    code_challenge: str
    expires_at: float
    used: bool = False


@dataclass
class IssuedToken:
    """An access token or a refresh token. replaced: it is a refresh token that a newer one took the place of."""

    consent: Consent
    expires_at: float
    replaced: bool = False


class IssuedTokens:
    """Every code and token issued. Each method may be called from any thread.

    access_token_lifetime: seconds, for tokens that are issued from now on.
    refresh_token_lifetime: the same; 0 for ever.
    """

    def __init__(self, act: Act) -> None:
        self.act = act
        self.access_token_lifetime = act.access_token_lifetime
        self.refresh_token_lifetime = act.refresh_token_lifetime
        self._codes: dict[str, IssuedCode] = {}
        self._access_tokens: dict[str, IssuedToken] = {}
        self._refresh_tokens: dict[str, IssuedToken] = {}
        self._lock = threading.RLock()

    def new_access_token(self) -> str:
        """Make an opaque access token, as long as those of the act's provider."""
        return "at-" + secrets.token_urlsafe(self.act.access_token_length)[: self.act.access_token_length - 3]

    def new_refresh_token(self) -> str:
        """Make an opaque refresh token."""
        return "rt-" + secrets.token_urlsafe(32)

    def save_code(self, code: str, consent: Consent, redirect_uri: str, code_challenge: str) -> None:
        """Remember an authorization code."""
        expires_at = time.monotonic() + CODE_LIFETIME
        with self._lock:
            self._codes[code] = IssuedCode(consent, redirect_uri, code_challenge, expires_at)

    def code(self, code: str) -> IssuedCode | None:
        """Find an authorization code, used or not."""
        with self._lock:
            return self._codes.get(code)

    def usable_code(self, code: str, client_id: str) -> IssuedCode | None:
        """Find a code to exchange. A code that is used twice revokes its consent (RFC 6749 section 4.1.2)."""
        with self._lock:
            found = self._codes.get(code)
            if found is None or found.consent.client_id != client_id or found.expires_at < time.monotonic():
                return None
            if found.used:
                found.consent.revoked = True
                return None
            return found

    def save_tokens(self, consent: Consent, access_token: str, refresh_token: str | None, used: str | None) -> None:
        """Remember new tokens. `used` is the refresh token that was exchanged for them, if any."""
        now = time.monotonic()
        with self._lock:
            self._access_tokens[access_token] = IssuedToken(consent, now + self.access_token_lifetime)
            if refresh_token is None:
                return
            lifetime = self.refresh_token_lifetime or float("inf")
            self._refresh_tokens[refresh_token] = IssuedToken(consent, now + lifetime)
            if used in self._refresh_tokens and used != refresh_token:
                self._refresh_tokens[used].replaced = True

    def refresh_token(self, token: str, client_id: str) -> tuple[Consent | None, str]:
        """Find a refresh token's consent, or else why the token is refused: a key of Act.refusals."""
        with self._lock:
            found = self._refresh_tokens.get(token)
            if found is None or found.consent.client_id != client_id:
                return None, "refresh_token"
            if found.replaced and not self.act.replaced_token_lives:
                # There are two copies, and one of them may be a thief's (RFC 9700 section 4.14.2).
                found.consent.revoked = True
                return None, "replaced"
            if found.consent.revoked:
                return None, "revoked"
            if found.expires_at < time.monotonic():
                return None, "expired"
            return found.consent, ""

    def account_of(self, access_token: str) -> str | None:
        """Tell whose maildrop a token opens: None if it is unknown, expired, revoked or without the scope for it."""
        with self._lock:
            found = self._access_tokens.get(access_token)
            if found is None or found.consent.revoked or found.expires_at < time.monotonic():
                return None
            return found.consent.account if self.act.maildrop_scope in found.consent.scopes else None

    def revoke_token(self, token: str) -> bool:
        """Revoke the consent that a token of either type came of (RFC 7009 section 2.1); False for an unknown token."""
        with self._lock:
            found = self._refresh_tokens.get(token) or self._access_tokens.get(token)
            if found is not None:
                found.consent.revoked = True
            return found is not None

    def revoke(self, account: str) -> None:
        """Revoke everything that this account allowed, as a change of password does."""
        with self._lock:
            for consent in self._of(account, self._codes, self._access_tokens, self._refresh_tokens):
                consent.revoked = True

    def expire(self, account: str, *, access_tokens: bool = False, refresh_tokens: bool = False) -> None:
        """Let the tokens of this account expire now."""
        with self._lock:
            tokens = [*self._access_tokens.values()] if access_tokens else []
            tokens += [*self._refresh_tokens.values()] if refresh_tokens else []
            for token in tokens:
                if token.consent.account == account.lower():
                    token.expires_at = float("-inf")

    def _of(self, account: str, *holders: dict[str, IssuedCode] | dict[str, IssuedToken]) -> list[Consent]:
        found = [held.consent for holder in holders for held in holder.values()]
        return [consent for consent in found if consent.account == account.lower()]
