"""Mail Autoconfig: config-v1.1.xml of the domain, of Thunderbird's ISPDB, and of the company that hosts the mail.

draft-ietf-mailmaint-autoconfig-06. The XML comes from strangers: no DTD, no entities, and at most SIZE_LIMIT bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from oauth2_pop3.discovery.finding import Finding, is_host_name
from oauth2_pop3.errors import OAuthError
from oauth2_pop3.net import https

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SIZE_LIMIT = 1 << 18
"""Bytes that a document may have; the largest in the ISPDB has 20 thousand."""
ISPDB = "https://autoconfig.thunderbird.net/v1.1/"
_STARTTLS = {"SSL": False, "TLS": False, "STARTTLS": True}  # every other socketType is plain text


class Location(NamedTuple):
    """A place for a document. source: its name, for a person. trust: whose place it is."""

    source: str
    url: str
    trust: str


def locations(domain: str, address: str) -> list[Location]:
    """Where to look: at the domain itself, then in the ISPDB, which is told the domain and not the address."""
    return [
        _of_host(f"autoconfig.{domain}", address, f"from autoconfig.{domain}"),
        Location(
            f"autoconfig {domain}",
            f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
            f"from {domain} itself over verified TLS",
        ),
        _ispdb(domain),
    ]


def mail_exchange_locations(domain: str, exchanges: Iterable[str], address: str) -> list[Location]:
    """Where to look if others host the domain's mail, by its first MX host: at their domain, then in the ISPDB."""
    host = next(iter(exchanges), "")
    names = [name for name in _domains_of_host(host) if is_host_name(name) and name != domain]
    why = "which the MX record names (DNSSEC is not checked)"
    return [_of_host(f"autoconfig.{name}", address, f"from {name}, {why}") for name in names] + [
        _ispdb(name, f" for {name}, {why}") for name in names
    ]


def look_up(location: Location, address: str, domain: str, *, ca_certs: str = "") -> Finding | None:
    """What the document there says; None if there is no document, or no POP3 server in it.

    Raises NetworkError, and OAuthError if it is not an autoconfig document or offers POP3 only in plain text.
    """
    response = https.request(
        "GET", location.url, ca_certs=ca_certs, size_limit=SIZE_LIMIT, accept="application/xml, text/xml"
    )
    if response.status != 200:
        return None
    root = _parsed(response.body, location.source)
    servers = [server for server in root.iter("incomingServer") if server.get("type") == "pop3"]
    if not servers:
        return None
    encrypted = [server for server in servers if _text(server, "socketType").upper() in _STARTTLS]
    if not encrypted:
        raise OAuthError(f"{location.source} offers POP3 only without TLS, which oauth2-pop3 does not use")
    server = next(filter(_takes_oauth2, encrypted), encrypted[0])
    note = "" if _takes_oauth2(server) else "it does not say that its POP3 server accepts OAuth 2.0"
    oauth2 = next(root.iter("oAuth2"), None)
    port = _text(server, "port")
    if not (port.isascii() and port.isdecimal() and len(port) < 6):
        raise OAuthError(f"{location.source} names no port for POP3")
    return Finding(
        location.source,
        location.trust,
        _filled_in(_text(server, "hostname"), address, domain).lower().rstrip("."),
        int(port),
        _STARTTLS[_text(server, "socketType").upper()],
        _issuer(_text(oauth2, "issuer")),
        scope=" ".join(_text(oauth2, "scope").split()),
        username=_filled_in(_text(server, "username"), address, domain),
        note=note,
        authorization_endpoint=_text(oauth2, "authURL"),
        token_endpoint=_text(oauth2, "tokenURL"),
        client_id=_text(oauth2, "clientID"),
    )


def _parsed(body: bytes, source: str) -> Element:
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError, LookupError):  # defusedxml raises ValueError, an unknown encoding LookupError
        raise OAuthError(f"{source} sent something that is not XML, or XML with a DTD or entities") from None
    if root.tag != "clientConfig":
        raise OAuthError(f"{source} sent XML that is not a clientConfig")
    return root


def _issuer(text: str) -> str:
    """The issuer as a URL. Many documents name only the host, as Thunderbird's own table of issuers does."""
    return f"https://{text}" if text and "://" not in text else text


def _takes_oauth2(server: Element) -> bool:
    """Tell whether a server accepts OAuth 2.0, by the draft's two names for it or by those of the SASL mechanisms."""
    ways = {(way.text or "").strip().lower() for way in server.iter("authentication")}
    return bool(ways & {"oauth2", "oauth", "oauthbearer", "xoauth2"})


def _text(element: Element | None, tag: str) -> str:
    return ((element.findtext(tag) or "") if element is not None else "").strip()


def _filled_in(text: str, address: str, domain: str) -> str:
    local = address.rpartition("@")[0]
    for placeholder, value in (
        ("%EMAILADDRESS%", address),
        ("%EMAILLOCALPART%", local),
        ("%EMAILDOMAIN%", domain),
    ):
        text = text.replace(placeholder, value)
    return text


def _of_host(host: str, address: str, trust: str) -> Location:
    url = f"https://{host}/mail/config-v1.1.xml?emailaddress={quote(address, safe='')}"
    return Location(f"autoconfig {host}", url, f"{trust} over verified TLS")


def _ispdb(domain: str, more: str = "") -> Location:
    source = f"ISPDB {domain}"
    return Location(source, f"{ISPDB}{domain}", f"from a third party, Thunderbird's ISPDB, over verified TLS{more}")


def _domains_of_host(host: str) -> list[str]:
    """The domains of a mail exchange, the longer first: mail.example.net and example.net for mx1.mail.example.net.

    There is no list of public suffixes here. Two short labels at the end, such as co.uk, are taken for one.
    """
    labels = host.split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    least = 3 if short else 2
    names = [".".join(labels[1:])] if len(labels) > least else []
    return list(dict.fromkeys([*names, ".".join(labels[-least:])])) if len(labels) >= least else []
