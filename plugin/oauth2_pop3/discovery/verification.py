"""From a finding to a provider: whose servers they are, and whether the issuer's metadata agrees.

If a source names a POP3 server and no authorization server, the POP3 server is asked for it (RFC 7628). Whatever the
issuer, its metadata is fetched and compared (RFC 8414). No token is sent to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from oauth2_pop3.accounts.account import make_account
from oauth2_pop3.discovery.finding import Finding, FoundProvider
from oauth2_pop3.errors import OAuth2Pop3Error, OAuthError
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import Provider, authority, make_provider

if TYPE_CHECKING:
    from oauth2_pop3.accounts.config import Config

_ENDPOINTS = ("authorization_endpoint", "token_endpoint")
_URLS = ("issuer", *_ENDPOINTS)
_Said = TypeVar("_Said")


def known_provider(address: str, name: str, config: Config, source: str, trust: str) -> FoundProvider:
    """The found provider for a row that exists already. Raises ConfigError if the row has a mistake."""
    provider = make_account(address, name, config).provider
    return FoundProvider(address, provider, True, source, trust, note=provider.unsupported or provider.note)


class Verifier:
    """Makes providers of findings for one address. No issuer and no POP3 server is asked twice.

    rows: every known provider, with the user's own keys in it.
    ca_certs: as for discover().
    """

    def __init__(
        self, address: str, domain: str, config: Config, rows: Mapping[str, Mapping[str, object]], ca_certs: str
    ) -> None:
        self._address = address
        self._domain = domain
        self._config = config
        self._rows = rows
        self._ca_certs = ca_certs
        self._said: dict[tuple[object, ...], Any] = {}

    def provider(self, finding: Finding) -> FoundProvider:
        """The provider of a finding. Raises OAuthError, Pop3Error, NetworkError or ConfigError if it does not hold."""
        if not finding.issuer and not finding.token_endpoint:
            finding = self._with_issuer(finding)
        if name := self._known_row(finding.pop3_host, [getattr(finding, key) for key in _URLS]):
            trust = f"{finding.trust}; both servers are those of a known provider"
            found = known_provider(self._address, name, self._config, finding.source, trust)
            return replace(found, username=finding.username)
        document, trust = self._metadata(finding)
        endpoints = {key: url for key in _ENDPOINTS if isinstance(url := document.get(key), str)}
        for key in _ENDPOINTS:
            if not endpoints.get(key, "").startswith("https://"):
                raise OAuthError(f"the metadata of {finding.issuer} names no {key}")
        if self._known_row(finding.pop3_host, list(endpoints.values())):  # raises, unless all belongs to that provider
            raise OAuthError(f"the metadata of {finding.issuer} names the endpoints of another provider")
        values = self._values(finding, document)
        if not document.get("issuer"):
            values |= {**endpoints, "issuer": ""}
        values = {key: value for key, value in values.items() if value}
        name = self._free_name()
        row = make_provider(name, values, self._config.location("providers", name))
        return FoundProvider(self._address, row, False, finding.source, trust, values, finding.username, finding.note)

    def _values(self, finding: Finding, document: Mapping[str, object]) -> dict[str, object]:
        return {
            "issuer": finding.issuer,
            "scope": scopes.for_mail(document, finding.scope),
            "client_id": finding.client_id,
            "pop3_host": finding.pop3_host,
            "pop3_port": finding.pop3_port,
            "starttls": finding.starttls,
            "domains": [self._domain],
            "ca_certs": self._ca_certs,
        }

    def _with_issuer(self, finding: Finding) -> Finding:
        """The finding with the issuer and the scope that its POP3 server names when it refuses a sign-in."""
        from oauth2_pop3.discovery import openid_configuration

        host, port = finding.pop3_host, finding.pop3_port
        issuer, scope = self._once(
            (host, port),
            lambda: openid_configuration.look_up(
                host, port, domain=self._domain, starttls=finding.starttls, ca_certs=self._ca_certs
            ),
        )
        said = f"the POP3 server {host} itself named the issuer, over verified TLS"
        return replace(finding, issuer=issuer, scope=finding.scope or scope, trust=f"{finding.trust}; {said}")

    def _metadata(self, finding: Finding) -> tuple[Mapping[str, object], str]:
        """The issuer's metadata, or else the endpoints that the source names; and the trust that results."""
        from oauth2_pop3.oauth2 import metadata

        named = {key: getattr(finding, key) for key in _ENDPOINTS}
        issuer = Provider(name=self._domain, issuer=finding.issuer, ca_certs=self._ca_certs)
        try:
            if not finding.issuer:
                raise OAuthError(f"{finding.source} names no issuer")
            document = self._once((finding.issuer,), lambda: metadata.fetch(issuer))
        except OAuthError:
            if not all(named.values()):
                raise
            return named, f"{finding.trust}; there was no metadata to compare its endpoints with"
        return document, f"{finding.trust}; the issuer's metadata names the same issuer"

    def _once(self, server: tuple[object, ...], ask: Callable[[], _Said]) -> _Said:
        """Ask a server, or repeat what it said the last time, an error included."""
        if server not in self._said:
            try:
                self._said[server] = ask()
            except OAuth2Pop3Error as error:
                self._said[server] = error
        said = self._said[server]
        if isinstance(said, OAuth2Pop3Error):
            raise said
        return said  # type: ignore[no-any-return]

    def _known_row(self, pop3_host: str, urls: list[str]) -> str:
        """The known provider to which these URLs and this POP3 server belong; "" if they are not known.

        Raises OAuthError if the authorization server is known and the POP3 server belongs to somebody else. Anybody
        can publish such a pair, and would be sent tokens that open mailboxes of that provider.
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
                f"tokens of {same[0]} would go to {pop3_host}, which is not a POP3 server of that provider",
                hint=f"If that is right, add the domain to [providers.{same[0]}] in {self._config.path}.",
            )
        return ""

    def _free_name(self) -> str:
        name = self._domain.replace(".", "-")
        while name in self._rows:
            name += "-discovered"
        return name
