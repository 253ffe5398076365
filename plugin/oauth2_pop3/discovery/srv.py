"""SRV records: _pop3s._tcp and _pop3._tcp (RFC 6186 section 3.3, RFC 8314 section 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3.discovery.finding import Finding

if TYPE_CHECKING:
    import dns.resolver

TARGETS_LIMIT = 4
"""Servers to report. Asking more of them would take longer than a person waits."""


def look_up(domain: str, *, resolver: dns.resolver.Resolver | None = None) -> list[Finding]:
    """The domain's POP3 servers, the preferred one first: those with implicit TLS, then those with STARTTLS.

    `resolver` is used in place of the system's. Raises NetworkError, and OAuthError if a record names no host.
    """
    found = [
        Finding(f"SRV {service}.{domain}", _trust(target, domain), target, port, starttls, "")
        for service, starttls in (("_pop3s._tcp", False), ("_pop3._tcp", True))
        for target, port in _targets(f"{service}.{domain}", resolver)
    ]
    return found[:TARGETS_LIMIT]


def _trust(target: str, domain: str) -> str:
    outside = "" if f".{target}".endswith(f".{domain}") else f", and the server is outside {domain}"
    return f"only from the DNS: DNSSEC is not checked{outside}"


def _targets(name: str, resolver: dns.resolver.Resolver | None) -> list[tuple[str, int]]:
    """Hosts and ports in order of priority (RFC 2782); [] if there are none. The target "." means none, too."""
    from oauth2_pop3.providers import dns_records

    response = dns_records.look_up(name, "SRV", resolver)
    # RFC 2782 draws lots by weight among servers of one priority, for each connection. Here the result is saved, and
    # the same response must give the same result: the heaviest comes first.
    records = sorted(response, key=lambda record: (record.priority, -record.weight))
    targets = ((record.target.to_text(omit_final_dot=True).lower(), record.port) for record in records)
    return [(target, port) for target, port in targets if target != "."]
