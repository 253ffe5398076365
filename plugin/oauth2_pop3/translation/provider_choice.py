"""Which provider an account of a host's file belongs to. Nothing is asked of the network."""

from __future__ import annotations

import shlex
from functools import cache, partial

from oauth2_pop3.accounts import provider_registry
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.dialects import DialectAccount
from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.providers.provider import row_for_domain, rows_for_server


class ProviderChoice:
    """Finds providers by what the config and the plugins know of them. Raises ConfigError if the config is wrong."""

    def __init__(self, config: Config) -> None:
        self._config = config
        for name in config.providers:  # all of them: one with an error would otherwise be passed over in silence
            provider_registry.provider(name, config, {}, config.location("providers", name))
        self._rows = provider_registry.rows(config)
        self._for_server = cache(partial(rows_for_server, self._rows))
        self._for_domain = cache(partial(row_for_domain, self._rows))

    def by_domain(self, address: str) -> str | None:
        """The provider that lists the domain of an address."""
        return self._for_domain(address.rpartition("@")[2].lower())

    def choose(self, found: DialectAccount, address: str) -> tuple[str, str]:
        """The provider's name, and a remark; or "" and why there is none.

        The server's name decides first, since a token would be sent to that server. If only the address points to a
        provider, the server must at least be one that can have a certificate.
        """
        named = self._config.accounts.get(address.lower(), {}).get("provider")
        by_domain = self.by_domain(address)
        by_server = self._for_server(found.server)
        for name in (named, by_domain):
            if isinstance(name, str) and name in by_server:
                return name, ""
        if by_server:
            return by_server[0], ""
        if isinstance(named, str) and named in self._rows:
            return named, ""
        if by_domain:
            return self._by_address_only(by_domain, found.server)
        return "", (
            f"No provider is known for the server {found.server}. If it has OAuth 2.0, try: oauth2-pop3 discover "
            f"{shlex.quote(address)} --save"
        )

    def _by_address_only(self, provider: str, server: str) -> tuple[str, str]:
        usual = self._rows[provider].get("pop3_host")
        if not usual:
            return provider, ""
        if is_loopback(server) or "." not in server.strip("."):
            return "", (
                f"Its server is {server} and not {usual}. This may be a proxy that gets tokens itself, so no token of "
                f"{provider} is sent to it."
            )
        return provider, f"{server} is not a known server of {provider}; its usual server is {usual}: check the name."
