"""Account: the user's config, the plugins' providers and stores, put together for one address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from oauth2_pop3.accounts.config import DEFAULT_TOKEN_STORE, Config
from oauth2_pop3.errors import ConfigError, TokenNotFound
from oauth2_pop3.providers import provider as providers
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.providers.tables import Place
from oauth2_pop3.stores import TokenStore
from oauth2_pop3_hooks import manager

_COMMAND_TIMEOUT = 60.0
_ACCOUNT_KEYS = ("account", "also", "provider", "token_store")


@dataclass(frozen=True)
class Account:
    """Who signs in, and all that is needed to get a token for them.

    mailbox: the maildrop that the token is to open, where it is another than the account's own (shared, delegated).
    also: the protocols beside POP3 that its sign-in asks for; the provider's scope has theirs in it.
    """

    address: str
    provider: Provider
    token_store_name: str = DEFAULT_TOKEN_STORE
    mailbox: str = ""
    also: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What state is filed under: the address in small letters; one for all mailboxes of an app's own token."""
        if self.provider.grant == "client_credentials":
            return f"{self.provider.name}:{self.provider.tenant}:{self.provider.client_id}".lower()
        return self.address.lower()

    @property
    def user(self) -> str:
        """The mailbox that POP3 is asked for."""
        return self.mailbox or self.address

    @cached_property
    def store(self) -> TokenStore:
        """The store that keeps its tokens, opened."""
        return manager.token_store(self.token_store_name)

    def client_secret(self, stored: str = "") -> str:
        """The client's secret, from the config, its command, or what was typed at `login` (stored); "" for none."""
        if self.provider.client_secret_command:
            return run_command(self.provider.client_secret_command, what="client_secret_command")
        return self.provider.client_secret or stored

    def key_password(self) -> str:
        """What the client's private key is encrypted with; "" where no command is named for it."""
        command = self.provider.client_private_key_password_command
        return run_command(command, what="client_private_key_password_command") if command else ""


def load(address: str, config: Config | None = None) -> Account:
    """The account that the config has under this address. Raises TokenNotFound where there is none, ConfigError.

    A row with `account` is a mailbox that somebody else's token opens: that one's account, and this mailbox.
    """
    config = config or Config.load()
    row = config.accounts.get(address.lower())
    if row is None:
        raise TokenNotFound(f"nobody has signed in as {address} yet", hint=f"Run: oauth2-pop3 login {address}")
    if "account" in row:
        return replace(load(_person(address, row["account"], config), config), mailbox=address)
    name = row.get("provider")
    if not isinstance(name, str) or not name:
        name = provider_name(address, config)
    return of(address, name, config)


def _person(mailbox: str, person: object, config: Config) -> str:
    """Whose token opens a mailbox."""
    place = config.place("accounts", mailbox)
    if not isinstance(person, str) or not person:
        raise place.error("account", "account must be an address")
    if "account" in config.accounts.get(person.lower(), {}):
        raise place.error("account", f"{person} is itself a mailbox that another account opens")
    return person


def mailboxes(account: Account, config: Config) -> list[str]:
    """The mailboxes that the config opens with this account's token, beside its own."""
    rows = config.accounts.items()
    return [mailbox for mailbox, row in rows if str(row.get("account", "")).lower() == account.address.lower()]


def of(address: str, provider: str, config: Config, overrides: Mapping[str, object] | None = None) -> Account:
    """Make an account of an address and a provider's name; the account's own keys override the provider's."""
    place = config.place("accounts", address)
    settings = {**config.accounts.get(address.lower(), {}), **(overrides or {})}
    token_store = settings.get("token_store", config.token_store)
    if not isinstance(token_store, str):
        raise place.error("token_store", "token_store must be a string")
    own = {key: value for key, value in settings.items() if key not in _ACCOUNT_KEYS}
    row = {**provider_row(provider, config, place), **own}
    row_of = providers.provider(provider, row, place)
    also = _also(settings.get("also", []), place)
    if also and not row_of.unsupported and row_of.grant not in providers.APP_GRANTS:
        row_of = scopes.with_protocols(row_of, also)
    return Account(address, _with_registration(row_of), token_store, also=also)


def _also(value: object, place: Place) -> tuple[str, ...]:
    """The account's key `also`: protocols beside POP3 that its sign-in asks for."""
    if not isinstance(value, list | tuple) or any(protocol not in scopes.OTHER_PROTOCOLS for protocol in value):
        raise place.error("also", f"also must be a list of {', '.join(scopes.OTHER_PROTOCOLS)}")
    return tuple(value)


def _with_registration(provider: Provider) -> Provider:
    """The provider with the client that was registered there for us, where the config names none."""
    if (
        provider.client_id
        or provider.unsupported
        or (provider.authorization_endpoint and not provider.registration_endpoint)
    ):
        return provider
    from oauth2_pop3.oauth2 import registration

    client = registration.kept(provider)
    return client.identifying(provider) if client else provider


def provider_row(name: str, config: Config, place: Place) -> dict[str, object]:
    """A provider's row by name, the user's keys over the built-in ones. Raises ConfigError."""
    row = _rows(name, config)
    if row is None:
        known = sorted({*manager.providers(), *config.providers})
        raise place.error("provider", f"there is no provider {name}", f"There are {', '.join(known)}.")
    # Checked by itself first: a fault is reported where it stands, not at the account that uses the provider.
    providers.provider(name, row, _place(name, config))
    return row


def _rows(name: str, config: Config) -> dict[str, object] | None:
    own = config.providers.get(name)
    base = manager.built_in_providers().get(name)
    if base is None:
        base = manager.providers().get(name)
    return None if base is None and own is None else {**(base or {}), **(own or {})}


def all_providers(config: Config) -> dict[str, Provider]:
    """Every provider there is, by name. Raises ConfigError."""
    known = manager.providers()
    found = {}
    for name in {**known, **config.providers}:
        row = {**known.get(name, {}), **config.providers.get(name, {})}
        try:
            found[name] = providers.provider(name, row, _place(name, config))
        except ConfigError as error:
            if name in config.providers:
                raise
            manager.reject(manager.provider_plugin(name), "failed in providers", error)
    return found


def _place(name: str, config: Config) -> Place:
    """Where a provider's row stands: in the user's config, or in a plugin."""
    if name in config.providers:
        return config.place("providers", name)
    return Place(f"the plugin {manager.provider_plugin(name)}", "", f"providers.{name}")


def provider_name(address: str, config: Config) -> str:
    """Which provider has the address: by domain in the config, the built-in table, plugins; then by MX.

    Raises ConfigError where none has, NetworkError where the MX record cannot be looked up.
    """
    domain = providers.domain_of(address)
    for rows in (config.providers, manager.built_in_providers(), manager.providers()):
        name = providers.for_domain(rows, domain)
        if name:
            return name
    from oauth2_pop3.providers.mx import mail_exchanges

    exchanges = mail_exchanges(domain)
    known = manager.providers()
    names = {**known, **config.providers}
    name = providers.for_mx({name: _rows(name, config) or {} for name in names}, exchanges)
    if name:
        return name
    found = f"its mail goes to {', '.join(exchanges[:3])}" if exchanges else "it has no MX record"
    raise ConfigError(
        f"no provider is known for {domain}: {found}",
        hint=f"Name one with --provider (oauth2-pop3 providers lists them), or describe it in {config.path}.",
    )


def run_command(command: str, *, what: str) -> str:
    """Run a command of the user's without a shell; the first line it prints. Raises ConfigError.

    what: the key it stands under. Its standard error is the user's to see; what it prints is never shown.
    """
    output = command_output(command, what=what)
    try:
        lines = output.decode().splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"{what} printed what is not UTF-8 text") from None
    if not lines or not lines[0].strip():
        raise ConfigError(f"{what} printed nothing", hint="It must print the secret and nothing else.")
    return lines[0].strip()


def command_output(command: str, *, what: str, stdin: bytes = b"") -> bytes:
    """All that a command of the user's prints, run in the same way. stdin: what it reads. Raises ConfigError."""
    import shlex
    import subprocess

    try:
        arguments = shlex.split(command)
        result = subprocess.run(arguments, input=stdin, stdout=subprocess.PIPE, timeout=_COMMAND_TIMEOUT, check=False)
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{what} cannot be run: {reason}", hint="It is run without a shell.") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{what} did not end within {_COMMAND_TIMEOUT:.0f} seconds") from None
    if result.returncode:
        raise ConfigError(f"{what} ended with exit code {result.returncode}", hint="Run it by hand to see why.")
    return result.stdout
