"""Which messages getmail is going to ask for, and in which order: its own main loop, run without messages.

As in `go` of getmail6's script, 6.18 to 6.20: by number; seen ones only with read_all; none larger than
max_message_size, none that would surpass max_bytes_per_session, though smaller ones after it may follow; and none
after max_messages_per_session. What is not in here is never fetched ahead.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from oauth2_pop3.pop3.outstanding import Id


def expected(
    messages: Iterable[tuple[Id, int]],
    seen: Container[Id],
    options: Mapping[str, Any],
    *,
    retrieved: int = 0,
    octets: int = 0,
) -> list[Id]:
    """The unique-ids. messages: unique-id and octets of what is still to come; retrieved, octets: what has been."""
    if options.get("only_oldmail_file"):
        return []
    order: list[Id] = []
    largest, most_octets = options.get("max_message_size"), options.get("max_bytes_per_session")
    most = options.get("max_messages_per_session")
    for unique_id, size in messages:
        wanted = options.get("read_all") or unique_id not in seen
        if largest and size > largest:
            wanted = False
        if most_octets and octets + size > most_octets:
            wanted = False
        if wanted:
            order.append(unique_id)
            octets += size
        if most and retrieved + len(order) >= most:
            break
    return order
