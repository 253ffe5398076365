"""Account: one address, its provider, its client and the store with its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from oauth2_pop3.accounts import provider_registry
from oauth2_pop3.accounts.config import DEFAULT_TOKEN_STORE, Config
from oauth2_pop3.accounts.user_command import first_line
from oauth2_pop3.errors import ConfigError, TokenNotFound
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants import grant_of
from oauth2_pop3.oauth2.grants.grant import Grant
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.providers.tables import TableLocation
from oauth2_pop3.stores import TokenStore
from oauth2_pop3_hooks import manager


@dataclass(frozen=True)
class Account:
    """Who signs in, and all that is needed to get a token for them. It is loaded once in a run and handed on.

    config: the configuration that it was made of.
    mailbox: the mailbox that the token is to open, if it is not the account's own (shared, delegated).
    also: the protocols beside POP3 that its sign-in asks for; the provider's scope includes theirs.
    """

    address: str
    provider: Provider
    config: Config = field(repr=False, compare=False)
    token_store_name: str = DEFAULT_TOKEN_STORE
    mailbox: str = ""
    also: tuple[str, ...] = ()

    @cached_property
    def grant(self) -> Grant:
        """How the account signs in and how its token is renewed."""
        return grant_of(self.provider)

    @cached_property
    def key(self) -> str:
        """The name of its state: the address in small letters, or the client if one token opens all mailboxes."""
        if self.grant.opens_every_mailbox:
            return f"{self.provider.name}:{self.provider.tenant}:{self.provider.client_id}".lower()
        return self.address.lower()

    @property
    def user(self) -> str:
        """The mailbox that POP3 is asked for."""
        return self.mailbox or self.address

    @property
    def mailboxes(self) -> list[str]:
        """The other mailboxes that the config opens with this account's token."""
        rows = self.config.accounts.items()
        return [mailbox for mailbox, row in rows if str(row.get("account", "")).lower() == self.address.lower()]

    @cached_property
    def store(self) -> TokenStore:
        """The store that keeps its tokens, opened."""
        return manager.token_store(self.token_store_name)

    def client(self, stored: Token | None = None, *, client_secret: str = "") -> Client:
        """This program as a client of the account's authorization server, its endpoints complete.

        The client's secret comes from the config or its command, or else it is client_secret (one that was just typed)
        or the stored token's (one that was typed at the sign-in). The user's commands are run for this. Raises
        ConfigError, and what Grant.complete raises.
        """
        provider = self.grant.complete(self.provider)
        if not self.grant.needs_client_id:
            return Client(provider, account=self.address)
        return Client(
            provider,
            account=self.address,
            client_secret=self.client_secret(client_secret or (stored.client_secret if stored else "")),
            key_password=self.key_password(),
        )

    def client_secret(self, typed: str = "") -> str:
        """The client's secret: by its command, from the config, or the one that was typed; "" if there is none."""
        if self.provider.client_secret_command:
            return first_line(self.provider.client_secret_command, what="client_secret_command")
        return self.provider.client_secret or typed

    def key_password(self) -> str:
        """The password of the client's private key; "" if no command is named that prints it."""
        command = self.provider.client_private_key_password_command
        return first_line(command, what="client_private_key_password_command") if command else ""


def load_account(address: str, config: Config | None = None) -> Account:
    """The account that the config has under this address. Raises TokenNotFound if there is none, ConfigError.

    A row with `account` is a mailbox that another account's token opens: the result is that account with this mailbox.
    """
    config = config or Config.load()
    row = config.accounts.get(address.lower())
    if row is None:
        raise TokenNotFound(f"nobody has signed in as {address} yet", hint=f"Run: oauth2-pop3 login {address}")
    if "account" in row:
        return replace(load_account(_person(address, row["account"], config), config), mailbox=address)
    name = row.get("provider", "")
    if not isinstance(name, str):
        raise config.location("accounts", address).error("provider", "provider must be a string")
    if not name:
        name = provider_registry.name_for(address, config)
    return make_account(address, name, config)


def load_stored_account(address: str, config: Config) -> Account:
    """The account of a token that is stored without its row in config.toml, as the token itself says whose it is.

    A sign-in that was killed before it wrote the row leaves one. Raises TokenNotFound if there is none, ConfigError,
    TokenStoreError.
    """
    token = manager.token_store(config.token_store).load(address.lower())
    name = token.provider or provider_registry.name_for(address, config)
    try:
        return make_account(address, name, config, {"client_id": token.client_id} if token.client_id else {})
    except ConfigError:  # its provider is not known any more either
        return Account(address, Provider(name=name), config)


def _person(mailbox: str, person: object, config: Config) -> str:
    """The address of the account whose token opens a mailbox."""
    location = config.location("accounts", mailbox)
    if not isinstance(person, str) or not person:
        raise location.error("account", "account must be an address")
    if "account" in config.accounts.get(person.lower(), {}):
        raise location.error("account", f"{person} is itself a mailbox that another account opens")
    return person


def make_account(address: str, provider: str, config: Config, overrides: Mapping[str, object] | None = None) -> Account:
    """Make an account of an address and a provider's name.

    overrides: keys of the account that take precedence over the config's; `login` uses settings in this way before it
        writes them. Any key of a provider may be among them.

    Raises ConfigError.
    """
    location = config.location("accounts", address)
    settings = {**config.accounts.get(address.lower(), {}), **(overrides or {})}
    token_store = settings.get("token_store", config.token_store)
    if not isinstance(token_store, str):
        raise location.error("token_store", "token_store must be a string")
    own = {key: value for key, value in settings.items() if key not in provider_registry.ACCOUNT_KEYS}
    found = provider_registry.provider(provider, config, own, location)
    also = _also(settings.get("also", []), location)
    if also and not found.unsupported and found.needs_person:
        found = scopes.with_protocols(found, also)
    return Account(address, _with_registration(found), config, token_store, also=also)


def _also(value: object, location: TableLocation) -> tuple[str, ...]:
    """The account's key `also`: protocols beside POP3 that its sign-in asks for."""
    if not isinstance(value, list | tuple) or any(protocol not in scopes.OTHER_PROTOCOLS for protocol in value):
        raise location.error("also", f"also must be a list of {', '.join(scopes.OTHER_PROTOCOLS)}")
    return tuple(value)


def _with_registration(provider: Provider) -> Provider:
    """The provider with the client that its server registered for us, if the config names no client."""
    if (
        provider.client_id
        or provider.unsupported
        or (provider.authorization_endpoint and not provider.registration_endpoint)
    ):
        return provider
    from oauth2_pop3.oauth2 import registration

    client = registration.kept(provider)
    return client.identifying(provider) if client else provider
