"""Discovered: what one source says of a domain's POP3 server and authorization server, and how far to trust it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from oauth2_pop3.errors import ConfigError, OAuthError, one_line

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TEXT_LIMIT = 500


@dataclass(frozen=True)
class Discovered:
    """One source's answer, checked: it comes from strangers.

    source: what was asked, for a person. trust: who says so, and what was verified of it. issuer (RFC 8414): "" where
    the source names none. scope: space-separated. username: what POP3 is to be told, "" where nothing was said.
    The endpoints: where the source names them and the issuer may have no metadata. client_id: one that everybody may
    use, "" where there is none. note: what else to know.
    Raises OAuthError where a host, a port or a URL is none.
    """

    source: str
    trust: str
    pop3_host: str
    pop3_port: int
    starttls: bool
    issuer: str
    scope: str = ""
    username: str = ""
    note: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    client_id: str = ""

    def __post_init__(self) -> None:
        if not is_host_name(self.pop3_host):
            raise OAuthError(f"{self.source} names a POP3 server {one_line(self.pop3_host, 100)!r}, which is no host")
        if not 0 < self.pop3_port < 65536:
            raise OAuthError(f"{self.source} names the POP3 port {self.pop3_port}")
        for key in ("issuer", "authorization_endpoint", "token_endpoint"):
            url = getattr(self, key)
            # RFC 8414 section 2: an issuer has neither query nor fragment; only https is ever followed.
            if url and (not url.startswith("https://") or "#" in url or (key == "issuer" and "?" in url)):
                raise OAuthError(f"{self.source} names the {key} {one_line(url, 100)!r}, which is no https:// URL")
        for key in ("scope", "username", "note", "issuer", "authorization_endpoint", "token_endpoint", "client_id"):
            if len(text := getattr(self, key)) > _TEXT_LIMIT or not text.isprintable():
                raise OAuthError(f"{self.source} says what cannot be a {key}: {one_line(text, 100)!r}")


@dataclass(frozen=True)
class Rung:
    """One source that was tried. outcome: found, absent or fault. detail: what it said, on one line."""

    name: str
    outcome: str
    detail: str


def is_host_name(text: str) -> bool:
    """Whether it is a host's name in ASCII and small letters (RFC 1123 section 2.1)."""
    return len(text) < 254 and _HOST_NAME.fullmatch(text) is not None


def ascii_domain(domain: str) -> str:
    """A mail domain as the DNS and URLs have it (RFC 5890). Raises ConfigError where it cannot be one."""
    try:
        name = domain.encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if not is_host_name(name):
        raise ConfigError(f"{domain!r} is not a domain that can be looked up", hint="Name a provider with --provider.")
    return name


def authority(url: str) -> str:
    """Host and port of an https:// URL, in one spelling; "" of anything else."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or 443}" if parts.scheme == "https" and parts.hostname else ""
    except ValueError:
        return ""
