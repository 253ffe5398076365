"""The names by which getmail's seen-file remembers messages.

getmail writes a unique-id there with - for /, because / once had a meaning in that file. So a/b and a-b become the same
name. A message whose unique-id has one of the two signs is therefore remembered by a second line as well, which says
which of them it was. getmail's own types do not know that line and leave it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, MutableMapping
from typing import Any

from oauth2_pop3.retrieval.outstanding import Id

_BEFORE, _AFTER = "unique-id ", " ."
# RFC 1939 section 7 allows no blank in a unique-id, but servers write some. None has a tab: unique_id_of() escapes it.
_BLANK, _SLASH = "\t", " "

_VANISHED = 30 * 86400  # seconds after which a message that left the server is forgotten, as by getmail's own types


class ListedNames:
    """The names of the messages in the maildrop. Without unique-ids, a message's number is its name."""

    def __init__(self) -> None:
        self._names: dict[Id, Id] = {}
        self._ids: dict[Id, Id] = {}

    def take(self, ids: Iterable[Id], seen: MutableMapping[str, int]) -> None:
        """Name these messages. seen: see names()."""
        listed = list(ids)
        self._names = {number: number for number in listed}
        self._names.update(names((unique_id for unique_id in listed if isinstance(unique_id, str)), seen))
        self._ids = {name: unique_id for unique_id, name in self._names.items()}

    def name(self, unique_id: Id) -> Id:
        """The name of a message, which getmail calls msgid."""
        return self._names[unique_id]

    def unique_id(self, name: Id) -> Id:
        """The message's unique-id as the server has it, or its number."""
        return self._ids[name]

    def in_seen_file(self, name: Id) -> list[Any]:
        """All names by which the seen-file is to have a message: its own first, if its short one is not enough."""
        return [*filter(None, [own(str(self._ids[name]))]), name]

    def forget_vanished(self, seen: MutableMapping[str, int], there: Container[Id], now: int) -> None:
        """Forget messages that left the server long ago. there: the names of those that are in the maildrop."""
        vanished = {name for name, seen_at in seen.items() if now - seen_at > _VANISHED and name not in there}
        if vanished:
            for unique_id in map(str, self._names):
                vanished -= {short(unique_id), own(unique_id)}
        for name in vanished:
            del seen[name]


def short(unique_id: str) -> str:
    """The name that getmail's own types use."""
    return unique_id.replace("/", "-")


def own(unique_id: str) -> str:
    """The name that no other unique-id has. "" if the short one is enough."""
    if "/" not in unique_id and "-" not in unique_id:
        return ""
    return f"{_BEFORE}{unique_id.replace(' ', _BLANK).replace('/', _SLASH)}{_AFTER}"


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
    return own_name[len(_BEFORE) : -len(_AFTER)].replace(_SLASH, "-").replace(_BLANK, " ")
