"""What a person is shown about a provider that discovery found: by `discover`, and by `login` before it signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3.errors import one_line

if TYPE_CHECKING:
    from oauth2_pop3.discovery.finding import FoundProvider


def lines(found: FoundProvider) -> list[str]:
    """What was found, and every source that was tried."""
    row = found.provider
    tls = "STARTTLS" if row.starttls else "TLS"
    facts = {
        "provider": row.name + (" (already known)" if found.known else ""),
        "found by": found.source,
        "trust": found.trust,
        "POP3": f"{row.pop3_host}:{row.pop3_port}, {tls}" if row.pop3_host else "",
        "issuer": row.issuer or row.authorization_endpoint,
        "scope": row.scope,
        "client_id": "" if found.known else row.client_id,
        "user name": found.username if found.username != found.address else "",
        "note": found.note,
    }
    shown = [f"{name:10} {one_line(text)}" for name, text in facts.items() if text]
    return [*shown, "Tried:", *(f"  {attempt.outcome:7} {attempt.name}: {attempt.detail}" for attempt in found.tried)]
