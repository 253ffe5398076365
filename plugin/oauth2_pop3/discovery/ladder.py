"""From a bare address to a provider: a ladder of sources, the first that answers wins, and each says what it found.

Your config, the built-in table and plugins by domain, then by MX; PACC; Mail Autoconfig; SRV. Where a source names a
POP3 server and no authorization server, the POP3 server is asked for it (RFC 7628). Whatever the issuer, its metadata
is fetched and compared (RFC 8414). No token is sent to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from oauth2_pop3.accounts import account as accounts
from oauth2_pop3.discovery.finding import Discovered, Rung, ascii_domain, authority
from oauth2_pop3.errors import ConfigError, NetworkError, OAuth2Pop3Error, OAuthError, one_line
from oauth2_pop3.providers import provider as providers
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3_hooks import manager

if TYPE_CHECKING:
    import dns.resolver

    from oauth2_pop3.accounts.config import Config

_URLS = ("issuer", "authorization_endpoint", "token_endpoint")


@dataclass(frozen=True)
class Result:
    """What to sign in with, and why to believe it.

    provider: the row, its name and where mail is. known: the row is there already (config, built-in, plugin); else
    values is what Config.save_provider takes. source, trust: who says so, and what was verified. username: what the
    source wants POP3 to be told, "" where it says nothing. rungs: everything that was tried, in order.
    """

    address: str
    provider: Provider
    known: bool
    source: str
    trust: str
    values: Mapping[str, object] = field(default_factory=dict)
    username: str = ""
    note: str = ""
    rungs: tuple[Rung, ...] = ()


def discover(
    address: str, config: Config, *, resolver: dns.resolver.Resolver | None = None, ca_certs: str = ""
) -> Result:
    """Find the provider of an address. resolver: other than the system's. ca_certs: a PEM file, as Provider has it.

    Raises ConfigError where no source knows it, with all that were tried; NetworkError where that was because the
    name server does not answer.
    """
    return _Ladder(address, config, resolver, ca_certs).climb()


class _Ladder:
    def __init__(self, address: str, config: Config, resolver: dns.resolver.Resolver | None, ca_certs: str) -> None:
        self._address = address
        self._config = config
        self._resolver = resolver
        self._ca_certs = ca_certs
        self._domain = ascii_domain(providers.domain_of(address))
        known = manager.providers()
        # Key by key: a row of the user's that holds a client_id alone must not hide whose issuer and POP3 server it is.
        self._rows = {
            name: {**known.get(name, {}), **config.providers.get(name, {})} for name in {**known, **config.providers}
        }
        self._rungs: list[Rung] = []
        self._exchanges: list[str] = []
        self._no_names = False
        self._asked: dict[tuple[str, int], tuple[str, str] | OAuth2Pop3Error] = {}

    def climb(self) -> Result:
        result = self._known_by_domain() or self._known_by_mx() or self._told_by_strangers()
        if result is None:
            tried = "; ".join(f"{rung.name}: {one_line(rung.detail, 250)}" for rung in self._rungs)
            raise (NetworkError if self._no_names else ConfigError)(
                f"no provider is found for {self._domain}. Tried {tried}",
                hint=f"Name one with --provider (see: oauth2-pop3 providers), or describe it in {self._config.path}.",
            )
        return replace(result, rungs=tuple(self._rungs))

    def _note(self, name: str, outcome: str, detail: str) -> None:
        self._rungs.append(Rung(name, outcome, one_line(detail, 400)))

    # -- what is known without asking anybody, and by MX

    def _known_by_domain(self) -> Result | None:
        domain = providers.domain_of(self._address)
        for source, rows, trust in (
            ("your config", self._config.providers, "you wrote it"),
            ("built-in table", manager.built_in_providers(), "it comes with oauth2-pop3"),
            ("plugins", manager.providers(), "an installed plugin says so"),
        ):
            if name := providers.for_domain(rows, domain):
                self._note(source, "found", f"provider {name}")
                return self._known(name, source, trust)
            self._note(source, "absent", "the domain is not listed")
        return None

    def _known_by_mx(self) -> Result | None:
        from oauth2_pop3.providers.mx import mail_exchanges

        try:
            self._exchanges = mail_exchanges(self._domain, resolver=self._resolver)
        except NetworkError as error:
            self._no_names = True
            self._note("MX", "fault", error.message)
            return None
        goes_to = f"mail goes to {', '.join(self._exchanges[:3])}" if self._exchanges else "there is no MX record"
        if name := providers.for_mx(self._rows, self._exchanges):
            self._note("MX", "found", f"{goes_to}: provider {name}")
            return self._known(name, "MX", f"{goes_to} (DNSSEC is not checked); the rest was known already")
        self._note("MX", "absent", goes_to)
        return None

    def _known(self, name: str, source: str, trust: str) -> Result:
        provider = accounts.make(self._address, name, self._config).provider
        return Result(self._address, provider, True, source, trust, note=provider.unsupported or provider.note)

    # -- what others publish

    def _told_by_strangers(self) -> Result | None:
        for name, look_up in self._sources():
            try:
                found = look_up()
            except OAuth2Pop3Error as error:
                self._note(name, "fault", error.message)
                continue
            if not found:
                self._note(name, "absent", "nothing there, or no POP3")
            for server in found:
                try:
                    result = self._completed(server)
                except OAuth2Pop3Error as error:
                    self._note(name, "fault", f"POP3 server {server.pop3_host}:{server.pop3_port}, but {error.message}")
                else:
                    self._note(name, "found", f"POP3 server {server.pop3_host}:{server.pop3_port}; {result.trust}")
                    return result
        return None

    def _sources(self) -> Iterator[tuple[str, Callable[[], list[Discovered]]]]:
        from oauth2_pop3.discovery import autoconfig, pacc, srv

        def one(look_up: Callable[[], Discovered | None]) -> list[Discovered]:
            return [found] if (found := look_up()) else []

        yield "PACC", lambda: one(partial(pacc.look_up, self._domain, resolver=self._resolver, ca_certs=self._ca_certs))
        for location in (
            *autoconfig.locations(self._domain, self._address),
            *autoconfig.mail_exchange_locations(self._domain, self._exchanges, self._address),
        ):
            look_up = partial(autoconfig.look_up, location, self._address, self._domain, ca_certs=self._ca_certs)
            yield location.source, partial(one, look_up)
        yield "SRV", lambda: srv.look_up(self._domain, resolver=self._resolver)

    # -- from a POP3 server to a whole provider

    def _completed(self, found: Discovered) -> Result:
        if not found.issuer and not found.token_endpoint:
            issuer, scope = self._ask_pop3(found)
            said = f"the POP3 server {found.pop3_host} itself named the issuer, over verified TLS"
            found = replace(found, issuer=issuer, scope=found.scope or scope, trust=f"{found.trust}; {said}")
        if name := self._known_row(found.pop3_host, [getattr(found, key) for key in _URLS]):
            result = self._known(name, found.source, f"{found.trust}; both servers are those of a known provider")
            return replace(result, username=found.username)
        document, trust = self._metadata(found)
        endpoints = {key: str(document.get(key, "")) for key in _URLS[1:]}
        if missing := [key for key, url in endpoints.items() if not url.startswith("https://")]:
            raise OAuthError(f"the metadata of {found.issuer} names no {missing[0]}")
        if self._known_row(found.pop3_host, list(endpoints.values())):  # raises, unless it is all theirs
            raise OAuthError(f"the metadata of {found.issuer} names the endpoints of somebody else")
        values: dict[str, object] = {
            "issuer": found.issuer,
            "scope": scopes.for_mail(document, found.scope),
            "client_id": found.client_id,
            "pop3_host": found.pop3_host,
            "pop3_port": found.pop3_port,
            "starttls": found.starttls,
            "domains": [self._domain],
            "ca_certs": self._ca_certs,
        }
        if not document.get("issuer"):
            values |= {**endpoints, "issuer": ""}
        name, values = self._free_name(), {key: value for key, value in values.items() if value}
        row = providers.provider(name, values, self._config.place("providers", name))
        return Result(self._address, row, False, found.source, trust, values, found.username, found.note)

    def _metadata(self, found: Discovered) -> tuple[Mapping[str, object], str]:
        """The issuer's metadata, or what the source says of its endpoints; and what that does to the trust."""
        from oauth2_pop3.oauth2 import metadata

        named = {"authorization_endpoint": found.authorization_endpoint, "token_endpoint": found.token_endpoint}
        try:
            if not found.issuer:
                raise OAuthError(f"{found.source} names no issuer")
            document = metadata.fetch(Provider(name=self._domain, issuer=found.issuer, ca_certs=self._ca_certs))
        except OAuthError:
            if not all(named.values()):
                raise
            return dict(named), f"{found.trust}; its endpoints could not be compared to any metadata"
        return document, f"{found.trust}; the issuer's metadata names the same issuer"

    def _ask_pop3(self, found: Discovered) -> tuple[str, str]:
        """Issuer and scope by the POP3 server's refusal; each server is asked once."""
        from oauth2_pop3.discovery import openid_configuration

        server = (found.pop3_host, found.pop3_port)
        if server not in self._asked:
            try:
                self._asked[server] = openid_configuration.look_up(
                    *server, domain=self._domain, starttls=found.starttls, ca_certs=self._ca_certs
                )
            except OAuth2Pop3Error as error:
                self._asked[server] = error
        answer = self._asked[server]
        if isinstance(answer, OAuth2Pop3Error):
            raise answer
        return answer

    def _known_row(self, pop3_host: str, urls: list[str]) -> str:
        """The known provider that has this authorization server and this POP3 server; "" where nobody has the first.

        Raises OAuthError where the authorization server is a known one and the POP3 server is not its: anybody can
        publish that, and would be sent tokens that open the mailbox there.
        """
        wanted = {host for url in urls if (host := authority(url))}
        same = [
            name
            for name, row in self._rows.items()
            if any(authority(url) in wanted for key in _URLS if isinstance(url := row.get(key), str) and url)
        ]
        for name in same:
            if self._rows[name].get("pop3_host") == pop3_host:
                return name
        if same:
            raise OAuthError(
                f"it would have tokens of {same[0]} sent to {pop3_host}, which is not a POP3 server of that provider's",
                hint=f"If that is right, add the domain to [providers.{same[0]}] in {self._config.path}.",
            )
        return ""

    def _free_name(self) -> str:
        name = self._domain.replace(".", "-")
        while name in self._rows:
            name += "-discovered"
        return name
