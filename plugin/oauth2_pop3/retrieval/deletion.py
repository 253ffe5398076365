"""Deleting messages at the end of a run: all of them, or as many as the server can be brought to delete."""

from __future__ import annotations

from collections.abc import Container, Mapping

from oauth2_pop3.errors import AuthenticationRejected, NetworkError, OAuth2Pop3Error, OutOfStep, Pop3Error
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.retrieval.outstanding import Id, Listed


class Deletion:
    """The messages that are to be deleted. It is true while there are any.

    spared: messages that are not deleted, whether they are marked or not. More may be added at any time.
    """

    def __init__(self, spared: Container[Id]) -> None:
        self._spared = spared
        self._marked: list[Id] = []
        self._failed: dict[Id, OAuth2Pop3Error] = {}  # not to be tried again

    def __bool__(self) -> bool:
        return bool(self._wanted())

    def mark(self, unique_id: Id) -> None:
        """Have this message deleted."""
        self._marked.append(unique_id)

    def _wanted(self) -> list[Id]:
        return [unique_id for unique_id in self._marked if unique_id not in self._spared]

    def carry_out(self, session: Session, listed: Mapping[Id, Listed], *, one_by_one: bool) -> bool:
        """Ask the server to delete them, which it does at QUIT. Returns whether QUIT has anything to do.

        one_by_one: for a server that gets out of step. A message at which the connection fails is given up, so that
        the next attempt deletes the others.
        """
        numbers = {listed[unique_id].number: unique_id for unique_id in self._wanted() if unique_id in listed}
        # What is tried again has not failed yet, nor has what is no longer there.
        failed = self._failed.items()
        self._failed = {name: error for name, error in failed if name in listed and name not in numbers.values()}
        if not one_by_one:
            for number, error in session.delete_all(numbers).items():
                self._failed[numbers[number]] = error
            if numbers and session.dialogue.pipelining:
                session.check()  # shows that no response was left out or sent twice
            return bool(numbers)
        for number, unique_id in numbers.items():
            try:
                session.delete(number)
            except AuthenticationRejected:
                raise
            except (NetworkError, Pop3Error) as error:
                self._failed[unique_id] = error
                if isinstance(error, NetworkError | OutOfStep):
                    self._marked.remove(unique_id)
                    raise
        return bool(numbers)

    def report(self) -> None:
        """Raise Pop3Error if there are messages that were not deleted."""
        if self._failed:
            first = next(iter(self._failed.values()))
            count = len({*self._wanted(), *self._failed})
            raise Pop3Error(
                f"{len(self._failed)} of {count} messages were not deleted: {first.message}", hint=first.hint
            )
