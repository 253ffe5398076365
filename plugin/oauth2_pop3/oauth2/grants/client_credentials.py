"""The client credentials grant (RFC 6749 section 4.4): an app's own access, without a person."""

from __future__ import annotations

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants.grant import AppGrant, TokenResponse
from oauth2_pop3.providers.provider import Provider


class ClientCredentials(AppGrant):
    """Only a confidential client may use it (section 4.4): one with a secret or a key."""

    opens_every_mailbox = True

    def needs_secret(self, provider: Provider) -> bool:
        """Unless the client has a key."""
        return not provider.client_private_key

    def request(self, client: Client) -> TokenResponse:
        """Ask the token endpoint. Raises ConfigError if the client has neither a secret nor a key."""
        if not client.client_secret and not client.provider.client_private_key:
            raise ConfigError(
                "the client credentials grant needs a client_secret or a client_private_key",
                hint="Give --client-secret-command CMD or --client-private-key FILE at: "
                f"oauth2-pop3 login {client.account} --grant client_credentials",
            )
        parameters = {"grant_type": "client_credentials"}
        if client.provider.scope:
            parameters["scope"] = client.provider.scope
        return token_endpoint.ask(client, parameters)
