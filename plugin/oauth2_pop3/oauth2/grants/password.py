"""The resource owner password credentials grant (RFC 6749 section 4.3), for servers that have nothing better.

RFC 9700 section 2.4: it MUST NOT be used, because the client sees the password and no second factor can be asked
for. So it is refused wherever the provider's row does not name it.
"""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.errors import AuthorizationRequired, ConfigError
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.providers.provider import Provider

WARNING = (
    "Warning: with the password grant this program sees your password, and no second factor protects the sign-in. "
    "RFC 9700 section 2.4 says that it must not be used: take another grant as soon as your provider has one. "
    "The password is sent to the provider once and is not kept."
)
"""To be shown to the person before they are asked for the password."""


def require_allowed(provider: Provider) -> None:
    """Raise ConfigError where the provider's row does not name this grant: before a person types a password."""
    if "password" not in provider.grants:
        raise ConfigError(
            f"the password grant is not allowed for {provider.display_name}: it gives the password to this program "
            "and must not be used (RFC 9700 section 2.4)",
            hint="Take another grant. If the server has no other, put it into the list `grants` of its table.",
        )


def ask(
    provider: Provider,
    *,
    username: str,
    password: str,
    client_id: str,
    client_secret: str,
    account: str,
    key_password: str = "",
) -> Mapping[str, object]:
    """Change a password for tokens (section 4.3.2): the token endpoint's answer.

    key_password: what the client's private key is encrypted with, where it has one.

    Raises ConfigError where the provider's row does not allow it, AuthorizationRequired where the password is wrong,
    OAuthError, NetworkError.
    """
    require_allowed(provider)
    parameters = {"grant_type": "password", "username": username, "password": password}
    if provider.scope:
        parameters["scope"] = provider.scope
    try:
        return token_endpoint.ask(
            provider,
            parameters,
            client_id=client_id,
            client_secret=client_secret,
            account=account,
            key_password=key_password,
        )
    except AuthorizationRequired as error:
        if error.code != "invalid_grant":
            raise
        raise AuthorizationRequired(
            f"the user name or the password was not accepted: {error.message}",
            code=error.code,
            hint=f"Where sign-in has a second factor, this grant does not work. Run: oauth2-pop3 login {account}",
        ) from error
