"""The names by which getmail's seen-file remembers messages.

getmail writes a unique-id there with - for /, because / once had a meaning in that file. So a/b and a-b become the same
name. A message whose unique-id has one of the two signs is therefore remembered by a second line as well, which says
which of them it was. getmail's own types do not know that line and leave it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, MutableMapping

_BEFORE, _AFTER = "unique-id ", " ."  # no unique-id has a blank (RFC 1939 section 7), so no name is mistaken for these


def short(unique_id: str) -> str:
    """The name that getmail's own types use."""
    return unique_id.replace("/", "-")


def own(unique_id: str) -> str:
    """The name that no other unique-id has. "" if the short one is enough."""
    return f"{_BEFORE}{unique_id.replace('/', ' ')}{_AFTER}" if "/" in unique_id or "-" in unique_id else ""


def names(unique_ids: Iterable[str], seen: MutableMapping[str, int]) -> dict[str, str]:
    """A name for each unique-id, by which `seen` tells whether an earlier run has had that message.

    seen: names and times from the seen-file. A message that only its short name remembers gets its own name there too,
    unless two messages share that short name: then nobody knows which of them it was, and both are new.
    """
    found = {unique_id: unique_id for unique_id in unique_ids}
    unclear = [unique_id for unique_id in found if own(unique_id)]
    sharing = Counter(map(short, unclear))
    known = {_short_of(name) for name in seen if name.startswith(_BEFORE)} if unclear else set()
    for unique_id in unclear:
        name, own_name = short(unique_id), own(unique_id)
        if own_name not in seen and name in seen and name not in known and sharing[name] == 1:
            seen[own_name] = seen[name]
        may_be_short = sharing[name] == 1 or name == unique_id
        found[unique_id] = name if may_be_short and (own_name in seen) == (name in seen) else own_name
    return found


def _short_of(own_name: str) -> str:
    return own_name[len(_BEFORE) : -len(_AFTER)].replace(" ", "-")
