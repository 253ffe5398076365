"""The JWT bearer grant (RFC 7523 section 2.1), as a Google service account with domain-wide delegation uses it.

developers.google.com/identity/protocols/oauth2/service-account: the assertion's `sub` is the mailbox.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oauth2_pop3.errors import ConfigError, OAuthError
from oauth2_pop3.oauth2 import client_assertion, token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants.grant import AppGrant, TokenResponse
from oauth2_pop3.providers.provider import Provider

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600
"""Seconds: the longest that Google takes."""
_REQUIRED = ("client_email", "private_key")
_OPTIONAL = ("client_id", "private_key_id", "token_uri")
_NEW_KEY = "Make a key for the service account in Google's console: Keys, Add key, JSON."


class JwtBearer(AppGrant):
    """The key file of the service account takes the place of a client and its secret."""

    needs_client_id = False
    token_per_mailbox = True

    def request(self, client: Client) -> TokenResponse:
        """Ask for a token for the account's mailbox."""
        return ask(client, subject=client.account)


def ask(client: Client, *, subject: str) -> TokenResponse:
    """Ask for a token for the mailbox `subject`: the token endpoint's response.

    Raises ConfigError if the key file cannot be used, OAuthError, NetworkError.
    """
    provider = client.provider
    path = provider.service_account_file
    if not path:
        raise ConfigError(
            "the grant jwt_bearer needs a service account's key file", hint="Give --service-account-file FILE."
        )
    key_file = _read(path)
    _require_same_server(provider, key_file, path)
    client_assertion.require_library()
    private_key = _private_key(key_file["private_key"], path)
    now = int(time.time())
    claims = {
        "iss": key_file["client_email"],
        "sub": subject,
        "scope": provider.scope,
        "aud": provider.token_endpoint,
        "iat": now,
        "exp": now + LIFETIME,
    }
    headers = {"kid": key_file["private_key_id"]} if key_file.get("private_key_id") else {}
    assertion = client_assertion.sign(private_key, claims, headers, where=path)
    try:
        return token_endpoint.post(client, {"grant_type": GRANT_TYPE, "assertion": assertion})
    except OAuthError as error:
        raise _explain(error, key_file, subject, provider.scope) from error


def _private_key(pem: str, path: str) -> RSAPrivateKey:
    """The key, which must be an RSA key: Google uses only RS256."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private_key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: private_key is not a private key in PEM", hint=_NEW_KEY) from None
    if not isinstance(private_key, RSAPrivateKey):
        raise ConfigError(f"{path}: private_key is not an RSA key, as a service account's must be", hint=_NEW_KEY)
    return private_key


def _explain(error: OAuthError, key_file: Mapping[str, str], subject: str, scope: str) -> OAuthError:
    """What Google's refusal means here: it is not the same as after a person's grant."""
    name = f"client ID {key_file['client_id']}" if key_file.get("client_id") else key_file["client_email"]
    if error.code in ("unauthorized_client", "access_denied"):
        hint = (
            f"An administrator must allow it: Admin console, Security, API controls, Domain-wide delegation: "
            f"add {name} with the scope {scope}. It may take a day to have effect."
        )
    elif error.code == "invalid_grant":
        hint = (
            f"Check that {subject} is a mailbox of that domain and not an alias, that the key in the file has not been "
            "deleted, and that this machine's clock is right."
        )
    else:
        return error
    return OAuthError(f"the service account may not read {subject}: {error.message}", code=error.code, hint=hint)


def _read(path: str) -> dict[str, str]:
    """The strings in a JSON key file of Google's."""
    try:
        content = json.loads(client_assertion.read_private_file(path))
    except (ValueError, RecursionError):
        raise ConfigError(f"{path} is not JSON", hint=_NEW_KEY) from None
    if not isinstance(content, dict) or content.get("type") != "service_account":
        raise ConfigError(
            f'{path} is not a service account\'s key file: its type is not "service_account"', hint=_NEW_KEY
        )
    for key in (*_REQUIRED, *_OPTIONAL):
        value = content.get(key, "")
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {key} is not a string", hint=_NEW_KEY)
        if key in _REQUIRED and not value:
            raise ConfigError(f"{path} has no {key}", hint=_NEW_KEY)
    return {key: value for key, value in content.items() if isinstance(value, str)}


def _require_same_server(provider: Provider, key_file: Mapping[str, str], path: str) -> None:
    """Raise ConfigError if the file names another server: the assertion goes only to the provider's token endpoint."""
    named = key_file.get("token_uri", "")
    if named and _server(named) != _server(provider.token_endpoint):
        raise ConfigError(
            f"{path} is for the token endpoint {named}, not for {provider.token_endpoint}",
            hint="Choose the provider it belongs to with --provider.",
        )


def _server(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, host and port, by which two servers are told apart; None if it is not a URL."""
    try:
        parts = urlsplit(url)
        port = 443 if parts.port is None and parts.scheme == "https" else parts.port
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port
