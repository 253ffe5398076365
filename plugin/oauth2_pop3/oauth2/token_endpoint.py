"""The token endpoint (RFC 6749 section 3.2): a grant's parameters go in, a Token or an error comes out."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus

from oauth2_pop3.errors import ConfigError, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.oauth2 import refusals
from oauth2_pop3.providers.provider import Provider

_SECRETS = ("assertion", "client_assertion", "client_secret", "code", "code_verifier", "device_code", "password",
            "refresh_token", "token")  # fmt: skip
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def client_authentication(
    provider: Provider, form: Mapping[str, str], *, client_id: str, client_secret: str, key_password: str = ""
) -> tuple[dict[str, str], tuple[str, str] | None]:
    """The form with what identifies the client in it, and what goes into HTTP Basic, if anything does.

    A public client gives its client_id alone; a confidential one its secret in the body or in HTTP Basic, as
    token_endpoint_auth_method says (RFC 6749 section 2.3.1), or an assertion signed with its key (RFC 7523 section
    2.2). key_password: what that key is encrypted with. Raises ConfigError.
    """
    complete = dict(form)
    if provider.client_private_key or provider.token_endpoint_auth_method == "private_key_jwt":
        if not provider.client_private_key:  # a secret, if there is one, is not what the server was promised
            raise ConfigError(
                f"{provider.display_name} wants private_key_jwt, and no client_private_key is named",
                hint="Give --client-private-key FILE, or set another token_endpoint_auth_method.",
            )
        from oauth2_pop3.oauth2.client_assertion import private_key_jwt

        complete["client_id"] = client_id
        complete["client_assertion_type"] = ASSERTION_TYPE
        # The token endpoint is the audience for whichever endpoint of the server it is: OpenID Connect Core section 9.
        complete["client_assertion"] = private_key_jwt(
            provider, client_id=client_id, audience=provider.token_endpoint, key_password=key_password
        )
        return complete, None
    if client_secret and provider.token_endpoint_auth_method == "client_secret_basic":
        return complete, (quote_plus(client_id), quote_plus(client_secret))
    complete["client_id"] = client_id
    if client_secret and provider.token_endpoint_auth_method != "none":
        complete["client_secret"] = client_secret
    return complete, None


def secrets(form: Mapping[str, str], basic: tuple[str, str] | None) -> list[str]:
    """What of a request nobody may see, should the server say it back in its refusal."""
    return [form[key] for key in _SECRETS if key in form] + ([basic[1]] if basic else [])


def ask(
    provider: Provider,
    parameters: Mapping[str, str],
    *,
    client_id: str,
    client_secret: str,
    account: str,
    key_password: str = "",
    endpoint: str = "",
) -> dict[str, object]:
    """POST a grant and return the server's answer, which is a successful one.

    endpoint: another one that answers in the same way (RFC 8628 section 3.1). Raises OAuthError,
    AuthorizationRequired, NetworkError, ConfigError.
    """
    form, basic = client_authentication(
        provider, parameters, client_id=client_id, client_secret=client_secret, key_password=key_password
    )
    return post(provider, form, basic=basic, account=account, endpoint=endpoint)


def post(
    provider: Provider,
    form: Mapping[str, str],
    *,
    account: str,
    basic: tuple[str, str] | None = None,
    endpoint: str = "",
) -> dict[str, object]:
    """The same for a grant that identifies the client by itself, such as an assertion (RFC 7523 section 2.1)."""
    url = endpoint or provider.token_endpoint
    response = https.request(
        "POST",
        url,
        form=form,
        basic=basic,
        ca_certs=provider.ca_certs,
        allow_insecure_loopback=provider.allow_insecure_loopback,
    )
    answer = response.json()
    if "error" in answer:
        raise refusals.explain(answer, account=account, provider=provider.name, secrets=secrets(form, basic))
    if response.status != 200 or not answer:
        raise OAuthError(
            f"{url} answered {response.status} and no JSON object",
            hint="Is this the token_endpoint, and is no proxy in between?",
        )
    return answer
