"""Which providers there are: the built-in rows, the plugins' rows, and the user's tables over both."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import ConfigError
from oauth2_pop3.providers.provider import Provider, domain_of, make_provider, row_for_domain, row_for_mx
from oauth2_pop3.providers.tables import TableLocation
from oauth2_pop3_hooks import manager

ACCOUNT_KEYS = ("account", "also", "provider", "token_store")
"""The keys of an account's table that are not keys of a provider."""


def row(name: str, config: Config) -> dict[str, object] | None:
    """The keys of a provider, the user's over the built-in or the plugin's; None if nobody has that name.

    Plugins are loaded only if the built-in table does not have the name, and the user's own table leaves out the
    authorization server or the POP3 server: a provider that `login` has discovered stands for itself.
    """
    own = config.providers.get(name)
    base = manager.built_in_providers().get(name)
    if base is None and not (own and _is_whole(own)):
        base = manager.providers().get(name)
    return None if base is None and own is None else {**(base or {}), **(own or {})}


def _is_whole(own: Mapping[str, object]) -> bool:
    return bool("pop3_host" in own and ("issuer" in own or "token_endpoint" in own))


def rows(config: Config) -> dict[str, dict[str, object]]:
    """The keys of every provider, by name. All plugins are loaded."""
    known = manager.providers()
    # Key by key: a row of the user's with only a client_id must not hide the issuer and the POP3 server.
    return {name: {**known.get(name, {}), **config.providers.get(name, {})} for name in {**known, **config.providers}}


def provider(name: str, config: Config, own: Mapping[str, object], location: TableLocation) -> Provider:
    """The provider of that name with an account's own keys over its row.

    location: where the account's own keys stand. A fault is reported where it stands: in the row or at the account.
    Raises ConfigError.
    """
    found = row(name, config)
    if found is None:
        raise location.error("provider", f"there is no provider {name}", other_names(name, config))
    try:
        return make_provider(name, {**found, **own}, location, ACCOUNT_KEYS)
    except ConfigError:
        make_provider(name, found, _location(name, config))
        raise


def other_names(name: str, config: Config) -> str:
    """A hint for a provider's name that nobody has: the names that come near it, or how to list them all."""
    import difflib

    near = difflib.get_close_matches(name, rows(config), n=3)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{guess}To list the providers, run: oauth2-pop3 providers"


def all_providers(config: Config) -> dict[str, Provider]:
    """Every provider, by name. A plugin's row that is wrong is named, and left out. Raises ConfigError."""
    found = {}
    for name, keys in rows(config).items():
        try:
            found[name] = make_provider(name, keys, _location(name, config))
        except ConfigError as error:
            if name in config.providers:
                raise
            manager.complain(manager.provider_plugin(name), "failed in providers", error)
    return found


def _location(name: str, config: Config) -> TableLocation:
    """Where a provider's row stands: in the user's config, or in a plugin."""
    if name in config.providers:
        return config.location("providers", name)
    return TableLocation(f"the plugin {manager.provider_plugin(name)}", "", f"providers.{name}")


def name_for(address: str, config: Config) -> str:
    """Which provider serves an address: by its domain in the config, the built-in table and plugins; then by MX.

    Raises ConfigError if none does, NetworkError if the MX record cannot be looked up.
    """
    domain = domain_of(address)
    name = row_for_domain(config.providers, domain) or row_for_domain(manager.built_in_providers(), domain)
    if name := name or row_for_domain(manager.providers(), domain):
        return name
    from oauth2_pop3.providers.mx import mail_exchanges

    exchanges = mail_exchanges(domain)
    if name := row_for_mx(rows(config), exchanges):
        return name
    found = f"its mail goes to {', '.join(exchanges[:3])}" if exchanges else "it has no MX record"
    raise ConfigError(
        f"no provider is known for {domain}: {found}",
        hint=f"Name one with --provider (oauth2-pop3 providers lists them), or describe it in {config.path}.",
    )
