"""Provider: what must be known of an authorization server and its POP3 server. providers.toml has the built-in ones."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.providers.tables import TableLocation, build

XOAUTH2 = "xoauth2"
OAUTHBEARER = "oauthbearer"
MECHANISMS = (XOAUTH2, OAUTHBEARER)
"""The SASL mechanisms of pop3/sasl.py, the preferred one first: the large providers have had XOAUTH2 the longest."""
DEFAULT_REDIRECT_URI = "http://127.0.0.1/callback"
"""A loopback redirect (RFC 8252 section 7.3): a free port is put into it at each sign-in."""
MAIL_SCOPE = "urn:ietf:params:oauth:scope:mail"
"""The scope for IMAP, POP3 and SMTP at a provider that has none of its own (draft-ietf-mailmaint-oauth-public)."""
GRANTS = ("authorization_code", "device_code", "client_credentials", "jwt_bearer", "password")
"""The grants that there are: RFC 6749 sections 4.1, 4.4 and 4.3, RFC 8628, RFC 7523."""
ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
    "registration_endpoint",
)
"""The endpoints that a row may name; the others come from the issuer's metadata."""
_WORDS = {
    "client_secret_policy": ("required", "optional", "forbidden"),
    "token_endpoint_auth_method": ("", "client_secret_post", "client_secret_basic", "private_key_jwt", "none"),
    "grant": ("", *GRANTS),
}
"""Keys that take only these words."""
_APP_GRANTS = ("client_credentials", "jwt_bearer")


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One row. The keys are the same in providers.toml, in a plugin's rows and in the user's ``[providers.NAME]``.

    issuer: if it is given, endpoints that are left out come from its metadata (RFC 8414).
    tenant: replaces {tenant} in the issuer, in the endpoints and in app_scope.
    scope: what opens POP3. imap_scope, smtp_scope: what opens IMAP and SMTP; it may be the same.
    app_scope: what client_credentials and jwt_bearer ask for in place of scope.
    longest_access_token: the characters that the POP3 server takes; 0 if no limit is known.
    grant: the grant to sign in by. grants: the grants that may be chosen; empty if the row does not say.
    refresh_token_lifetime, refresh_token_idle_lifetime: seconds; 0 if they are not known.
    retrieved_once: the server shows a message to one session only, so that nothing must be read ahead.
    allow_insecure_loopback: allows plain HTTP to an authorization server on this machine.
    authorization_response_iss_parameter_supported: every redirect must name the issuer (RFC 9207 section 3).
    unsupported: why there is no OAuth for POP3 at this provider, and what works instead.
    """

    name: str
    title: str = ""
    issuer: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    device_authorization_endpoint: str = ""
    revocation_endpoint: str = ""
    registration_endpoint: str = ""
    tenant: str = ""
    scope: str = ""
    imap_scope: str = ""
    smtp_scope: str = ""
    longest_access_token: int = 0
    pop3_host: str = ""
    pop3_port: int = 995
    starttls: bool = False
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    authorization_parameters: Mapping[str, str] = field(default_factory=dict)
    redirect_uri: str = DEFAULT_REDIRECT_URI
    token_endpoint_auth_method: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    client_secret_command: str = ""
    client_secret_policy: str = "optional"
    client_private_key: str = ""
    client_private_key_password_command: str = ""
    client_certificate: str = ""
    client_key_id: str = ""
    service_account_file: str = ""
    grant: str = ""
    grants: tuple[str, ...] = ()
    app_scope: str = ""
    device_grant_note: str = ""
    refresh_token_lifetime: int = 0
    refresh_token_idle_lifetime: int = 0
    refresh_token_note: str = ""
    mechanisms: tuple[str, ...] = ()
    initial_response: bool = False
    retrieved_once: bool = False
    ca_certs: str = ""
    allow_insecure_loopback: bool = False
    authorization_response_iss_parameter_supported: bool = False
    registration: str = ""
    pop_switch: str = ""
    note: str = ""
    unsupported: str = ""

    def __post_init__(self) -> None:
        if self.tenant:
            for key in ("issuer", *ENDPOINTS, "app_scope"):
                object.__setattr__(self, key, getattr(self, key).replace("{tenant}", self.tenant))

    def require_supported(self) -> None:
        """Raise ConfigError, with what works instead, if there is no OAuth for POP3 at this provider."""
        if self.unsupported:
            raise ConfigError(self.unsupported.strip().rstrip("."))

    @property
    def display_name(self) -> str:
        """What a person calls it."""
        return self.title or self.name

    @property
    def needs_person(self) -> bool:
        """Whether a person signs in. Otherwise an app signs in on its own, without a refresh token."""
        return self.grant not in _APP_GRANTS

    def check(self, location: TableLocation) -> None:
        """Raise ConfigError if something in the row is missing or wrong."""
        if self.unsupported:
            return
        if not self.issuer and not self.token_endpoint:  # which others are needed depends on the grant
            raise location.error("", "needs issuer, or authorization_endpoint and token_endpoint")
        for key in ("issuer", *ENDPOINTS):
            if getattr(self, key) and not authority(getattr(self, key)):
                raise location.error(key, f"{key} must be an https:// URL")
        if not _scheme(self.redirect_uri):
            raise location.error("redirect_uri", "redirect_uri must be a URL such as http://127.0.0.1/callback")
        if not 0 < self.pop3_port < 65536:
            raise location.error("pop3_port", "pop3_port must be from 1 to 65535")
        self._check_words(location)

    def _check_words(self, location: TableLocation) -> None:
        for key, allowed in _WORDS.items():
            if getattr(self, key) not in allowed:
                raise location.error(key, f"{key} must be one of {', '.join(filter(None, allowed))}")
        for key, kind, known in (("mechanisms", "mechanism", MECHANISMS), ("grants", "grant", GRANTS)):
            for name in getattr(self, key):
                if name not in known:
                    raise location.error(key, f"has an unknown {kind} {name}", f"Use {', '.join(known)}.")


def _scheme(url: str) -> str:
    """The scheme of a URL; "" if it is not a URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    return parts.scheme


def authority(url: str) -> str:
    """Host and port of an https:// or http:// URL, always spelled the same way; "" for any other text."""
    port = {"https": 443, "http": 80}.get(_scheme(url))
    if port is None:
        return ""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or port}" if parts.hostname else ""


def make_provider(
    name: str, table: Mapping[str, object], location: TableLocation, beside: Sequence[str] = ()
) -> Provider:
    """Make a provider of a table, checked. beside: other keys that the table may have. Raises ConfigError."""
    row = build(Provider, table, location, beside, name=name)
    row.check(location)
    return row


@cache
def built_in_rows() -> Mapping[str, Mapping[str, object]]:
    """The table that comes with the package, providers.toml."""
    return tomllib.loads(Path(__file__).with_name("providers.toml").read_text("utf-8"))


def row_for_domain(rows: Mapping[str, Mapping[str, object]], domain: str) -> str | None:
    """The name of the row that lists the domain."""
    return next((name for name, row in rows.items() if domain.lower() in _strings(row.get("domains"))), None)


def rows_for_server(rows: Mapping[str, Mapping[str, object]], host: str) -> list[str]:
    """The names of the rows that have this POP3 server; or else of those that have a domain which the host is in."""
    host = host.lower().rstrip(".")
    exact = [name for name, row in rows.items() if str(row.get("pop3_host", "")).lower() == host]
    if exact:
        return exact
    return [
        name
        for name, row in rows.items()
        if any(f".{host}".endswith(f".{domain}") for domain in _strings(row.get("domains")))
    ]


def row_for_mx(rows: Mapping[str, Mapping[str, object]], exchanges: Iterable[str]) -> str | None:
    """The name of the row that hosts the domain: the one with the longest fitting `mx` suffix."""
    best = ("", "")
    for exchange in exchanges:
        for name, row in rows.items():
            for suffix in _strings(row.get("mx")):
                if f".{exchange.lower().rstrip('.')}".endswith(f".{suffix}") and len(suffix) > len(best[0]):
                    best = (suffix, name)
    return best[1] or None


def _strings(value: object) -> list[str]:
    return [item.lower() for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def domain_of(address: str) -> str:
    """The part after the last @. Raises ConfigError if it is not a mail address."""
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or any(c.isspace() or not c.isprintable() for c in address):
        raise ConfigError(f"{address!r} is not a mail address", hint="Write it as name@example.org.")
    return domain.lower()
