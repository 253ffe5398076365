"""The messages that were asked for on one connection and have not come yet: a RETR for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from oauth2_pop3.errors import AuthenticationRejected, MessageRefused, OAuth2Pop3Error, OutOfStep, Pop3Error
from oauth2_pop3.pop3.connection import MULTILINE_LIMIT
from oauth2_pop3.pop3.dialogue import WINDOW, Command
from oauth2_pop3.pop3.session import Session

Id: TypeAlias = str | int
"""A message's unique-id; its number if unique-ids are not used."""


SLACK = 64 << 20
"""Octets that a message may have more than four times its listed size."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in the list. octets: its size by what LIST says."""

    number: int
    unique_id: Id
    octets: int

    def unreadable(self, error: OAuth2Pop3Error) -> MessageRefused:
        """The error for this message if it cannot be read. error: why."""
        name = f"message {self.number}" + (f" (unique-id {self.unique_id})" if isinstance(self.unique_id, str) else "")
        return MessageRefused(f"{name} cannot be read and stays on the server: {error.message}", hint=error.hint)


@dataclass(frozen=True, slots=True)
class _Asked:
    """check: a STAT that was sent before the RETR, if there was one."""

    retr: Command
    octets: int
    check: Command | None


class OutstandingMessages:
    """Messages in the order in which they will come. octets: of all of them, by what LIST says.

    sizes_are_exact: whether every message has had the octets that LIST says; None as long as there was none.

    A message that has another size than was listed shows that a response was left out, or that there was one too many.
    Where sizes do not show it, because those of the server are not exact or because two messages in a row have the
    same, there is a STAT between two RETR.

    Methods raise what Session raises.
    """

    def __init__(self, session: Session, *, sizes_are_exact: bool | None = None) -> None:
        self.octets = 0
        self.sizes_are_exact = sizes_are_exact
        self._session = session
        self._asked: dict[Id, _Asked] = {}
        self._last_octets = -1

    def __len__(self) -> int:
        return len(self._asked)

    def __iter__(self) -> Iterator[Id]:
        return iter(self._asked)

    def __contains__(self, unique_id: Id) -> bool:
        return unique_id in self._asked

    def send(self, messages: Iterable[Listed]) -> None:
        """Ask for messages, all in one write."""
        batch = []
        for message in messages:
            check = None
            if self._asked and (self.sizes_are_exact is not True or message.octets == self._last_octets):
                check = Command("STAT")
                batch.append(check)
            retr = self._session.retrieval(message.number, _limit(message.octets))
            batch.append(retr)
            self._asked[message.unique_id] = _Asked(retr, message.octets, check)
            self.octets += message.octets
            self._last_octets = message.octets
        if batch:
            self._session.dialogue.send(*batch)

    def receive(self, unique_id: Id, write: Callable[[bytes], object] | None = None) -> None:
        """Receive this message and throw away those that come before it. Raises Pop3Error for -ERR."""
        while self._asked:
            name = next(iter(self._asked))
            self.check_next()
            asked = self._asked.pop(name)
            self.octets -= asked.octets
            if name == unique_id:
                self._session.dialogue.response(asked.retr, write)
                return
        raise KeyError(unique_id)

    def check_next(self) -> bool:
        """Check, if there is a STAT before the next message, that nothing else comes before it. Raises OutOfStep.

        Returns False if a message is outstanding and there is no STAT before it.
        """
        if not self._asked:
            self._session.check()
            return True
        name, asked = next(iter(self._asked.items()))
        if asked.check is None:
            return False
        self._asked[name] = _Asked(asked.retr, asked.octets, None)
        self._session.check(asked.check)
        return True

    def make_room(self) -> None:
        """Throw messages away if the server would not take one more command."""
        if self._asked and (not self._session.dialogue.pipelining or len(self._asked) >= WINDOW - 1):
            self.throw_away()

    def throw_away(self) -> None:
        """Receive and throw away all messages, and check that the responses still match the commands."""
        if not self._asked:
            return
        try:
            self.receive(list(self._asked)[-1])
        except (AuthenticationRejected, OutOfStep):
            raise
        except Pop3Error:
            pass  # the server refuses a message that is thrown away anyway
        if self._session.dialogue.pipelining:
            self._session.check()


def _limit(octets: int) -> int:
    """How many octets of a message are read that has so many by what LIST says.

    Servers estimate sizes (Exchange does), count LF for CRLF, leave out fields that they add, or say 0 or 1 of every
    message. A message that is encoded for sending has at most three times the octets (quoted-printable). No message
    that a provider takes exceeds four times its listed size and 64 MiB more.
    """
    return min(4 * octets + SLACK, MULTILINE_LIMIT)
