"""Which messages getmail is going to ask for, and in which order: the rules of its main loop.

As in `go` of getmail6's script, 6.18 to 6.20: by number; seen messages only with read_all; none larger than
max_message_size; none that would exceed max_bytes_per_session, although smaller ones may follow; and no more than
max_messages_per_session. No other message is ever fetched ahead.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from oauth2_pop3.retrieval.outstanding import Id


def expected(
    messages: Iterable[tuple[Id, int]],
    seen: Container[Id],
    options: Mapping[str, Any],
    *,
    retrieved: int = 0,
    octets: int = 0,
) -> list[Id]:
    """The unique-ids of the messages that getmail is going to ask for.

    messages: the unique-id and the octets of every message that is still to come.
    seen: the unique-ids of messages that an earlier run has fetched.
    options: getmail's own.
    retrieved, octets: how many messages, and how many octets, this run has fetched so far.
    """
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
