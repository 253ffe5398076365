"""What the sandbox's authorization server has given out: codes and tokens, in memory."""

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
class Grant:
    """What a person allowed a client to do; all tokens that came of it die together."""

    account: str
    client_id: str
    scopes: list[str]
    offline: bool  # has a refresh token
    revoked: bool = False


@dataclass
class AuthorizationCode:
    """An authorization code, and what it is bound to (RFC 6749 section 4.1.2, RFC 7636 section 4.4)."""

    grant: Grant
    redirect_uri: str
    code_challenge: str
    expires_at: float
    used: bool = False


@dataclass
class IssuedToken:
    """An access token or a refresh token. replaced: a refresh token that was rotated away."""

    grant: Grant
    expires_at: float
    replaced: bool = False


class Grants:
    """All that is known of codes and tokens. Every method may be called from any thread."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.access_token_lifetime = act.access_token_lifetime
        self.refresh_token_lifetime = act.refresh_token_lifetime
        self._codes: dict[str, AuthorizationCode] = {}
        self._access_tokens: dict[str, IssuedToken] = {}
        self._refresh_tokens: dict[str, IssuedToken] = {}
        self._lock = threading.RLock()

    def new_access_token(self) -> str:
        """Make an opaque access token, as long as the act's provider makes them."""
        return "at-" + secrets.token_urlsafe(self.act.access_token_length)[: self.act.access_token_length - 3]

    def new_refresh_token(self) -> str:
        """Make an opaque refresh token."""
        return "rt-" + secrets.token_urlsafe(32)

    def save_code(self, code: str, grant: Grant, redirect_uri: str, code_challenge: str) -> None:
        """Remember an authorization code."""
        expires_at = time.monotonic() + CODE_LIFETIME
        with self._lock:
            self._codes[code] = AuthorizationCode(grant, redirect_uri, code_challenge, expires_at)

    def code(self, code: str) -> AuthorizationCode | None:
        """Find an authorization code, used or not."""
        with self._lock:
            return self._codes.get(code)

    def usable_code(self, code: str, client_id: str) -> AuthorizationCode | None:
        """Find a code to exchange. One that comes twice revokes its grant (RFC 6749 section 4.1.2)."""
        with self._lock:
            found = self._codes.get(code)
            if found is None or found.grant.client_id != client_id or found.expires_at < time.monotonic():
                return None
            if found.used:
                found.grant.revoked = True
                return None
            return found

    def save_tokens(self, grant: Grant, access_token: str, refresh_token: str | None, used: str | None) -> None:
        """Remember new tokens; used is the refresh token that was given for them."""
        now = time.monotonic()
        with self._lock:
            self._access_tokens[access_token] = IssuedToken(grant, now + self.access_token_lifetime)
            if refresh_token is None:
                return
            lifetime = self.refresh_token_lifetime or float("inf")
            self._refresh_tokens[refresh_token] = IssuedToken(grant, now + lifetime)
            if used in self._refresh_tokens and used != refresh_token:
                self._refresh_tokens[used].replaced = True

    def refresh_token(self, token: str, client_id: str) -> tuple[Grant | None, str]:
        """Find a refresh token's grant, or the cause for which it is refused (a key of Act.refusals)."""
        with self._lock:
            found = self._refresh_tokens.get(token)
            if found is None or found.grant.client_id != client_id:
                return None, "refresh_token"
            if found.replaced and not self.act.replaced_token_lives:
                # Somebody has a copy, and nobody knows who is the thief (RFC 9700 section 4.14.2).
                found.grant.revoked = True
                return None, "replaced"
            if found.grant.revoked:
                return None, "revoked"
            if found.expires_at < time.monotonic():
                return None, "expired"
            return found.grant, ""

    def account_of(self, access_token: str) -> str | None:
        """Say whose maildrop a token opens: None if it is unknown, expired, revoked or of another scope."""
        with self._lock:
            found = self._access_tokens.get(access_token)
            if found is None or found.grant.revoked or found.expires_at < time.monotonic():
                return None
            return found.grant.account if self.act.maildrop_scope in found.grant.scopes else None

    def revoke_token(self, token: str) -> bool:
        """Revoke the grant that a token of either type came of (RFC 7009 section 2.1). False if unknown."""
        with self._lock:
            found = self._refresh_tokens.get(token) or self._access_tokens.get(token)
            if found is not None:
                found.grant.revoked = True
            return found is not None

    def revoke(self, account: str) -> None:
        """Revoke all that this account allowed, as a change of password does."""
        with self._lock:
            for grant in self._of(account, self._codes, self._access_tokens, self._refresh_tokens):
                grant.revoked = True

    def expire(self, account: str, *, access_tokens: bool = False, refresh_tokens: bool = False) -> None:
        """Let tokens of this account expire now."""
        with self._lock:
            tokens = [*self._access_tokens.values()] if access_tokens else []
            tokens += [*self._refresh_tokens.values()] if refresh_tokens else []
            for token in tokens:
                if token.grant.account == account.lower():
                    token.expires_at = float("-inf")

    def _of(self, account: str, *holders: dict[str, AuthorizationCode] | dict[str, IssuedToken]) -> list[Grant]:
        found = [held.grant for holder in holders for held in holder.values()]
        return [grant for grant in found if grant.account == account.lower()]
