"""What is checked of a token before anybody relies on it: what would otherwise fail in the night."""

from __future__ import annotations

import base64
import binascii
import json
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
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.pop3.maildrop import Pop3Server, open_maildrop
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import APP_GRANTS, Provider

_CHECK_TIMEOUT = 60.0


def check_maildrop(account: Account, access_token: str) -> None:
    """Sign in to the account's mailbox, and say which was refused: the token, or the mailbox to it.

    Raises what open_maildrop does.
    """
    try:
        _try_mailbox(account, access_token)
    except Pop3Error as error:
        longest = account.provider.longest_access_token
        if not 0 < longest < len(access_token):
            raise
        raise type(error)(
            f"{error.message}; the access token has {len(access_token)} characters, and this server takes {longest}",
            hint="Nothing on this side makes it shorter. IMAP may take it: oauth2-pop3 login "
            f"{account.address} --also imap, and a program for IMAP.",
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
                f"{error.message}; nor does the token open the mailbox of {account.address}",
                hint="So it is the token, or POP3 is switched off for both.",
            ) from error
        raise AuthenticationRejected(
            f"the token of {account.address} is good, but the mailbox {account.user} is closed to it: {error.message}",
            hint=f"Give {account.address} full access to {account.user}, and switch POP3 on for {account.user} too.",
        ) from error


def _open(account: Account, mailbox: str, access_token: str) -> None:
    """Ask for STAT, which shows what AUTH may hide."""
    server = replace(Pop3Server.of(account.provider), timeout=_CHECK_TIMEOUT)
    try:
        with open_maildrop(server, mailbox, lambda _: access_token) as session:
            session.stat()
            session.quit()
    except MaildropLocked:
        return  # the server took the token; another program is at the mailbox


def check_refresh_token(provider: Provider, token: Token) -> None:
    """Raise AuthorizationRequired where there is none, and one is needed, with what this provider wants for it."""
    if token.refresh_token or provider.grant in APP_GRANTS:
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
            "Allow offline access for this client where it is registered; or the server wants the person asked each "
            'time (OpenID Connect Core section 11): set authorization_parameters = { prompt = "consent" } for it.'
        )
    raise AuthorizationRequired(
        "the authorization server gave no refresh token, so the account would stop to work within the hour",
        hint=hint,
    )


def check_scope(provider: Provider, token: Token) -> None:
    """RFC 6749 section 3.3: a server may grant less than was asked for, and says so."""
    if missing := scopes.missing(provider.scope, token.scope):
        raise AuthorizationRequired(
            f"the access was cut: {' '.join(missing)} was not granted, only {token.scope or 'nothing'}",
            hint="Sign in again and leave every box on the consent page ticked; or ask the administrator to allow it.",
        )


def check_identity(account: Account, answer: Mapping[str, object], *, check: bool) -> str:
    """Whom the id_token says signed in, if that is somebody else; the POP3 server has the last word on it.

    The id_token came from the token endpoint over TLS, which stands for its signature (OpenID Connect Core section
    3.1.3.7). An alias may rightly differ, so without the check at the POP3 server this is an error, with it a hint.
    """
    claims = _claims(answer.get("id_token"))
    names = {str(claims[key]) for key in ("email", "preferred_username", "upn") if isinstance(claims.get(key), str)}
    if not names or any(name.lower() == account.key for name in names):
        return ""
    somebody = " or ".join(sorted(names))
    if not check or not account.provider.pop3_host:
        raise _somebody_else(account, somebody)
    return somebody


def _somebody_else(account: Account, somebody: str) -> OAuthError:
    return AuthorizationRequired(
        f"the person in the browser signed in as {somebody}, not as {account.address}",
        hint=f"Sign out there, or use a private window, and run: oauth2-pop3 login {account.address}",
    )


def explain_rejection(account: Account, error: AuthenticationRejected, somebody: str) -> OAuth2Pop3Error:
    """Make of the POP3 server's refusal what a person can act on. somebody: as check_identity gives it."""
    if somebody:
        return _somebody_else(account, somebody)
    if error.hint or account.mailbox:
        return error
    switch = account.provider.pop_switch or "In the mailbox's settings, allow POP3."
    return AuthenticationRejected(
        f"the sign-in worked, but {error.message}",
        hint=f"Either POP3 is switched off for the mailbox ({switch.rstrip('.')}) or somebody else than "
        f"{account.address} signed in. Then sign in again.",
    )


def _claims(id_token: object) -> dict[str, object]:
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        return {}
    payload = id_token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
