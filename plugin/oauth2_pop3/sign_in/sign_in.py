"""Signing in: a grant, then every check that tells now what would otherwise fail in the night."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from oauth2_pop3.accounts import access, notification
from oauth2_pop3.accounts import last_fault as history
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.checks import (
    check_identity,
    check_maildrop,
    check_refresh_token,
    check_scope,
    explain_rejection,
)
from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    ConfigError,
    NetworkError,
    OAuth2Pop3Error,
    Pop3Error,
    UsageError,
)
from oauth2_pop3.files.state_files import AccountLock
from oauth2_pop3.oauth2 import metadata, registration
from oauth2_pop3.oauth2.grants import device_authorization, password
from oauth2_pop3.oauth2.grants.authorization_code import AuthorizationRequest, NotOurRedirect
from oauth2_pop3.oauth2.grants.device_authorization import DeviceAuthorization
from oauth2_pop3.oauth2.loopback_redirect import WAIT, Listener
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import APP_GRANTS, Provider


@dataclass(frozen=True)
class Person:
    """How the person can be reached. show_url: shows the authorization URL, and opens it where that can be done.

    show_device: shows the code and the URL of the device authorization grant. say: a line that they should read.
    password: asks for the account's password. terminal: whether a redirect can be pasted.
    """

    show_url: Callable[[str, bool], None]
    show_device: Callable[[DeviceAuthorization], None]
    say: Callable[[str], None]
    password: Callable[[], str]
    terminal: bool


def choose_grant(provider: Provider, *, wanted: str, screen: bool) -> str:
    """The grant to sign in by: what was asked for, what the provider's row names, what this machine allows.

    wanted: "" leaves it open. screen: whether a browser can be shown here, or was said to be elsewhere. Raises
    ConfigError where the row does not allow the grant, and what metadata.complete does.
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
    if provider.issuer and not provider.authorization_endpoint:  # what the row leaves out, the metadata may have
        provider, _ = metadata.complete(provider)
    return "device_code" if provider.device_authorization_endpoint else "authorization_code"


def register(account: Account) -> Account | None:
    """The account with a client that its server registered for us (RFC 7591); None where it registers none by itself.

    A client that was registered before is used again, unless the server has forgotten it. Raises OAuthError where it
    refuses, NetworkError, TokenStoreError.
    """
    provider = account.provider
    if provider.grant in APP_GRANTS or (provider.client_id and not _is_registered(provider)):
        return None  # somebody has named a client: in the config, a plugin's row or an option
    if provider.token_endpoint_auth_method == "none":  # the kept client's word, which must not bind a new one
        provider = replace(provider, token_endpoint_auth_method="")
    document: Mapping[str, object] = {}
    if provider.issuer and not provider.authorization_endpoint:
        document = metadata.fetch(provider)
    if not provider.registration_endpoint and "registration_endpoint" not in document:
        return None  # a row that names its endpoints has the one for registration too, where there is one
    client = registration.obtain(provider, document)
    if not registration.is_known(metadata.complete(provider)[0], client):
        registration.forget(provider)
        client = registration.obtain(provider, document)
    return replace(account, provider=client.applied_to(provider))


def _is_registered(provider: Provider) -> bool:
    """Whether its client_id is the one that was registered for us."""
    kept = registration.kept(provider)
    return kept is not None and kept.client_id == provider.client_id


def sign_in(account: Account, person: Person, *, client_secret: str, check: bool = True) -> Token:
    """Get tokens for an account by its provider's grant (authorization_code, if none is named), check and keep them.

    client_secret: one that was typed; it is kept with the token. Raises AuthorizationRequired and OAuthError (refused:
    nothing was kept), AuthenticationRejected (the POP3 server refused: nothing was kept), NetworkError.
    """
    if account.provider.grant in APP_GRANTS:
        token = access.app_token(account, client_secret=client_secret)
        return _keep(account, token, somebody="", check=check)
    provider, iss_required = metadata.complete(account.provider)
    if provider.grant == "device_code":
        answer = _by_device(account, provider, person, client_secret)
    elif provider.grant == "password":
        password.require_allowed(provider)  # before a password is typed
        answer = password.ask(
            provider,
            username=account.address,
            password=person.password(),
            client_id=provider.client_id,
            client_secret=account.client_secret(client_secret),
            account=account.address,
            key_password=account.key_password(),
        )
    else:
        return _by_redirect(account, provider, person, client_secret, check=check, iss_required=iss_required)
    return _finish(account, provider, answer, client_secret, check=check)


def _by_device(account: Account, provider: Provider, person: Person, client_secret: str) -> Mapping[str, object]:
    secret, client_id, key_password = (
        account.client_secret(client_secret),
        provider.client_id,
        account.key_password(),
    )
    authorization = device_authorization.begin(
        provider, client_id=client_id, client_secret=secret, account=account.address, key_password=key_password
    )
    person.show_device(authorization)
    return device_authorization.wait(
        provider,
        authorization,
        client_id=client_id,
        client_secret=secret,
        account=account.address,
        key_password=key_password,
    )


def _by_redirect(
    account: Account, provider: Provider, person: Person, client_secret: str, *, check: bool, iss_required: bool
) -> Token:
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
                secret = account.client_secret(client_secret)
                tokens = request.exchange(code, client_secret=secret, key_password=account.key_password())
                token = _finish(account, provider, tokens, client_secret, check=check)
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
    account: Account, provider: Provider, answer: Mapping[str, object], client_secret: str, *, check: bool
) -> Token:
    """Check what the token endpoint answered a person's grant with, and keep it."""
    token = replace(Token.from_response(answer, scope=provider.scope), client_secret=client_secret)
    check_scope(provider, token)
    check_refresh_token(provider, token)
    return _keep(account, token, somebody=check_identity(account, answer, check=check), check=check)


def _keep(account: Account, token: Token, *, somebody: str, check: bool) -> Token:
    """Keep a token that the POP3 server takes. somebody: who signed in, if that is not the account."""
    unreachable: NetworkError | None = None
    if check and account.provider.pop3_host:
        try:
            check_maildrop(account, token.access_token)
        except AuthenticationRejected as error:
            raise explain_rejection(account, error, somebody) from error
        except Pop3Error as error:
            raise type(error)(error.message, hint=error.hint or account.provider.pop_switch) from error
        except NetworkError as error:
            unreachable = error
    with AccountLock(account.key):
        access.keep(account, token)
    history.forget(account.key)
    notification.reset(account.address)
    if unreachable:
        raise NetworkError(
            f"signed in as {account.address}, and the token is kept; but the check at the POP3 server failed: "
            f"{unreachable.message}",
            hint=unreachable.hint or "Run the mail retriever later; there is no need to sign in again.",
        )
    return token
