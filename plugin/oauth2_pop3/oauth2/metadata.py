"""Authorization server metadata (RFC 8414), with the place where OpenID Connect Discovery puts it as the fallback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from oauth2_pop3.errors import ConfigError, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.providers.provider import Provider

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
    "registration_endpoint",
)


def complete(provider: Provider) -> tuple[Provider, bool]:
    """Fill the endpoints that the provider leaves to its issuer's metadata.

    The second value: whether the server announces `iss` in its redirects (RFC 9207 section 3). A provider that
    names what its grant needs is returned as it is. Raises OAuthError, NetworkError, ConfigError.
    """
    # A row that names the authorization_endpoint has named the one for devices too, if there is one.
    asks_for_device = provider.issuer and provider.grant == "device_code" and not provider.authorization_endpoint
    if not _missing(provider) and not asks_for_device:
        return provider, False
    if not provider.issuer:
        raise ConfigError(
            f"no {_missing(provider)} is known for {provider.display_name}",
            hint="Add it, or issuer, to the provider in config.toml.",
        )
    metadata = fetch(provider)
    found: dict[str, Any] = {
        key: value for key in _ENDPOINTS if isinstance(value := metadata.get(key), str) and not getattr(provider, key)
    }
    for url in found.values():
        https.require_https(url, allow_insecure_loopback=provider.allow_insecure_loopback)
    if not provider.token_endpoint_auth_method:
        # RFC 8414 section 2: where nothing is said, it is client_secret_basic.
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if isinstance(methods, list) and "client_secret_post" not in methods and "client_secret_basic" in methods:
            found["token_endpoint_auth_method"] = "client_secret_basic"
    completed = replace(provider, **found)
    if missing := _missing(completed):
        raise OAuthError(f"the metadata of {provider.issuer} names no {missing}")
    return completed, metadata.get("authorization_response_iss_parameter_supported") is True


def _missing(provider: Provider) -> str:
    """The endpoint that the provider's grant cannot do without, and that nobody has named; "" for none."""
    if provider.grant in ("", "authorization_code") and not provider.authorization_endpoint:
        return "authorization_endpoint"
    return "" if provider.token_endpoint else "token_endpoint"


def fetch(provider: Provider) -> dict[str, object]:
    """The issuer's metadata, its issuer compared to the letter (RFC 8414 section 3.3)."""
    refused: OAuthError | None = None
    for url in _locations(provider.issuer):
        try:
            response = https.request(
                "GET", url, ca_certs=provider.ca_certs, allow_insecure_loopback=provider.allow_insecure_loopback
            )
        except OAuthError as error:  # some servers redirect whatever they do not know to their sign-in page
            refused = refused or error
            continue
        metadata = response.json()
        if response.status == 200 and metadata:
            if metadata.get("issuer") != provider.issuer:
                raise OAuthError(
                    f"{url} is the metadata of {str(metadata.get('issuer'))[:200]!r} and not of {provider.issuer!r}",
                    hint="Write the issuer in the configuration exactly as the server does, or do not trust it.",
                )
            return metadata
    raise refused or OAuthError(
        f"{provider.issuer} has no metadata (RFC 8414)",
        hint="Give authorization_endpoint and token_endpoint in the configuration instead.",
    )


def _locations(issuer: str) -> list[str]:
    scheme, netloc, path, _, _ = urlsplit(issuer)
    path = path.rstrip("/")
    return [
        urlunsplit((scheme, netloc, f"/.well-known/oauth-authorization-server{path}", "", "")),
        urlunsplit((scheme, netloc, f"{path}/.well-known/openid-configuration", "", "")),
    ]
