"""MX records (RFC 5321 section 5.1): who hosts a domain's mail."""

from __future__ import annotations

import dns.exception
import dns.resolver

from oauth2_pop3.errors import NetworkError

LIFETIME = 10.0
"""Seconds for the whole look-up."""


def mail_exchanges(domain: str, *, resolver: dns.resolver.Resolver | None = None) -> list[str]:
    """The domain's mail exchanges, the preferred one first; [] if it has none. Raises NetworkError.

    resolver: other than the system's.
    """
    try:
        records = (resolver or dns.resolver.Resolver()).resolve(domain, "MX", lifetime=LIFETIME)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError, UnicodeError) as error:
        raise NetworkError(f"the MX record of {domain} cannot be looked up: {error}") from error
    by_preference = sorted(records, key=lambda record: record.preference)
    return [record.exchange.to_text(omit_final_dot=True).lower() for record in by_preference]
