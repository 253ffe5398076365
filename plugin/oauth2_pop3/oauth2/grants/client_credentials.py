"""The client credentials grant (RFC 6749 section 4.4): an app's own access, with no person in it."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.providers.provider import Provider


def ask(
    provider: Provider, *, client_id: str, client_secret: str, account: str, key_password: str = ""
) -> Mapping[str, object]:
    """The token endpoint's answer to it. key_password: what the client's private key is encrypted with.

    Raises ConfigError where the client has neither a secret nor a key: only a confidential one may use this grant
    (section 4.4). Raises OAuthError, AuthorizationRequired, NetworkError too.
    """
    if not client_secret and not provider.client_private_key:
        raise ConfigError(
            "the client credentials grant needs a client_secret or a client_private_key",
            hint="Give --client-secret-command CMD or --client-private-key FILE at: "
            f"oauth2-pop3 login {account} --grant client_credentials",
        )
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
