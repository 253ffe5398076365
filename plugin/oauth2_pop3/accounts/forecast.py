"""How long a sign-in will last: what the server said, else what is known of the provider."""

from __future__ import annotations

from dataclasses import dataclass

from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider


@dataclass(frozen=True)
class Forecast:
    """When the refresh token is expected to end, in seconds since the epoch (None if it is not known), and why."""

    at: int | None
    why: str


def forecast(provider: Provider, token: Token) -> Forecast:
    """The earliest end that is known. Each refresh starts an idle lifetime again.

    A lifetime counts from a time that the token has (signed_in_at, obtained_at). If that is 0, the end is not known.
    """
    if not provider.needs_person:
        return Forecast(None, "no person signs in for this grant, so no sign-in ends")
    if not token.refresh_token:
        return Forecast(token.expires_at, "there is no refresh token: it ends with the access token")
    ends: list[tuple[int, str]] = []
    if token.refresh_token_expires_at:
        ends.append((token.refresh_token_expires_at, "the server said so (refresh_token_expires_in)"))
    if provider.refresh_token_lifetime > 0 and token.signed_in_at:
        why = provider.refresh_token_note or "this provider ends a sign-in after a fixed time"
        ends.append((token.signed_in_at + provider.refresh_token_lifetime, why))
    if provider.refresh_token_idle_lifetime > 0 and token.obtained_at:
        why = provider.refresh_token_note or "this provider ends a sign-in that is not used for a fixed time"
        ends.append((token.obtained_at + provider.refresh_token_idle_lifetime, why))
    return Forecast(*min(ends)) if ends else Forecast(None, "the provider does not say")
