"""Token revocation (RFC 7009): telling the authorization server that a sign-in has ended."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.errors import AuthorizationRequired, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.token import Token


def revoke(client: Client, token: Token) -> bool:
    """Revoke the refresh token, then the access token. Returns False if the server has no revocation_endpoint.

    The refresh token goes first: it lasts, and most servers end with it what was made from it (section 2.1). An access
    token that has ended is left out. Raises OAuthError, NetworkError, ConfigError; never AuthorizationRequired,
    because nobody has to sign in for this.
    """
    provider = client.provider
    if not provider.revocation_endpoint:
        return False
    for hint, value in (("refresh_token", token.refresh_token), ("access_token", token.access_token)):
        if not value or (hint == "access_token" and token.valid_for() <= 0):
            continue
        form, basic = client.authenticated({"token": value, "token_type_hint": hint})
        response = https.request(
            "POST",
            provider.revocation_endpoint,
            form={key: value for key, value in form.items() if value},  # a service account has no client_id
            basic=basic,
            ca_certs=provider.ca_certs,
            allow_insecure_loopback=provider.allow_insecure_loopback,
        )
        if 200 <= response.status < 300:
            continue
        members = response.json()
        if _is_dead_anyway(members, hint=hint, token=token):
            continue
        refusal = token_endpoint.refusal(response, client, form, basic)
        if isinstance(refusal, AuthorizationRequired):
            raise OAuthError(refusal.message, code=refusal.code)
        raise refusal
    return True


def _is_dead_anyway(members: Mapping[str, object], *, hint: str, token: Token) -> bool:
    """Whether a refusal leaves nothing to revoke.

    For a token that is no longer valid, section 2.2 wants 200, but Google says invalid_token: each time for an access
    token, because it ended with its refresh token. A server that cannot revoke access tokens says
    unsupported_token_type (section 2.2.1); they end soon anyway.
    """
    if members.get("error") == "invalid_token":
        return True
    return members.get("error") == "unsupported_token_type" and hint == "access_token" and bool(token.refresh_token)
