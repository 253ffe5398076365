"""Token revocation (RFC 7009): telling the authorization server that a sign-in has ended."""

from __future__ import annotations

from oauth2_pop3 import https, refusals, token_endpoint
from oauth2_pop3.errors import OAuthError
from oauth2_pop3.providers import Provider
from oauth2_pop3.tokens import Token


def revoke(
    provider: Provider, token: Token, *, client_id: str, client_secret: str, account: str, key_password: str = ""
) -> bool:
    """Revoke the refresh token, then the access token; False where the server has no revocation_endpoint.

    The refresh token goes first: most servers end what was made with it too (section 2.1), and it is the one that
    lasts. A server that cannot revoke access tokens may say so (unsupported_token_type, section 2.2.1). Raises
    OAuthError, NetworkError, ConfigError.
    """
    if not provider.revocation_endpoint:
        return False
    for hint, value in (("refresh_token", token.refresh_token), ("access_token", token.access_token)):
        if not value:
            continue
        form, basic = token_endpoint.client_authentication(
            provider,
            {"token": value, "token_type_hint": hint},
            client_id=client_id,
            client_secret=client_secret,
            key_password=key_password,
        )
        response = https.request(
            "POST",
            provider.revocation_endpoint,
            form=form,
            basic=basic,
            ca_certs=provider.ca_certs,
            allow_insecure_loopback=provider.allow_insecure_loopback,
        )
        if response.status == 200:
            continue
        answer = response.json()
        if hint == "access_token" and token.refresh_token and answer.get("error") == "unsupported_token_type":
            continue
        if "error" in answer:
            raise refusals.explain(answer, account=account, provider=provider.name)
        raise OAuthError(f"{provider.revocation_endpoint} answered {response.status}")
    return True
