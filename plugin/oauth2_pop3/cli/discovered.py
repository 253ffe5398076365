"""What a person is shown of a provider that discovery has found: by `discover`, and by `login` before it signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3.errors import one_line

if TYPE_CHECKING:
    from oauth2_pop3.discovery.ladder import Result


def lines(result: Result) -> list[str]:
    """What a person is shown, before anything is sent to what was found."""
    row = result.provider
    tls = "STARTTLS" if row.starttls else "TLS"
    facts = {
        "provider": row.name + (" (known already)" if result.known else ""),
        "found by": result.source,
        "trust": result.trust,
        "POP3": f"{row.pop3_host}:{row.pop3_port}, {tls}" if row.pop3_host else "",
        "issuer": row.issuer or row.authorization_endpoint,
        "scope": row.scope,
        "client_id": "" if result.known else row.client_id,
        "user name": result.username if result.username != result.address else "",
        "note": row.unsupported or result.note,
    }
    shown = [f"{name:10} {one_line(text)}" for name, text in facts.items() if text]
    return [*shown, "Tried:", *(f"  {rung.outcome:7} {rung.name}: {rung.detail}" for rung in result.rungs)]
