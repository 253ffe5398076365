"""From a mail address to its provider: the sources are asked in order, and the first that knows a POP3 server wins.

The order: your config, the built-in table and the plugins by domain; the same by MX; PACC; Mail Autoconfig; SRV. What
others publish is verified before it counts (verification.py). No token is sent to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from oauth2_pop3.accounts import provider_registry
from oauth2_pop3.discovery.finding import Attempt, Finding, FoundProvider, ascii_domain
from oauth2_pop3.discovery.verification import Verifier, known_provider
from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, one_line
from oauth2_pop3.providers.provider import domain_of, row_for_domain, row_for_mx
from oauth2_pop3_hooks import manager

if TYPE_CHECKING:
    import dns.resolver

    from oauth2_pop3.accounts.config import Config


def discover(
    address: str, config: Config, *, resolver: dns.resolver.Resolver | None = None, ca_certs: str = ""
) -> FoundProvider:
    """Find the provider of an address.

    `resolver` is used in place of the system's. `ca_certs` is a PEM file of certificate authorities, in place of the
    system's, and becomes that of the provider.

    Raises ConfigError if no source knows the provider; the message lists all that were tried. Raises NetworkError
    instead if the name server did not respond.
    """
    return _Ladder(address, config, resolver, ca_certs).climb()


class _Ladder:
    """The sources, as the rungs of a ladder; and what each of them said."""

    def __init__(self, address: str, config: Config, resolver: dns.resolver.Resolver | None, ca_certs: str) -> None:
        self._address = address
        self._config = config
        self._resolver = resolver
        self._ca_certs = ca_certs
        self._domain = ascii_domain(domain_of(address))
        self._rows = provider_registry.rows(config)
        self._verifier = Verifier(address, self._domain, config, self._rows, ca_certs)
        self._tried: list[Attempt] = []
        self._exchanges: list[str] = []
        self._name_server_failed = False

    def climb(self) -> FoundProvider:
        found = self._known_by_domain() or self._known_by_mx() or self._published()
        if found:
            return replace(found, tried=tuple(self._tried))
        tried = "; ".join(f"{attempt.name}: {one_line(attempt.detail, 250)}" for attempt in self._tried)
        kind = NetworkError if self._name_server_failed else ConfigError
        raise kind(
            f"no provider was found for {self._domain}. Tried {tried}",
            hint=f"Name one with --provider (see: oauth2-pop3 providers), or describe it in {self._config.path}.",
        )

    def _note(self, name: str, outcome: str, detail: str) -> None:
        self._tried.append(Attempt(name, outcome, one_line(detail, 400)))

    # -- what is known on this machine, by domain and by MX

    def _known_by_domain(self) -> FoundProvider | None:
        domain = domain_of(self._address)
        for source, rows, trust in (
            ("your config", self._config.providers, "you wrote it"),
            ("built-in table", manager.built_in_providers(), "it comes with oauth2-pop3"),
            ("plugins", manager.providers(), "an installed plugin says so"),
        ):
            if name := row_for_domain(rows, domain):
                self._note(source, "found", f"provider {name}")
                return known_provider(self._address, name, self._config, source, trust)
            self._note(source, "absent", "the domain is not listed")
        return None

    def _known_by_mx(self) -> FoundProvider | None:
        from oauth2_pop3.providers.mx import mail_exchanges

        try:
            self._exchanges = mail_exchanges(self._domain, resolver=self._resolver)
        except NetworkError as error:
            self._name_server_failed = True
            self._note("MX", "fault", error.message)
            return None
        goes_to = f"mail goes to {', '.join(self._exchanges[:3])}" if self._exchanges else "there is no MX record"
        if name := row_for_mx(self._rows, self._exchanges):
            self._note("MX", "found", f"{goes_to}: provider {name}")
            trust = f"{goes_to} (DNSSEC is not checked); the rest was known already"
            return known_provider(self._address, name, self._config, "MX", trust)
        self._note("MX", "absent", goes_to)
        return None

    # -- what others publish

    def _published(self) -> FoundProvider | None:
        for name, look_up in self._sources():
            try:
                findings = look_up()
            except OAuth2Pop3Error as error:
                self._note(name, "fault", error.message)
                continue
            if not findings:
                self._note(name, "absent", "nothing there, or no POP3")
            for finding in findings:
                server = f"POP3 server {finding.pop3_host}:{finding.pop3_port}"
                try:
                    found = self._verifier.provider(finding)
                except OAuth2Pop3Error as error:
                    self._note(name, "fault", f"{server}, but {error.message}")
                else:
                    self._note(name, "found", f"{server}; {found.trust}")
                    return found
        return None

    def _sources(self) -> Iterator[tuple[str, Callable[[], list[Finding]]]]:
        from oauth2_pop3.discovery import autoconfig, pacc, srv

        def one(look_up: Callable[[], Finding | None]) -> list[Finding]:
            return [finding] if (finding := look_up()) else []

        yield "PACC", lambda: one(partial(pacc.look_up, self._domain, resolver=self._resolver, ca_certs=self._ca_certs))
        for location in (
            *autoconfig.locations(self._domain, self._address),
            *autoconfig.mail_exchange_locations(self._domain, self._exchanges, self._address),
        ):
            look_up = partial(autoconfig.look_up, location, self._address, self._domain, ca_certs=self._ca_certs)
            yield location.source, partial(one, look_up)
        yield "SRV", lambda: srv.look_up(self._domain, resolver=self._resolver)
