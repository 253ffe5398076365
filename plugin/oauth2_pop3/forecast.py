"""How long a sign-in will last: what the server said, else what is known of the provider."""

from __future__ import annotations

from dataclasses import dataclass

from oauth2_pop3.providers import APP_GRANTS, Provider
from oauth2_pop3.tokens import Token


@dataclass(frozen=True)
class Forecast:
    """When the refresh token is expected to die, in seconds since the epoch (None: nobody knows), and why."""

    at: int | None
    why: str


def forecast(provider: Provider, token: Token) -> Forecast:
    """The earliest end that is known of. Each refresh starts an idle lifetime anew."""
    if provider.grant in APP_GRANTS:
        return Forecast(None, "no person signs in for this grant, so no sign-in ends")
    if not token.refresh_token:
        return Forecast(token.expires_at, "there is no refresh token: it ends with the access token")
    ends: list[tuple[int, str]] = []
    if token.refresh_token_expires_at:
        days = (token.refresh_token_expires_at - token.obtained_at) / 86400
        ends.append((token.refresh_token_expires_at, f"the server gave it {days:.0f} days (refresh_token_expires_in)"))
    if provider.refresh_token_lifetime:
        why = provider.refresh_token_note or "so long after the sign-in this provider ends it"
        ends.append((token.signed_in_at + provider.refresh_token_lifetime, why))
    if provider.refresh_token_idle_lifetime:
        why = provider.refresh_token_note or "so long unused this provider ends it"
        ends.append((token.obtained_at + provider.refresh_token_idle_lifetime, why))
    return Forecast(*min(ends)) if ends else Forecast(None, "neither the server nor its row says")
