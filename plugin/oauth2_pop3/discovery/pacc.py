"""PACC: a JSON document below the domain, with its SHA-256 digest in the DNS (draft-ietf-mailmaint-pacc-03)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from oauth2_pop3.discovery.finding import Finding
from oauth2_pop3.errors import OAuthError
from oauth2_pop3.net import https

if TYPE_CHECKING:
    import dns.resolver

SIZE_LIMIT = 1 << 16
"""Bytes that a document may have; it needs a few hundred."""
_PORT = 995  # the draft names only hosts: the port is that of implicit TLS


def look_up(domain: str, *, resolver: dns.resolver.Resolver | None = None, ca_certs: str = "") -> Finding | None:
    """What the domain publishes; None if it publishes nothing, or no POP3 server.

    `resolver` is used in place of the system's. Raises NetworkError. Raises OAuthError if the document makes no sense,
    or if the DNS has no digest or another one than the document's.
    """
    host = f"ua-auto-config.{domain}"
    response = https.request(
        "GET", f"https://{host}/.well-known/user-agent-configuration.json", ca_certs=ca_certs, size_limit=SIZE_LIMIT
    )
    if response.status != 200:
        return None
    trust = f"from {host} over verified TLS; {_digest_checked(domain, response.body, resolver)}"
    document = response.json()
    if not document:
        raise OAuthError(f"{host} sent something that is not a JSON object")
    pop3 = _member(document, "protocols", "pop3")
    if not pop3:
        return None
    pop3_host = pop3.get("host")
    if not isinstance(pop3_host, str):
        raise OAuthError(f"{host} names no host for POP3")
    issuer = _member(document, "authentication", "oauth-public").get("issuer", "")
    if not isinstance(issuer, str):
        raise OAuthError(f"{host} names an issuer that is not text")
    return Finding("PACC", trust, pop3_host.lower().rstrip("."), _PORT, False, issuer)


def _member(document: dict[str, object], outer: str, inner: str) -> dict[str, object]:
    """An object within an object; {} if either is missing or something else."""
    table = document.get(outer)
    value = table.get(inner) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}


def _digest_checked(domain: str, body: bytes, resolver: dns.resolver.Resolver | None) -> str:
    """Compare the document with the digests in the DNS, one of which must match; say how far to trust that."""
    records = [tags for text in _texts(f"_ua-auto-config.{domain}", resolver) if (tags := _tags(text))]
    if not records:
        raise OAuthError(
            f"there is no TXT record _ua-auto-config.{domain} with the document's digest",
            hint="It is not used: anyone in control of only that one name could have published it.",
        )
    digest = hashlib.sha256(body).digest()
    for tags in records:
        try:
            published = base64.b64decode(tags.get("d", ""), validate=True)
        except (binascii.Error, ValueError):
            continue
        if tags.get("a", "").lower() == "sha256" and published == digest:
            return "its TXT digest matches (DNSSEC is not checked)"
    raise OAuthError(
        f"the document of ua-auto-config.{domain} has another digest than the TXT record _ua-auto-config.{domain}",
        hint="It is not used: one of the two was changed.",
    )


def _tags(text: str) -> dict[str, str]:
    """The tags of `v=UAAC1; a=sha256; d=BASE64`; {} if the record is for something else."""
    pairs = (part.partition("=") for part in text.split(";"))
    tags = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return tags if tags.get("v") == "UAAC1" else {}


def _texts(name: str, resolver: dns.resolver.Resolver | None) -> list[str]:
    """The TXT records of a name, with the strings of each joined (RFC 1035 section 3.3.14); [] if there are none."""
    from oauth2_pop3.providers import dns_records

    # An error is not the same as no record: anyone who can hold back a DNS response would get around the digest.
    response = dns_records.look_up(name, "TXT", resolver)
    return [b"".join(record.strings).decode("ascii", "replace") for record in response]
