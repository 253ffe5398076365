"""The refresh token grant (RFC 6749 section 6)."""

from __future__ import annotations

from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider


def refresh(
    provider: Provider, token: Token, *, client_id: str, client_secret: str, account: str, key_password: str = ""
) -> Token:
    """Ask for a new access token. The refresh token may have been replaced with it: save the answer before use.

    scope is left out, which asks for what was granted (section 6). Raises AuthorizationRequired where the refresh
    token has ended, NetworkError where it may work later, OAuthError.
    """
    parameters = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
    answer = token_endpoint.ask(
        provider,
        parameters,
        client_id=client_id,
        client_secret=client_secret,
        account=account,
        key_password=key_password,
    )
    return Token.from_response(answer, scope=token.scope, previous=token)
