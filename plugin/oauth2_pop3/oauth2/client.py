"""Client: this program as a client of one authorization server (RFC 6749 section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.providers.provider import Provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Client:
    """What identifies this program to an authorization server, and the account that it asks for.

    It is made once, from an account and its stored token (Account.client), and handed to every endpoint.

    provider: the authorization server. It holds the client_id, the file with the client's private key, and
        token_endpoint_auth_method; its endpoints are complete.
    account: the address that tokens are for. Hints name it.
    client_secret: "" for a public client.
    key_password: the password of the file with the private key; "" if the file is not encrypted.
    """

    provider: Provider
    account: str = ""
    client_secret: str = field(default="", repr=False)
    key_password: str = field(default="", repr=False)

    @property
    def client_id(self) -> str:
        """The identifier that the authorization server gave this client (RFC 6749 section 2.2)."""
        return self.provider.client_id

    def authenticated(self, form: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, str] | None]:
        """The form with the client's authentication added, and the user and password for HTTP Basic, if it is used.

        A public client gives only its client_id. A confidential client gives its secret in the body or by HTTP Basic,
        as token_endpoint_auth_method says (RFC 6749 section 2.3.1), or an assertion that it signs with its key (RFC
        7523 section 2.2). Raises ConfigError if the key cannot be used.
        """
        provider = self.provider
        complete = dict(form)
        if provider.client_private_key or provider.token_endpoint_auth_method == "private_key_jwt":
            complete["client_id"] = self.client_id
            complete["client_assertion_type"] = ASSERTION_TYPE
            complete["client_assertion"] = self._assertion()
            return complete, None
        if self.client_secret and provider.token_endpoint_auth_method == "client_secret_basic":
            return complete, (quote_plus(self.client_id), quote_plus(self.client_secret))
        complete["client_id"] = self.client_id
        if self.client_secret and provider.token_endpoint_auth_method != "none":
            complete["client_secret"] = self.client_secret
        return complete, None

    def _assertion(self) -> str:
        if not self.provider.client_private_key:  # a secret, if there is one, is not what the server was promised
            raise ConfigError(
                f"{self.provider.display_name} wants private_key_jwt, and no client_private_key is named",
                hint="Give --client-private-key FILE, or set another token_endpoint_auth_method.",
            )
        from oauth2_pop3.oauth2.client_assertion import private_key_jwt

        # The token endpoint is the audience for every endpoint of the server (OpenID Connect Core section 9).
        return private_key_jwt(self.provider, audience=self.provider.token_endpoint, key_password=self.key_password)
