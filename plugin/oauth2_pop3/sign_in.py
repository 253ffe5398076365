"""Signing a person in: the grant, then every check that tells now what would otherwise fail in the night."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from oauth2_pop3 import access
from oauth2_pop3.accounts import Account
from oauth2_pop3.discovery import metadata
from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    OAuthError,
    Pop3Error,
    UsageError,
)
from oauth2_pop3.grants.authorization_code import AuthorizationRequest, NotOurRedirect
from oauth2_pop3.loopback_redirect import WAIT, Listener
from oauth2_pop3.maildrop import Pop3Server, open_maildrop
from oauth2_pop3.providers import Provider
from oauth2_pop3.state_files import AccountLock
from oauth2_pop3.tokens import Token

_CHECK_TIMEOUT = 60.0
_IDENTITY_SCOPES = frozenset({"openid", "email", "profile", "offline_access"})


@dataclass(frozen=True)
class Person:
    """How the person can be reached. show_url: shows the authorization URL, and opens it where that can be done.

    say: a line that they should read. terminal: whether a redirect can be pasted.
    """

    show_url: Callable[[str, bool], None]
    say: Callable[[str], None]
    terminal: bool


def sign_in(account: Account, person: Person, *, client_secret: str, check: bool = True) -> Token:
    """Get tokens for an account by the authorization code grant, check them, and keep them.

    client_secret: one that was typed; it is kept with the token. Raises AuthorizationRequired and OAuthError (refused:
    nothing was kept), AuthenticationRejected (the POP3 server refused: nothing was kept), NetworkError.
    """
    provider, iss_required = metadata.complete(account.provider)
    listener = Listener(provider.redirect_uri)
    try:
        if not listener.listens and not person.terminal:
            raise UsageError(
                f"the redirect to {provider.redirect_uri} cannot be listened to, and there is no terminal to paste it",
                hint="Run this in a terminal.",
            )
        request = AuthorizationRequest.prepare(
            provider,
            account=account.address,
            client_id=provider.client_id,
            redirect_uri=listener.redirect_uri,
            iss_required=iss_required,
        )
        person.show_url(request.url, listener.listens)
        for answer in listener.wait(terminal=person.terminal):
            try:
                code = request.read_redirect(answer.text, pasted=answer.pasted)
            except NotOurRedirect as error:
                person.say(f"{error}")
                answer.finish(False, str(error))
                continue
            except OAuth2Pop3Error as error:
                answer.finish(False, str(error))
                raise
            try:
                token = _finish(account, provider, request, code, client_secret, check=check)
            except OAuth2Pop3Error as error:
                answer.finish(False, str(error))
                raise
            answer.finish(True, f"{account.address} is ready. You can close this window.")
            return token
        raise AuthorizationRequired(
            f"nobody signed in within {WAIT / 60:.0f} minutes",
            hint=f"Run: oauth2-pop3 login {account.address}",
        )
    finally:
        listener.close()


def _finish(
    account: Account,
    provider: Provider,
    request: AuthorizationRequest,
    code: str,
    client_secret: str,
    *,
    check: bool,
) -> Token:
    answer = request.exchange(code, client_secret=account.client_secret(client_secret))
    token = replace(Token.from_response(answer, scope=provider.scope), client_secret=client_secret)
    _check_scope(provider, token)
    _check_refresh_token(provider, token)
    fault = _check_identity(account, answer, check=check)
    unreachable: NetworkError | None = None
    if check and provider.pop3_host:
        try:
            check_maildrop(account, token)
        except AuthenticationRejected as error:
            raise _explain_rejection(account, error, fault) from error
        except Pop3Error as error:
            raise type(error)(error.message, hint=error.hint or account.provider.pop_switch) from error
        except NetworkError as error:
            unreachable = error
    with AccountLock(account.key):
        access.keep(account, token)
    if unreachable:
        raise NetworkError(
            f"signed in as {account.address}, and the token is kept; but the check at the POP3 server failed: "
            f"{unreachable.message}",
            hint=unreachable.hint or "Run the mail retriever later; there is no need to sign in again.",
        )
    return token


def check_maildrop(account: Account, token: Token) -> None:
    """Sign in to the POP3 server and ask for STAT, which shows what AUTH may hide. Raises what open_maildrop does."""
    server = replace(Pop3Server.of(account.provider), timeout=_CHECK_TIMEOUT)
    try:
        with open_maildrop(server, account.address, lambda _: token.access_token) as session:
            session.stat()
            session.quit()
    except MaildropLocked:
        return  # the server took the token; another program is at the mailbox


def _check_refresh_token(provider: Provider, token: Token) -> None:
    if token.refresh_token:
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


def _check_scope(provider: Provider, token: Token) -> None:
    """RFC 6749 section 3.3: a server may grant less than was asked for, and says so."""
    granted = {_scope_name(scope) for scope in token.scope.split()}
    missing = [
        scope for scope in provider.scope.split() if scope not in _IDENTITY_SCOPES and _scope_name(scope) not in granted
    ]
    if missing:
        raise AuthorizationRequired(
            f"the access was cut: {' '.join(missing)} was not granted, only {token.scope or 'nothing'}",
            hint="Sign in again and leave every box on the consent page ticked; or ask the administrator to allow it.",
        )


def _scope_name(scope: str) -> str:
    """Microsoft answers with the host it likes: outlook.office.com and outlook.office365.com name one resource."""
    if scope.lower().startswith(("https://outlook.office.com/", "https://outlook.office365.com/")):
        return scope.lower().rpartition("/")[2]
    return scope.rstrip("/")


def _check_identity(account: Account, answer: Mapping[str, object], *, check: bool) -> str:
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


def _explain_rejection(account: Account, error: AuthenticationRejected, somebody: str) -> OAuth2Pop3Error:
    if somebody:
        return _somebody_else(account, somebody)
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
