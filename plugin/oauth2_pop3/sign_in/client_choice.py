"""Choosing how to sign in: the grant, and the client that this program is to the authorization server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from oauth2_pop3.accounts.account import Account
from oauth2_pop3.errors import ConfigError, StateError
from oauth2_pop3.oauth2 import metadata, registration
from oauth2_pop3.oauth2.grants import grant_of
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.sign_in.person import LoginPerson


def choose_grant(provider: Provider, *, wanted: str, screen: bool) -> str:
    """The grant to sign in by: what was asked for, else what the provider's row names, else what suits this machine.

    wanted: "" if nobody asked for one.
    screen: whether a browser can be shown here, or the person said that it is elsewhere.

    Raises ConfigError if the row does not allow the grant, and what Grant.complete raises.
    """
    grant = wanted or provider.grant
    if grant:
        if provider.grants and grant not in provider.grants:
            raise ConfigError(
                f"{provider.display_name} does not take the grant {grant}", hint=f"Use {', '.join(provider.grants)}."
            )
        return grant
    if provider.service_account_file:
        return "jwt_bearer"
    refused = provider.device_grant_note or (provider.grants and "device_code" not in provider.grants)
    if screen or refused:
        return "authorization_code"
    if provider.issuer and not provider.authorization_endpoint:  # the metadata may have what the row leaves out
        provider = grant_of(provider).complete(provider)
    return "device_code" if provider.device_authorization_endpoint else "authorization_code"


def register(account: Account) -> Account | None:
    """The account with a client that its server registered for us (RFC 7591); None if the server registers none.

    A client that was registered before is used again, unless the server has forgotten it. Raises OAuthError if the
    server refuses, NetworkError, StateError.
    """
    provider = account.provider
    if not provider.needs_person or (provider.client_id and not _is_registered(provider)):
        return None  # somebody has named a client: in the config, in a plugin's row or in an option
    if provider.token_endpoint_auth_method == "none":  # the kept client's method, which must not bind a new one
        provider = replace(provider, token_endpoint_auth_method="")
    document: Mapping[str, object] = {}
    if provider.issuer and not provider.authorization_endpoint:
        document = metadata.fetch(provider)
    if not provider.registration_endpoint and "registration_endpoint" not in document:
        return None  # a row that names its endpoints names the one for registration too, if there is one
    client = registration.obtain(provider, document)
    if not registration.is_known(account.grant.complete(provider), client):
        registration.forget(provider)
        client = registration.obtain(provider, document)
    return replace(account, provider=client.applied_to(provider))


def _is_registered(provider: Provider) -> bool:
    """Whether its client_id is the one that was registered for us."""
    kept = registration.kept(provider)
    return kept is not None and kept.client_id == provider.client_id


def stored_secret(account: Account) -> str:
    """The client's secret that was typed at an earlier sign-in; "" if there is none."""
    try:
        return account.store.load(account.key).client_secret
    except StateError:
        return ""


def needed_secret(account: Account, secret: str, person: LoginPerson) -> str:
    """`secret`; or what the person types if the grant cannot do without one and the config names none."""
    provider = account.provider
    if secret or provider.client_secret or provider.client_secret_command or not account.grant.needs_secret(provider):
        return secret
    return person.client_secret(provider, required=True)


def asked_secret(account: Account, person: LoginPerson) -> str:
    """Ask for the secret of a client_id that was just typed, if this client may have one."""
    provider = account.provider
    if provider.client_private_key or provider.client_secret or provider.client_secret_command:
        return ""
    required = account.grant.needs_secret(provider)
    if provider.client_secret_policy == "forbidden" and not required:
        return ""
    return person.client_secret(provider, required=required)
