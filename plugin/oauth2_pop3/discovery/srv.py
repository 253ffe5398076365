"""SRV records: _pop3s._tcp and _pop3._tcp (RFC 6186 section 3.3, RFC 8314 section 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3.discovery.finding import Discovered
from oauth2_pop3.errors import NetworkError

if TYPE_CHECKING:
    import dns.resolver

LIFETIME = 10.0
"""Seconds for a look-up."""
TARGETS_LIMIT = 4
"""Servers that are told of: nobody waits for more of them to be asked."""


def look_up(domain: str, *, resolver: dns.resolver.Resolver | None = None) -> list[Discovered]:
    """The domain's POP3 servers, the preferred first: TLS from the first octet, then STARTTLS. [] where it has none.

    resolver: other than the system's. Raises NetworkError, and OAuthError where a record names no host.
    """
    found = [
        Discovered(f"SRV {service}.{domain}", _trust(target, domain), target, port, starttls, "")
        for service, starttls in (("_pop3s._tcp", False), ("_pop3._tcp", True))
        for target, port in _targets(f"{service}.{domain}", resolver)
    ]
    return found[:TARGETS_LIMIT]


def _trust(target: str, domain: str) -> str:
    outside = "" if f".{target}".endswith(f".{domain}") else f", and the server is outside of {domain}"
    return f"from the DNS alone: DNSSEC is not checked{outside}"


def _targets(name: str, resolver: dns.resolver.Resolver | None) -> list[tuple[str, int]]:
    """Hosts and ports in order of priority (RFC 2782); [] where there are none, or the target "." says so."""
    import dns.exception
    import dns.resolver

    try:
        answer = (resolver or dns.resolver.Resolver()).resolve(name, "SRV", lifetime=LIFETIME)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError, UnicodeError) as error:
        raise NetworkError(f"the SRV record {name} cannot be looked up: {error}") from error
    # Of one priority RFC 2782 draws lots by weight, for each connection anew. What is found here is written down,
    # and the same answer is to give the same result: the heaviest first.
    records = sorted(answer, key=lambda record: (record.priority, -record.weight))
    targets = ((record.target.to_text(omit_final_dot=True).lower(), record.port) for record in records)
    return [(target, port) for target, port in targets if target != "."]
