"""The token endpoint (RFC 6749 section 3.2): a grant's parameters go in, a response or an error comes out.

The HTTPS client is loaded only when something is sent. Every account has a grant, and a grant needs this module.
"""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.errors import OAuthError
from oauth2_pop3.oauth2.client import Client

_SECRETS = (
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "password",
    "refresh_token",
    "token",
)


def secrets(form: Mapping[str, str], basic: tuple[str, str] | None) -> list[str]:
    """What a message must not show of a request, in case the server repeats it in its refusal."""
    return [form[key] for key in _SECRETS if key in form] + ([basic[1]] if basic else [])


def ask(client: Client, parameters: Mapping[str, str], *, endpoint: str = "") -> dict[str, object]:
    """POST a grant with the client's authentication, and return the server's response to it.

    endpoint: another one that responds in the same way (RFC 8628 section 3.1).

    Raises OAuthError, AuthorizationRequired, NetworkError, ConfigError.
    """
    form, basic = client.authenticated(parameters)
    return post(client, form, basic=basic, endpoint=endpoint)


def post(
    client: Client, form: Mapping[str, str], *, basic: tuple[str, str] | None = None, endpoint: str = ""
) -> dict[str, object]:
    """POST a form as it is: for a grant that itself identifies the client, such as a JWT (RFC 7523 section 2.1)."""
    from oauth2_pop3.net import https
    from oauth2_pop3.oauth2 import refusals

    provider = client.provider
    url = endpoint or provider.token_endpoint
    response = https.request(
        "POST",
        url,
        form=form,
        basic=basic,
        ca_certs=provider.ca_certs,
        allow_insecure_loopback=provider.allow_insecure_loopback,
    )
    members = response.json()
    if "error" in members:
        raise refusals.explain(members, account=client.account, provider=provider.name, secrets=secrets(form, basic))
    if response.status != 200 or not members:
        raise OAuthError(
            f"{url} responded with {response.status} and no JSON object",
            hint="Check that this is the token_endpoint, and that no proxy is in between.",
        )
    return members
