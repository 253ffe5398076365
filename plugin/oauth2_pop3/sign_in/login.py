"""The whole of a sign-in: find the provider, choose the grant and the client, get tokens, write config.toml."""

from __future__ import annotations

from dataclasses import dataclass, replace

from oauth2_pop3.accounts import access, provider_registry
from oauth2_pop3.accounts.account import Account, load_account, make_account
from oauth2_pop3.accounts.checks import check_maildrop
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import AuthorizationRequired, ConfigError, TokenNotFound, UsageError
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import domain_of
from oauth2_pop3.providers.scopes import OTHER_PROTOCOLS
from oauth2_pop3.sign_in import client_choice
from oauth2_pop3.sign_in.person import LoginPerson
from oauth2_pop3.sign_in.request import SignInRequest
from oauth2_pop3.sign_in.sign_in import sign_in


@dataclass(frozen=True)
class SignedIn:
    """What a sign-in came to. token: None if the account had signed in before, and only a mailbox was added."""

    account: Account
    token: Token | None


def login(request: SignInRequest, config: Config, person: LoginPerson) -> SignedIn:
    """Sign in to an account and write it to config.toml, so that mail can be fetched without a person from then on.

    Raises every kind of OAuth2Pop3Error that signing in can end with. A failure leaves config.toml as it was, but for
    two things: a provider that discovery has found stays in it; and if the POP3 server cannot be reached, the account
    is written, because its token is kept.
    """
    if request.mailbox and (opened := _with_present_token(request, config)):
        return opened
    account, settings = _account(request, config, person)
    account.provider.require_supported()
    account, secret = _with_client(account, settings, request, person)
    if account.provider.note and account.provider.needs_person:
        person.say(f"Note: {account.provider.note}")
    account.config.require_writable()
    account = replace(account, mailbox=request.mailbox)

    def save() -> None:
        account.config.save_account(account.address, settings)
        _save_mailbox(account)

    token = sign_in(account, person, client_secret=secret, check=request.check, when_kept=save)
    return SignedIn(account, token)


def _with_present_token(request: SignInRequest, config: Config) -> SignedIn | None:
    """Add a mailbox to an account that has signed in already; None if a person must sign in for it."""
    domain_of(request.mailbox)
    if request.grant or request.names_client or request.also is not None:
        return None
    try:
        account = load_account(request.address, config)
        token = access.access_token(account)
    except (TokenNotFound, AuthorizationRequired):
        return None
    config.require_writable()
    account = replace(account, mailbox=request.mailbox)
    if account.provider.pop3_host and request.check:
        check_maildrop(account, token)
    _save_mailbox(account)
    return SignedIn(account, None)


def _save_mailbox(account: Account) -> None:
    if account.mailbox and account.mailbox.lower() != account.address.lower():
        account.config.save_account(account.mailbox, {"account": account.address})


def _account(request: SignInRequest, config: Config, person: LoginPerson) -> tuple[Account, dict[str, object]]:
    """The account as the request and the config say, and the settings to write once it has signed in.

    Use the account's config from here on: it includes what discovery has written.
    """
    domain_of(request.address)
    own = config.accounts.get(request.address.lower(), {})
    if request.provider and provider_registry.row(request.provider, config) is None:
        hint = provider_registry.other_names(request.provider, config)
        raise ConfigError(f"there is no provider {request.provider}", hint=hint)
    provider = request.provider or str(own.get("provider") or "")
    if not provider:
        provider, config = _discovered(request.address, config, person)
    settings: dict[str, object] = {"provider": provider, **request.settings}
    account = make_account(request.address, provider, config, settings)
    wanted = request.grant
    if not wanted and request.no_browser and own.get("grant") == "device_code":
        wanted = "authorization_code"  # --no-browser asks for a URL to open elsewhere, not for last time's code
    grant = client_choice.choose_grant(account.provider, wanted=wanted, screen=request.no_browser or request.screen)
    settings["grant"] = "" if grant == "authorization_code" else grant
    if request.also is not None:
        before = account.also if request.also else ()
        settings["also"] = [protocol for protocol in OTHER_PROTOCOLS if protocol in {*before, *request.also}]
    account = make_account(request.address, provider, config, settings)
    if request.also and not account.provider.needs_person:
        raise UsageError(
            f"--also is for the sign-in of a person, and {grant} signs in an app",
            hint="What an app may do is decided by its administrator.",
        )
    return account, settings


def _discovered(address: str, config: Config, person: LoginPerson) -> tuple[str, Config]:
    """The provider's name, and the config that has it. One that was not known is shown, and written to config.toml."""
    from oauth2_pop3.discovery.ladder import discover

    found = discover(address, config)
    if found.known:
        return found.provider.name, config
    person.show_discovered(found)
    config.save_provider(found.provider.name, found.values)
    return found.provider.name, Config.load(config.path)


def _with_client(
    account: Account, settings: dict[str, object], request: SignInRequest, person: LoginPerson
) -> tuple[Account, str]:
    """The account with a client, and the client's secret, if it was typed now or at an earlier sign-in.

    A client_id that the person types is added to the settings.
    """
    secret = ""
    if registered := client_choice.register(account):
        account = registered
        name = account.provider.display_name
        person.say(f"{name} has registered this program automatically: no client_id is needed.")
    elif not account.provider.client_id and account.grant.needs_client_id:
        settings["client_id"] = person.client_id(account.provider)
        account = make_account(account.address, account.provider.name, account.config, settings)
        secret = client_choice.asked_secret(account, person)
    elif not _changes_client(request, account.config):
        secret = client_choice.stored_secret(account)
    return account, client_choice.needed_secret(account, secret, person)


def _changes_client(request: SignInRequest, config: Config) -> bool:
    own = config.accounts.get(request.address.lower(), {})
    return request.names_client and request.settings["client_id"] != own.get("client_id")
