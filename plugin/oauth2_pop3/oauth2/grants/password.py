"""The resource owner password credentials grant (RFC 6749 section 4.3), for servers that have nothing better.

RFC 9700 section 2.4 says that it MUST NOT be used: the client sees the password, and no second factor can be asked
for. So it is refused unless the provider's row names it.
"""

from __future__ import annotations

from collections.abc import Callable

from oauth2_pop3.errors import AuthorizationRequired, ConfigError
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants.grant import Person, PersonGrant, TokenResponse
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider

WARNING = (
    "Warning: with the password grant this program sees your password, and no second factor protects the sign-in. "
    "RFC 9700 section 2.4 says that it must not be used: take another grant as soon as your provider has one. "
    "The password is sent to the provider once and is not kept."
)
"""Shown to the person before they are asked for the password."""


class Password(PersonGrant):
    """The person types their password here, once."""

    def sign_in(self, client: Client, person: Person, accept: Callable[[TokenResponse], Token]) -> Token:
        """Change the password for tokens. The provider's permission is looked at before a password is typed."""
        require_allowed(client.provider)
        person.say(WARNING)
        password = person.password(client.account)
        return accept(ask(client, username=client.account, password=password))


def require_allowed(provider: Provider) -> None:
    """Raise ConfigError unless the provider's row names this grant."""
    if "password" not in provider.grants:
        raise ConfigError(
            f"the password grant is not allowed for {provider.display_name}: it gives the password to this program "
            "and must not be used (RFC 9700 section 2.4)",
            hint='Use another grant. If your server has no other, write grants = ["password"] into '
            f"[providers.{provider.name}] of config.toml.",
        )


def ask(client: Client, *, username: str, password: str) -> TokenResponse:
    """Change a password for tokens (section 4.3.2): the token endpoint's response.

    Raises ConfigError if the provider's row does not allow it, AuthorizationRequired if the password is wrong,
    OAuthError, NetworkError.
    """
    require_allowed(client.provider)
    parameters = {"grant_type": "password", "username": username, "password": password}
    if client.provider.scope:
        parameters["scope"] = client.provider.scope
    try:
        return token_endpoint.ask(client, parameters)
    except AuthorizationRequired as error:
        if error.code != "invalid_grant":
            raise
        raise AuthorizationRequired(
            f"the user name or the password was not accepted: {error.message}",
            code=error.code,
            hint=f"This grant does not work if sign-in has a second factor. Run: oauth2-pop3 login {client.account}",
        ) from error
