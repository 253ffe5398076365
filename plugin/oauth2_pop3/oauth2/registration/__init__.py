"""Registering this program as a client automatically (RFC 7591, draft-ietf-mailmaint-oauth-public).

There is one client for each issuer, kept in ``$XDG_STATE_HOME/oauth2-pop3/registrations``. Refresh tokens belong to the
client that they were issued to: so a new one is registered only if the server has forgotten the old one, or if the old
one may not do what is wanted now.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from oauth2_pop3.errors import OAuthError, one_line
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.registration import exchange, kept_file
from oauth2_pop3.oauth2.registration.client import Registration, usable_scope
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import MAIL_SCOPE, Provider

__all__ = ["Registration", "forget", "is_forgotten", "is_known", "kept", "obtain", "scope"]


def scope(provider: Provider, metadata: Mapping[str, object]) -> str:
    """The scope to ask for: the row's as it is, or else one for mail that the server announces.

    Raises OAuthError if the server announces its scopes and none of them is known to open mail.
    """
    asked = provider.scope or scopes.for_mail(metadata)
    if asked:
        return asked
    announced = scopes.announced(metadata) or []
    raise OAuthError(
        f"{exchange.server(provider)} does not announce the scope {MAIL_SCOPE}; "
        f"it has: {one_line(' '.join(announced), 500) or 'none'}",
        hint=f"If one of them opens mail, put it as scope into [providers.{provider.name}] of config.toml.",
    )


def kept(provider: Provider) -> Registration | None:
    """The client that was registered at the issuer for this user; None if there is none. No server is asked.

    Raises StateError if its file is damaged, or if others can read it.
    """
    return kept_file.read(exchange.issuer(provider))


def obtain(provider: Provider, metadata: Mapping[str, object]) -> Registration:
    """The kept client, if it is good for what the provider's row wants; otherwise a new one, which is kept.

    metadata: the issuer's (RFC 8414). Raises OAuthError (the server registers no such client, or none at all),
    NetworkError, StateError (what is kept is damaged, or cannot be written) and StateLocked.
    """
    wanted = scope(provider, metadata)
    with kept_file.lock(exchange.issuer(provider)):
        old = kept(provider)
        if old and (usable := old.wanted_by(provider, wanted)):
            return usable
        endpoint = provider.registration_endpoint or metadata.get("registration_endpoint")
        if not isinstance(endpoint, str) or not endpoint:
            raise exchange.by_hand(provider, "does not register clients automatically: it has no registration_endpoint")
        kept_file.prepare()
        # All that any account of the issuer may ever ask for: another client would end those that have this one.
        may = dict.fromkeys(f"{wanted} {provider.imap_scope} {provider.smtp_scope}".split())
        new = exchange.register(provider, endpoint, exchange.request(provider, metadata, " ".join(may)))
        kept_file.write(new)
    return replace(new, scope=usable_scope(wanted, new.registered_scope) or new.scope)


def forget(provider: Provider) -> None:
    """Delete the kept client from this machine; the server is not told. Raises StateError, StateLocked."""
    issuer = exchange.issuer(provider)
    with kept_file.lock(issuer):
        kept_file.remove(issuer)


def is_forgotten(error: OAuthError) -> bool:
    """Whether a refusal of an endpoint means that the server has no such client any more.

    RFC 6749 sections 4.1.2.1 and 5.2: invalid_client is an unknown client; some say unauthorized_client instead.
    """
    return error.code in ("invalid_client", "unauthorized_client")


def is_known(provider: Provider, registration: Registration) -> bool:
    """Whether the server still has the client. It is asked with a made-up code, before a person is sent there.

    The authorization endpoint would show an unknown client only as a page in the person's browser (RFC 6749 section
    4.1.2.1). Raises NetworkError, and what https.request raises.
    """
    parameters = {
        "grant_type": "authorization_code",
        "code": secrets.token_urlsafe(16),
        "redirect_uri": registration.redirect_uri,
        "code_verifier": secrets.token_urlsafe(48),
    }
    client = Client(registration.applied_to(provider), client_secret=registration.client_secret)
    try:
        token_endpoint.ask(client, parameters)
    except OAuthError as error:
        return not is_forgotten(error)
    return True
