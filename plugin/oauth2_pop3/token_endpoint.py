"""The token endpoint (RFC 6749 section 3.2): a grant's parameters go in, a Token or an error comes out."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus

from oauth2_pop3 import https, refusals
from oauth2_pop3.errors import OAuthError
from oauth2_pop3.providers import Provider


def ask(
    provider: Provider, parameters: Mapping[str, str], *, client_id: str, client_secret: str, account: str
) -> dict[str, object]:
    """POST a grant and return the server's answer, which is a successful one.

    The client identifies itself by client_id alone (a public client), or with its secret in the body or in HTTP
    Basic, as token_endpoint_auth_method says (RFC 6749 section 2.3.1). Raises OAuthError, AuthorizationRequired,
    NetworkError.
    """
    form = dict(parameters)
    basic = None
    if client_secret and provider.token_endpoint_auth_method == "client_secret_basic":
        basic = (quote_plus(client_id), quote_plus(client_secret))
    else:
        form["client_id"] = client_id
        if client_secret and provider.token_endpoint_auth_method != "none":
            form["client_secret"] = client_secret
    response = https.request(
        "POST",
        provider.token_endpoint,
        form=form,
        basic=basic,
        ca_certs=provider.ca_certs,
        allow_insecure_loopback=provider.allow_insecure_loopback,
    )
    answer = response.json()
    if "error" in answer:
        raise refusals.explain(answer, account=account, provider=provider.name)
    if response.status != 200 or not answer:
        raise OAuthError(
            f"{provider.token_endpoint} answered {response.status} and no JSON object",
            hint="Is this the token_endpoint, and is no proxy in between?",
        )
    return answer
