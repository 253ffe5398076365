"""Mail Autoconfig: config-v1.1.xml of the domain, of Thunderbird's ISPDB, of the mail's host.

draft-ietf-mailmaint-autoconfig-06. The XML comes from strangers: no DTD, no entities, and no more than SIZE_LIMIT.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from oauth2_pop3.discovery.finding import Discovered, is_host_name
from oauth2_pop3.errors import OAuthError
from oauth2_pop3.net import https

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SIZE_LIMIT = 1 << 18
"""Bytes of a document; the largest in the ISPDB has 20 thousand."""
ISPDB = "https://autoconfig.thunderbird.net/v1.1/"
_STARTTLS = {"SSL": False, "TLS": False, "STARTTLS": True}  # any other socketType is not encrypted


class Location(NamedTuple):
    """Where a document may be: the name that is shown, the URL, and who is behind it."""

    source: str
    url: str
    trust: str


def locations(domain: str, address: str) -> list[Location]:
    """The domain's own documents, then the ISPDB's, which is told the domain and not the address."""
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
    """The documents of whoever hosts the domain's mail, by its first MX host."""
    host = next(iter(exchanges), "")
    names = [name for name in _domains_of_host(host) if is_host_name(name) and name != domain]
    where = "whom the MX record names (DNSSEC is not checked)"
    return [_of_host(f"autoconfig.{name}", address, f"from {name}, {where}") for name in names] + [
        _ispdb(name, f" for {name}, {where}") for name in names
    ]


def look_up(location: Location, address: str, domain: str, *, ca_certs: str = "") -> Discovered | None:
    """The POP3 server and the issuer of the document there; None where there is no document, or no POP3 in it.

    Raises NetworkError, and OAuthError where it is no such document or POP3 is not encrypted.
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
        raise OAuthError(f"{location.source} has POP3 without TLS only, which is not used")
    server = next(filter(_takes_oauth2, encrypted), encrypted[0])
    note = "" if _takes_oauth2(server) else "it does not say that its POP3 server takes OAuth 2.0"
    oauth2 = next(root.iter("oAuth2"), None)
    port = _text(server, "port")
    if not (port.isascii() and port.isdecimal() and len(port) < 6):
        raise OAuthError(f"{location.source} names no port for POP3")
    return Discovered(
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
    except (ParseError, ValueError, LookupError):  # defusedxml's own are ValueErrors; an odd encoding is the last
        raise OAuthError(f"{source} answered with what is no XML, or has a DTD or entities") from None
    if root.tag != "clientConfig":
        raise OAuthError(f"{source} answered with XML that is no clientConfig")
    return root


def _issuer(text: str) -> str:
    """Many documents name a bare host, as Thunderbird's table of issuers does."""
    return f"https://{text}" if text and "://" not in text else text


def _takes_oauth2(server: Element) -> bool:
    """By the draft's names, of which it has two, or by the SASL mechanism's own."""
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
    """The domain that a mail exchange stands in, and that one's own: mx1.mail.example.net, example.net.

    Without a list of public suffixes two short labels at the end (co.uk) are taken for one.
    """
    labels = host.split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    least = 3 if short else 2
    names = [".".join(labels[1:])] if len(labels) > least else []
    return list(dict.fromkeys([*names, ".".join(labels[-least:])])) if len(labels) >= least else []
