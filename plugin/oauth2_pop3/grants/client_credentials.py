"""The client credentials grant (RFC 6749 section 4.4): an app's own access, with no person in it."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3 import token_endpoint
from oauth2_pop3.providers import Provider


def ask(
    provider: Provider, *, client_id: str, client_secret: str, account: str, key_password: str = ""
) -> Mapping[str, object]:
    """The token endpoint's answer to it. Raises OAuthError, NetworkError, ConfigError."""
    parameters = {"grant_type": "client_credentials"}
    if provider.scope:
        parameters["scope"] = provider.scope
    return token_endpoint.ask(
        provider,
        parameters,
        client_id=client_id,
        client_secret=client_secret,
        account=account,
        key_password=key_password,
    )
