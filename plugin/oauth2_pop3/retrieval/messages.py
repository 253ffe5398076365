"""The messages in a maildrop, by the two listings of the server (RFC 1939 sections 5 and 7)."""

from __future__ import annotations

from oauth2_pop3.pop3.session import Session
from oauth2_pop3.retrieval.outstanding import Id, Listed


def messages_of(session: Session, *, unique_ids: bool) -> tuple[dict[Id, Listed], list[Listed]]:
    """All messages in the order of their numbers; and separately those that repeat an earlier unique-id.

    unique_ids: whether messages are known by their unique-ids. If not, it is by their numbers.
    Raises what Session raises.
    """
    names: dict[int, Id]
    if unique_ids:
        sizes, listed = session.listings()
        names = {**listed}
    else:
        sizes = session.sizes()
        names = {number: number for number in sizes}
    found: dict[Id, Listed] = {}
    repeated = []
    for number, name in sorted(names.items()):
        if name in found:
            repeated.append(Listed(number, name, sizes.get(number, 0)))
        elif number in sizes:
            found[name] = Listed(number, name, sizes[number])
    return found, repeated
