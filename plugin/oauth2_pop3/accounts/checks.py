"""Checks of a new token, so that a problem shows at the sign-in and not later, when nobody is there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from oauth2_pop3.accounts.account import Account
from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    MaildropLocked,
    OAuth2Pop3Error,
    OAuthError,
    Pop3Error,
)
from oauth2_pop3.net.json_object import json_object
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import Provider

_CHECK_TIMEOUT = 60.0


def check_maildrop(account: Account, access_token: str) -> None:
    """Sign in to the account's mailbox. The error says whether the server refused the token or the mailbox.

    Raises what open_maildrop raises.
    """
    try:
        _try_mailbox(account, access_token)
    except Pop3Error as error:
        longest = account.provider.longest_access_token
        if not 0 < longest < len(access_token):
            raise
        # Microsoft's server calls it a protocol error, but it is the token that it does not take.
        raise AuthenticationRejected(
            f"{error.message}; the access token has {len(access_token)} characters, and this server takes {longest}",
            hint="Nothing on this side makes it shorter. IMAP may take it. For a program that speaks IMAP, run: "
            f"oauth2-pop3 login {account.address} --also imap",
        ) from error


def _try_mailbox(account: Account, access_token: str) -> None:
    try:
        _open(account, account.user, access_token)
    except AuthenticationRejected as error:
        if account.user.lower() == account.address.lower():
            raise
        try:
            _open(account, account.address, access_token)
        except AuthenticationRejected:
            raise AuthenticationRejected(
                f"{error.message}; the token does not open the mailbox of {account.address} either",
                hint="Either the server refuses the token, or POP3 is switched off for both.",
            ) from error
        raise AuthenticationRejected(
            f"the token of {account.address} is good, but it does not open the mailbox {account.user}: {error.message}",
            hint=f"Give {account.address} full access to {account.user}, and switch POP3 on for {account.user} too.",
        ) from error


def _open(account: Account, mailbox: str, access_token: str) -> None:
    """Sign in and ask for STAT: some servers accept AUTH and refuse the mailbox only then."""
    server = replace(MaildropServer.of(account.provider), timeout=_CHECK_TIMEOUT)
    try:
        with open_maildrop(server, mailbox, lambda _: access_token) as session:
            session.stat()
            session.quit()
    except MaildropLocked:
        return  # the server took the token; another program is at the mailbox


def check_refresh_token(provider: Provider, token: Token) -> None:
    """Raise AuthorizationRequired if a refresh token is needed and missing. The hint says what this provider needs."""
    if token.refresh_token or not provider.needs_person:
        return
    asked = provider.authorization_parameters
    if "offline_access" not in provider.scope.split() and "access_type" not in asked:
        hint = (
            f"Servers give one for the scope offline_access, Google's for access_type=offline and prompt=consent: add "
            f"what {provider.display_name} needs to scope or authorization_parameters in config.toml."
        )
    elif "access_type" in asked:
        hint = "Remove this client's access at https://myaccount.google.com/connections and sign in again."
    else:
        hint = (
            "Allow offline access for this client at the place where you registered it. Some servers want to ask the "
            "person each time (OpenID Connect Core section 11): for them, set authorization_parameters = { prompt = "
            '"consent" }.'
        )
    raise AuthorizationRequired(
        "the authorization server gave no refresh token, so the account would stop working within the hour",
        hint=hint,
    )


def check_scope(provider: Provider, token: Token) -> None:
    """Raise AuthorizationRequired if the server granted less than was asked for (RFC 6749 section 3.3)."""
    if missing := scopes.missing(provider.scope, token.scope):
        raise AuthorizationRequired(
            f"not everything was granted: {' '.join(missing)} is missing, and {token.scope or 'nothing'} was granted",
            hint="Sign in again and leave every box on the consent page ticked; or ask the administrator to allow it.",
        )


def another_identity(account: Account, response: Mapping[str, object]) -> str:
    """As whom the person signed in by the id_token, if it is not the account's address; else "".

    The id_token came from the token endpoint over TLS, which replaces its signature (OpenID Connect Core section
    3.1.3.7). It may name an alias of the account: only the POP3 server knows.
    """
    claims = _claims(response.get("id_token"))
    names = {str(claims[key]) for key in ("email", "preferred_username", "upn") if isinstance(claims.get(key), str)}
    if not names or any(name.lower() == account.key for name in names):
        return ""
    return " or ".join(sorted(names))


def signed_in_as_another(account: Account, another: str) -> OAuthError:
    """The error for a person who signed in as somebody other than the account. another: as whom."""
    return AuthorizationRequired(
        f"the person in the browser signed in as {another}, not as {account.address}",
        hint=f"Sign out there, or use a private window, and run: oauth2-pop3 login {account.address}",
    )


def explain_rejection(account: Account, error: AuthenticationRejected, another: str) -> OAuth2Pop3Error:
    """An error that a person can act on, made of the POP3 server's refusal. another: as another_identity returns it."""
    if another:
        return signed_in_as_another(account, another)
    if error.hint or account.mailbox:
        return error
    switch = account.provider.pop_switch or "In the mailbox's settings, allow POP3."
    return AuthenticationRejected(
        f"the sign-in worked, but {error.message}",
        hint=f"Either POP3 is switched off for the mailbox ({switch.rstrip('.')}), or somebody other than "
        f"{account.address} signed in. Then sign in again.",
    )


def _claims(id_token: object) -> dict[str, object]:
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        return {}
    payload = id_token.split(".")[1]
    try:
        return json_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
