"""The ways to an access token: one module and one class for each grant (RFC 6749 section 1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oauth2_pop3.oauth2.grants.grant import Grant
    from oauth2_pop3.providers.provider import Provider


def grant_of(provider: Provider) -> Grant:
    """The grant by which an account of this provider signs in. Only its module is loaded.

    If the provider names no grant, it is authorization_code; Provider.check has refused any name that is not in GRANTS.
    """
    match provider.grant:
        case "client_credentials":
            from oauth2_pop3.oauth2.grants.client_credentials import ClientCredentials

            return ClientCredentials()
        case "jwt_bearer":
            from oauth2_pop3.oauth2.grants.jwt_bearer import JwtBearer

            return JwtBearer()
        case "device_code":
            from oauth2_pop3.oauth2.grants.device_authorization import DeviceCode

            return DeviceCode()
        case "password":
            from oauth2_pop3.oauth2.grants.password import Password

            return Password()
        case _:
            from oauth2_pop3.oauth2.grants.authorization_code import AuthorizationCode

            return AuthorizationCode()
