"""Looking up DNS records, by the system's resolver or another."""

from __future__ import annotations

from typing import Any

import dns.exception
import dns.resolver

from oauth2_pop3.errors import NetworkError

LIFETIME = 10.0
"""Seconds for one look-up."""


def look_up(name: str, kind: str, resolver: dns.resolver.Resolver | None = None) -> list[Any]:
    """The records of a kind, such as "MX", that a name has; [] if there are none. Raises NetworkError.

    An error is not the same as no record: who can hold back a response must not be able to hide a record.
    """
    try:
        return list((resolver or dns.resolver.Resolver()).resolve(name, kind, lifetime=LIFETIME))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError, ValueError) as error:  # ValueError: a resolv.conf that makes no sense
        raise NetworkError(f"the {kind} record of {name} cannot be looked up: {error}") from error
