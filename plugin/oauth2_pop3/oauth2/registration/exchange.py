"""The request to the registration endpoint and the response (RFC 7591 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from oauth2_pop3.access_token_cache import LATEST
from oauth2_pop3.errors import NetworkError, OAuthError, one_line
from oauth2_pop3.net import https
from oauth2_pop3.oauth2 import refusals, server_words
from oauth2_pop3.oauth2.registration.client import Registration, usable_redirect_uri, usable_scope
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import DEFAULT_REDIRECT_URI, Provider

SOFTWARE_ID = "5d7f5b2e-6a0c-4c52-9d38-0f9a3c1e7b46"
"""Identifies this program, in every version and installation (RFC 7591 section 2)."""

_CLIENT_NAME = "oauth2-pop3"
_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_LENGTH_LIMIT = 4096  # characters of a value that the server makes up
_SIZE_LIMIT = 1 << 18  # bytes of the response
_METHODS = ("", "none", "client_secret_post", "client_secret_basic")
_REFUSALS = {  # RFC 7591 section 3.2.2
    "invalid_redirect_uri": "does not register a redirect to this machine",
    "invalid_client_metadata": "does not register a client like this program",
    "invalid_software_statement": "wants a software statement, and this program has none",
    "unapproved_software_statement": "registers only programs that it has approved, and this is not one of them",
}


def request(provider: Provider, metadata: Mapping[str, object], scope: str) -> dict[str, object]:
    """The client's metadata of RFC 7591 section 2, and application_type of OpenID Connect's registration."""
    from importlib.metadata import PackageNotFoundError, version

    grants = ["authorization_code", "refresh_token"]
    supported = metadata.get("grant_types_supported")
    if _DEVICE_CODE in supported if isinstance(supported, list) else metadata.get("device_authorization_endpoint"):
        grants.append(_DEVICE_CODE)
    client: dict[str, object] = {
        "application_type": "native",
        "client_name": _CLIENT_NAME,
        "redirect_uris": list(dict.fromkeys([DEFAULT_REDIRECT_URI, provider.redirect_uri])),
        "grant_types": grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": scope,
        "software_id": SOFTWARE_ID,
    }
    with suppress(PackageNotFoundError):  # run from a directory
        client["software_version"] = version(_CLIENT_NAME)
    return client


def register(provider: Provider, endpoint: str, client: Mapping[str, object]) -> Registration:
    """Ask with all redirect URIs, and if they are refused once more with one: a single one may spoil the others.

    Raises OAuthError with the code of RFC 7591 section 3.2.2, if there is one, and NetworkError.
    """
    own = provider.redirect_uri
    only = own if own != DEFAULT_REDIRECT_URI else DEFAULT_REDIRECT_URI.replace("127.0.0.1", "localhost")
    try:
        return _read_response(provider, client, _post(provider, endpoint, client))
    except OAuthError as error:
        if error.code != "invalid_redirect_uri":
            raise
        client = {**client, "redirect_uris": [only]}
        return _read_response(provider, client, _post(provider, endpoint, client))


def _post(provider: Provider, endpoint: str, client: Mapping[str, object]) -> dict[str, object]:
    response = https.request(
        "POST",
        endpoint,
        json=client,
        ca_certs=provider.ca_certs,
        allow_insecure_loopback=provider.allow_insecure_loopback,
        size_limit=_SIZE_LIMIT,
    )
    members = response.json()
    if 200 <= response.status < 300 and members and not server_words.is_refusal(members):
        return members
    words = server_words.of(members) if members else server_words.of_page(response.body)
    code, said = words.code, f" (the server said {words.shown})" if words.shown else ""
    if code in _REFUSALS:
        raise by_hand(provider, _REFUSALS[code] + said, code=code)
    what = f"responded to the registration with {response.status} and no client"
    if response.status in (401, 403):
        what = "registers only clients that bring an initial access token"
    refused = by_hand(provider, what + said)
    judged = refusals.judge(words, refused, account="", retry_after=response.retry_after)
    raise judged if isinstance(judged, NetworkError) else refused


def _read_response(provider: Provider, request: Mapping[str, object], members: Mapping[str, object]) -> Registration:
    """The client that the server made (RFC 7591 section 3.2.1), which may be another than was asked for."""
    wanted, ends = str(request["scope"]), members.get("client_secret_expires_at")
    ends = ends if isinstance(ends, int | float) and not isinstance(ends, bool) and 0 < ends < LATEST else 0
    made = Registration(
        client_id=_text(members, "client_id"),
        client_secret=_text(members, "client_secret"),
        redirect_uri="",
        scope="",
        registration_access_token=_text(members, "registration_access_token"),
        registration_client_uri=_text(members, "registration_client_uri"),
        issuer=issuer(provider),
        redirect_uris=_strings(members, "redirect_uris", request),
        grant_types=_strings(members, "grant_types", request),
        registered_scope=_text({"scope": scopes.read(members.get("scope"))}, "scope") or wanted,
        asked_redirect_uri=provider.redirect_uri,
        asked_scope=wanted,
        token_endpoint_auth_method=(method := _text(members, "token_endpoint_auth_method")),
        client_secret_expires_at=int(ends),
    )
    if not made.client_id:
        raise by_hand(provider, "registered a client without a usable client_id")
    if method not in _METHODS or (method.startswith("client_secret") and not made.client_secret):
        lack = "but gave it no client_secret" if method in _METHODS else "which this program cannot do"
        raise by_hand(provider, f"registered a client that has to authenticate by {method}, {lack}")
    if not {"authorization_code", _DEVICE_CODE}.intersection(made.grant_types):
        raise by_hand(provider, f"registered a client only for the grants {_listed(made.grant_types)}")
    redirect_uri = usable_redirect_uri(provider, made.redirect_uris)
    granted = usable_scope(wanted, made.registered_scope)
    if not redirect_uri:
        raise by_hand(provider, f"registered the redirects {_listed(made.redirect_uris)}, and not this program's")
    if not granted:
        raise by_hand(provider, f"registered a client with the scope {made.registered_scope!r} instead of {wanted!r}")
    return replace(made, redirect_uri=redirect_uri, scope=granted)


def _text(members: Mapping[str, object], key: str) -> str:
    """A value of visible ASCII, as RFC 6749 appendix A has client_id, client_secret and scope; "" for any other."""
    value = members.get(key)
    usable = isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= _LENGTH_LIMIT
    return str(value) if usable and str(value).strip() else ""


def _strings(members: Mapping[str, object], key: str, request: Mapping[str, object]) -> tuple[str, ...]:
    """A list that the server registered; what was asked for, if the server does not say."""
    value = members.get(key)
    values = value if isinstance(value, list) else request[key]
    return tuple(item for item in values if isinstance(item, str)) if isinstance(values, list) else ()


def by_hand(provider: Provider, what: str, *, code: str = "") -> OAuthError:
    """An error that ends the registration: a person has to make the client."""
    return OAuthError(
        f"{server(provider)} {what}",
        code=code,
        hint="Register a client with the provider by hand, for an installed application with the redirect URI "
        f"{provider.redirect_uri}, and put its client_id into [providers.{provider.name}] of config.toml.",
    )


def _listed(names: tuple[str, ...]) -> str:
    return one_line(", ".join(names), 300) or "none"


def server(provider: Provider) -> str:
    """The authorization server, for a message."""
    return f"the authorization server {one_line(issuer(provider), 200)}"


def issuer(provider: Provider) -> str:
    """What a client is filed under: a row may name its endpoints and no issuer."""
    return provider.issuer or provider.registration_endpoint or provider.token_endpoint
