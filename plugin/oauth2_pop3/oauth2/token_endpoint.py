"""The token endpoint (RFC 6749 section 3.2): a grant's parameters go in, a response or an error comes out.

The HTTPS client is loaded only when something is sent. Every account has a grant, and a grant needs this module.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.oauth2.client import Client

if TYPE_CHECKING:
    from oauth2_pop3.net.https import Response

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
_KEPT = ("access_token", "refresh_token", "token_type", "scope", "id_token", "error", "error_description")
"""Members that are worth having even if the rest of a response is lost."""
_MARKS = ("access_token", "error", "errors", "fault")
"""The object that has one of these is the response, whatever it is put into."""


def secrets(form: Mapping[str, str], basic: tuple[str, str] | None) -> list[str]:
    """What a message must not show of a request, in case the server repeats it in its refusal."""
    found = [form[key] for key in _SECRETS if key in form]
    if basic:
        found += [basic[1], base64.b64encode(":".join(basic).encode()).decode()]
    return found


def ask(client: Client, parameters: Mapping[str, str], *, endpoint: str = "") -> dict[str, object]:
    """POST a grant with the client's authentication, and return the server's response to it.

    endpoint: another one that responds in the same way (RFC 8628 section 3.1).

    A response that holds tokens is returned whatever else is odd about it: Token.from_response first keeps what cannot
    be had again. Raises OAuthError, AuthorizationRequired, NetworkError, ConfigError.
    """
    form, basic = client.authenticated(parameters)
    return post(client, form, basic=basic, endpoint=endpoint)


def post(
    client: Client, form: Mapping[str, str], *, basic: tuple[str, str] | None = None, endpoint: str = ""
) -> dict[str, object]:
    """POST a form as it is: for a grant that itself identifies the client, such as a JWT (RFC 7523 section 2.1)."""
    from oauth2_pop3.net import https
    from oauth2_pop3.oauth2.server_words import is_refusal

    provider = client.provider
    response = https.request(
        "POST",
        endpoint or provider.token_endpoint,
        form=form,
        basic=basic,
        ca_certs=provider.ca_certs,
        allow_insecure_loopback=provider.allow_insecure_loopback,
        judged=False,
    )
    members = _members(response)
    if _holds_tokens(members, form):
        return members
    succeeded = response.fault is None and 200 <= response.status < 300 and bool(members) and not is_refusal(members)
    if not endpoint or not succeeded:
        raise refusal(response, client, form, basic)
    return members


def _members(response: Response) -> dict[str, object]:
    from oauth2_pop3.net.json_object import object_within

    return object_within(response.body, _MARKS, _KEPT)


def _holds_tokens(members: Mapping[str, object], form: Mapping[str, str]) -> bool:
    """Whether there is a new refresh token, or an access token and no error."""
    from oauth2_pop3.oauth2.server_words import is_refusal

    refresh_token, access_token = members.get("refresh_token"), members.get("access_token")
    if isinstance(refresh_token, str) and refresh_token.strip():
        repeated = (refresh_token, unquote(refresh_token), unquote_plus(refresh_token))
        if form.get("refresh_token") not in repeated:
            return True
    return isinstance(access_token, str) and access_token != "" and not is_refusal(members)


def refusal(
    response: Response, client: Client, form: Mapping[str, str], basic: tuple[str, str] | None
) -> OAuth2Pop3Error:
    """The error that a response is, with the server's words. form, basic: what was sent, and must not be shown."""
    from oauth2_pop3.oauth2 import refusals, server_words

    members, hidden = _members(response), secrets(form, basic)
    words = server_words.of(members, hidden) if members else server_words.of_page(response.body, hidden)
    account, provider, pause = client.account, client.provider.name, response.retry_after
    refused = server_words.is_refusal(members)
    if (fault := response.fault) is not None and not (refused and response.is_final):
        if words.shown and isinstance(fault, NetworkError):
            message = f"{fault.message} (the server said {words.shown})"
            return NetworkError(message, retry_after=fault.retry_after, hint=fault.hint)
        return fault
    if refused:
        return refusals.explain(
            members,
            account=account,
            provider=provider,
            secrets=hidden,
            retry_after=pause,
            polls="device_code" in form,
        )
    lacks = "tokens" if members else "JSON object"
    message = f"{response.url} responded with {response.status} and no {lacks}"
    otherwise = OAuthError(
        f"{message} (the server said {words.shown})" if words.shown else message,
        code=words.code,
        hint="Check that this is the right endpoint, and that no proxy is in between.",
    )
    return refusals.judge(words, otherwise, account=account, provider=provider, retry_after=pause)
