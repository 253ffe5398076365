"""MX records (RFC 5321 section 5.1): who hosts a domain's mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3.providers.dns_records import look_up

if TYPE_CHECKING:
    import dns.resolver


def mail_exchanges(domain: str, *, resolver: dns.resolver.Resolver | None = None) -> list[str]:
    """The domain's mail exchanges, the preferred one first; [] if it has none. Raises NetworkError.

    resolver: other than the system's.
    """
    by_preference = sorted(look_up(domain, "MX", resolver), key=lambda record: record.preference)
    return [record.exchange.to_text(omit_final_dot=True).lower() for record in by_preference]
