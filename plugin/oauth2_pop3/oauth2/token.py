"""Token: what RFC 6749 section 5.1 returns, and the moment it ends."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from oauth2_pop3.access_token_cache import CLOCK_SKEW, LATEST
from oauth2_pop3.errors import OAuthError, TokenStoreError
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.tables import restore


class UnusableResponse(OAuthError):
    """The token endpoint's response cannot be used, but it may hold a new refresh token, which cannot be had again.

    `token` is what is to be kept of it: a Token without an access token; None if there is nothing to keep.
    """

    def __init__(self, message: str, *, token: Token | None = None, code: str = "") -> None:
        super().__init__(message, code=code)
        self.token = token


LONGEST_LIFETIME = 10 * 365 * 86400
"""Seconds: a longer expires_in is cut to this, which a calendar can hold."""
ASSUMED_LIFETIME = 300
"""Seconds, if the server gives no expires_in: RFC 6749 only recommends it, and a short lifetime is the safe guess."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Token:
    """An account's tokens. Its repr shows no secret.

    expires_at: seconds since the epoch.
    scope: what was granted.
    client_secret: one that was typed at `login`, and that is kept nowhere else.
    obtained_at: when the access token was issued.
    signed_in_at: when a person signed in.
    refresh_token_expires_at: by `refresh_token_expires_in` of the server; 0 if the server did not say.
    provider, client_id: who gave it to whom, for a token whose account is not in config.toml.
    """

    access_token: str = field(repr=False)
    expires_at: int
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    client_secret: str = field(default="", repr=False)
    obtained_at: int = 0
    signed_in_at: int = 0
    refresh_token_expires_at: int = 0
    provider: str = ""
    client_id: str = ""

    @classmethod
    def from_response(cls, response: Mapping[str, object], *, scope: str, previous: Token | None = None) -> Token:
        """Read a token endpoint's response (RFC 6749 section 5.1).

        scope: what was asked for. A server that does not name the scope has granted this (section 5.1).
        previous: the token that was refreshed. What the response leaves out stays as it was (section 6).

        Raises UnusableResponse if it holds no access token that can be used. Keep the error's token, if it has one: the
        server may have ended the previous refresh token.
        """
        now = int(time.time())
        before = previous or cls(access_token="", expires_at=0, scope=scope, signed_in_at=now)
        refresh_token = _refresh_token(response) or before.refresh_token
        granted = scopes.read(response.get("scope"))
        if granted is None or (previous and not granted):
            granted = before.scope
        ends = before.refresh_token_expires_at if refresh_token == before.refresh_token else 0
        if (lifetime := response.get("refresh_token_expires_in")) is not None:
            ends = now + seconds if (seconds := _seconds(lifetime, unknown=0)) else 0
        kept = cls(
            access_token="",
            expires_at=0,
            refresh_token=refresh_token,
            scope=granted,
            client_secret=before.client_secret,
            provider=before.provider,
            client_id=before.client_id,
            obtained_at=now,
            signed_in_at=before.signed_in_at,
            refresh_token_expires_at=ends,
        )
        if fault := _fault(response, previous):
            code, message = fault
            new = refresh_token != before.refresh_token
            raise UnusableResponse(message, token=replace(kept, scope=before.scope) if new else None, code=code)
        access_token = str(response["access_token"])
        return replace(kept, access_token=access_token, expires_at=now + _seconds(response.get("expires_in")))

    def valid_for(self) -> float:
        """Seconds until the access token ends. Negative if it has ended, 0 if the clock cannot be relied on.

        A token from the future was issued while the clock was ahead, and would be taken as valid until that day.
        """
        now = time.time()
        return self.expires_at - now if self.obtained_at <= now + CLOCK_SKEW else 0.0

    def to_json(self) -> str:
        """The form in which stores keep it."""
        return json.dumps({"version": _VERSION, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str, account: str = "") -> Token:
        """Read to_json's form.

        where: the file or item to name in the TokenStoreError if it is damaged. account: whose it is, for its hint.
        """
        try:
            record = json.loads(text)
            token = restore(cls, record)
            if any(isinstance(value, int) and abs(value) >= LATEST for value in asdict(token).values()):
                raise ValueError
            if not (token.access_token.isascii() and token.access_token.isprintable()):
                raise ValueError
        except (ValueError, TypeError, RecursionError) as error:
            raise TokenStoreError(
                f"{where} is damaged: it does not hold a token",
                hint=f"Restore it from a backup, or sign in again. Run: oauth2-pop3 login {account or 'ADDRESS'}",
            ) from error
        if (version := record.get("version")) != _VERSION:
            raise TokenStoreError(
                f"{where} has the version {version!r}, and this oauth2-pop3 knows {_VERSION}",
                hint="A later oauth2-pop3 wrote it: use that one.",
            )
        return token


def _fault(response: Mapping[str, object], previous: Token | None) -> tuple[str, str] | None:
    """Why a response's access_token cannot be used: the server's error code, and a sentence. None if it can.

    It must be a bearer token of RFC 6750's characters (section 2.1). A server that does not say of which type it is
    means that.
    """
    access_token, token_type = response.get("access_token"), response.get("token_type") or "Bearer"
    if response.get("error") or not isinstance(access_token, str) or not access_token:
        from oauth2_pop3.oauth2 import server_words

        sent = (previous.refresh_token, previous.client_secret) if previous else ()
        words = server_words.of(response, sent)
        # What else was sent at a sign-in, such as a password, is not known here, and the server may repeat it.
        said = f" (the server said {words.shown})" if words.shown and previous else ""
        if server_words.is_refusal(response):
            return words.code, f"the authorization server sent an error beside the tokens{said}"
        if not isinstance(access_token, str) or not access_token:
            return "", f"the authorization server's response has no usable access_token{said}"
    if " " in access_token or not access_token.isascii() or not access_token.isprintable():
        return "", "the authorization server's access_token has characters that RFC 6750 does not allow"
    if not isinstance(token_type, str) or token_type.strip().lower() != "bearer":
        return "", f"the authorization server gave a token {_kind(token_type, response)}, not a bearer token"
    return None


def _kind(token_type: object, response: Mapping[str, object]) -> str:
    """What is shown of a token_type: a name and no more, lest it be a token that was put there."""
    if not isinstance(token_type, str):
        return "without a type"
    tokens = [str(value) for name, value in response.items() if name.endswith("_token")]
    known = re.fullmatch(r"[A-Za-z0-9_ -]{1,20}|urn:ietf:params:oauth:token-type:[a-z0-9_-]{1,20}", token_type.strip())
    if known is None or any(token and (token in token_type or token_type.strip() in token) for token in tokens):
        return "of a type that is no name"
    return f"of the type {token_type.strip()!r}"


def _refresh_token(response: Mapping[str, object]) -> str:
    """The refresh_token, "" if there is none that could be sent. Characters that RFC 6749 does not allow do no harm."""
    refresh_token = response.get("refresh_token")
    if not isinstance(refresh_token, str) or not refresh_token.strip():
        return ""
    try:
        refresh_token.encode()
    except UnicodeEncodeError:
        return ""
    return refresh_token


def _seconds(expires_in: object, *, unknown: int = ASSUMED_LIFETIME) -> int:
    """Read expires_in, a number that some servers write as a string."""
    if isinstance(expires_in, bool):
        return unknown
    try:
        seconds = float(expires_in)  # type: ignore[arg-type]
    except OverflowError:
        return LONGEST_LIFETIME
    except (TypeError, ValueError):
        return unknown
    return int(min(seconds, LONGEST_LIFETIME)) if math.isfinite(seconds) and seconds >= 0 else unknown
