"""Registration: a client that the server made, and whether it is good for what a provider's row wants."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.providers.provider import DEFAULT_REDIRECT_URI, Provider
from oauth2_pop3.providers.scopes import IDENTITY_SCOPES


@dataclass(frozen=True)
class Registration:
    """A client that the server made for us. Its repr shows no secret.

    redirect_uri, scope: what to sign in with. The scope is what was asked for, without what the server left out.
    redirect_uris, grant_types, registered_scope: all that the client may use, as the server said (RFC 7591 section
        3.2.1).
    asked_redirect_uri, asked_scope: what was asked for then.
    token_endpoint_auth_method: "" if the server does not say.
    client_secret_expires_at: seconds since the epoch, 0 for never.
    registration_access_token, registration_client_uri: for RFC 7592; "" if the server gave none.
    """

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    scope: str
    registration_access_token: str = field(repr=False)
    registration_client_uri: str
    issuer: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    registered_scope: str
    asked_redirect_uri: str
    asked_scope: str
    token_endpoint_auth_method: str
    client_secret_expires_at: int

    def identifying(self, provider: Provider) -> Provider:
        """The provider with this client, which is all that a refresh needs. The row's redirect_uri and scope stay."""
        method = self.token_endpoint_auth_method
        if not method.startswith("client_secret"):  # "none", and a secret all the same: that is what was echoed
            method = provider.token_endpoint_auth_method if self.client_secret else "none"
        return replace(
            provider,
            client_id=self.client_id,
            client_secret=self.client_secret,
            token_endpoint_auth_method=method,
        )

    def applied_to(self, provider: Provider) -> Provider:
        """The provider with this client, and the redirect_uri and the scope to sign in with."""
        return replace(self.identifying(provider), redirect_uri=self.redirect_uri, scope=self.scope)

    def wanted_by(self, provider: Provider, scope: str) -> Registration | None:
        """This client with the redirect_uri and the scope that are wanted now.

        None if it was not registered for them, or if its secret has ended.
        """
        if 0 < self.client_secret_expires_at <= time.time():
            return None
        # What the server struck out of a registration once, it would strike out again.
        if set(scope.split()) - {*self.registered_scope.split(), *self.asked_scope.split()}:
            return None
        if not _as_registered(provider.redirect_uri, (self.asked_redirect_uri, *self.redirect_uris)):
            return None
        redirect_uri = usable_redirect_uri(provider, self.redirect_uris)
        granted = usable_scope(scope, self.registered_scope)
        return replace(self, redirect_uri=redirect_uri, scope=granted) if redirect_uri and granted else None


def usable_scope(wanted: str, registered: str) -> str:
    """The part of a scope that is registered; "" if that part opens no mail."""
    names = [name for name in wanted.split() if name in registered.split()]
    return " ".join(names) if set(names) - IDENTITY_SCOPES else ""


def usable_redirect_uri(provider: Provider, registered: tuple[str, ...]) -> str:
    """The row's redirect_uri, or else the default one, in the form that is registered; "" if neither is registered."""
    return _as_registered(provider.redirect_uri, registered) or _as_registered(DEFAULT_REDIRECT_URI, registered)


def _as_registered(uri: str, registered: tuple[str, ...]) -> str:
    """The registered form of a redirect URI; "" if there is none.

    For a loopback redirect any port fits (RFC 8252 section 7.3), and so does any name of this machine.
    """
    if uri in registered:
        return uri
    host, path = _loopback(uri)
    fitting = [theirs for theirs in registered if path and _loopback(theirs)[1] == path]
    if not fitting:
        return ""
    best = next((theirs for theirs in fitting if _loopback(theirs)[0] == host), fitting[0])
    # If it has no port, any port fits: one that the row names was chosen for a reason.
    return uri if _loopback(best)[0] == host and not urlsplit(best).port else best


def _loopback(uri: str) -> tuple[str, str]:
    """Host, and path with query, of a redirect to this machine (RFC 8252 section 7.3); ("", "") of any other."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "", ""
    if parts.scheme != "http" or not is_loopback(host) or "@" in parts.netloc or parts.fragment:
        return "", ""
    return host, f"{parts.path or '/'}?{parts.query}"
