"""Authorization server metadata (RFC 8414); if it is not there, OpenID Connect Discovery's document is taken."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from oauth2_pop3.errors import ConfigError, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.providers.provider import ENDPOINTS, Provider

_KEPT_FOR = 3600
"""Seconds for which a process keeps a document. One sign-in needs it several times; a bridge may run for years."""


_one_at_a_time = Lock()


def complete(provider: Provider, needs: Sequence[str], may_use: str = "") -> Provider:
    """Fill in the endpoints that the provider leaves to its issuer's metadata.

    needs: the endpoints that must be known at the end. may_use: one more that the metadata may have.

    A provider that names all of them is returned as it is. authorization_response_iss_parameter_supported (RFC 9207
    section 3) is filled in with the endpoints. Raises OAuthError, NetworkError, ConfigError.
    """
    # A row that names the authorization_endpoint has named its other endpoints too, if there are any.
    looks_for_more = may_use and provider.issuer and not provider.authorization_endpoint
    if not _missing(provider, needs) and not looks_for_more:
        return provider
    if not provider.issuer:
        raise ConfigError(
            f"no {_missing(provider, needs)} is known for {provider.display_name}",
            hint="Add it, or issuer, to the provider in config.toml.",
        )
    metadata = fetch(provider)
    found: dict[str, Any] = {
        key: value for key in ENDPOINTS if isinstance(value := metadata.get(key), str) and not getattr(provider, key)
    }
    for url in found.values():
        https.require_https(url, allow_insecure_loopback=provider.allow_insecure_loopback)
    if not provider.token_endpoint_auth_method:
        # RFC 8414 section 2: a server that does not say takes client_secret_basic.
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if isinstance(methods, list) and "client_secret_post" not in methods and "client_secret_basic" in methods:
            found["token_endpoint_auth_method"] = "client_secret_basic"
    if metadata.get("authorization_response_iss_parameter_supported") is True:
        found["authorization_response_iss_parameter_supported"] = True
    completed = replace(provider, **found)
    if missing := _missing(completed, needs):
        raise OAuthError(f"the metadata of {provider.issuer} names no {missing}")
    return completed


def _missing(provider: Provider, needs: Sequence[str]) -> str:
    """The first endpoint that is needed and not known; "" if there is none."""
    return next((endpoint for endpoint in needs if not getattr(provider, endpoint)), "")


def fetch(provider: Provider) -> Mapping[str, object]:
    """The issuer's metadata. Its issuer is compared to the letter (RFC 8414 section 3.3).

    A process fetches it once in an hour. Raises OAuthError, NetworkError, ConfigError (an issuer that is no URL).
    """
    hour = int(time.monotonic() // _KEPT_FOR)
    with _one_at_a_time:  # or threads that begin together would all ask
        return _fetch(provider.issuer, provider.ca_certs, provider.allow_insecure_loopback, hour)


def forget() -> None:
    """Forget all documents, so that each is fetched again."""
    _fetch.cache_clear()


@lru_cache(maxsize=64)
def _fetch(issuer: str, ca_certs: str, allow_insecure_loopback: bool, _hour: int) -> Mapping[str, object]:
    https.require_https(issuer, allow_insecure_loopback=allow_insecure_loopback)
    refused: OAuthError | None = None
    for url in _locations(issuer):
        try:
            response = https.request("GET", url, ca_certs=ca_certs, allow_insecure_loopback=allow_insecure_loopback)
        except OAuthError as error:  # some servers redirect every unknown path to their sign-in page
            refused = refused or error
            continue
        metadata = response.json()
        if response.status == 200 and metadata:
            if (theirs := metadata.get("issuer")) != issuer:
                named = repr(theirs[:200]) if isinstance(theirs, str) else "no issuer"
                raise OAuthError(
                    f"{url} is the metadata of {named} and not of {issuer!r}",
                    hint="Write the issuer in the configuration exactly as the server does, or do not trust it.",
                )
            return metadata
    raise refused or OAuthError(
        f"{issuer} has no metadata (RFC 8414)",
        hint="Give authorization_endpoint and token_endpoint in the configuration instead.",
    )


def _locations(issuer: str) -> list[str]:
    scheme, netloc, path, _, _ = urlsplit(issuer)
    path = path.rstrip("/")
    return [
        urlunsplit((scheme, netloc, f"/.well-known/oauth-authorization-server{path}", "", "")),
        urlunsplit((scheme, netloc, f"{path}/.well-known/openid-configuration", "", "")),
    ]
