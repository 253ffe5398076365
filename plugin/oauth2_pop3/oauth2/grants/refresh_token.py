"""The refresh token grant (RFC 6749 section 6)."""

from __future__ import annotations

from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.token import Token


def refresh(client: Client, token: Token) -> Token:
    """Ask for a new access token. The server may replace the refresh token too: save the result before you use it.

    scope is left out, which asks for what was granted before (section 6). Raises AuthorizationRequired if the refresh
    token has ended, NetworkError if it may work later, UnusableResponse, OAuthError.
    """
    parameters = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
    response = token_endpoint.ask(client, parameters)
    return Token.from_response(response, scope=token.scope, previous=token)
