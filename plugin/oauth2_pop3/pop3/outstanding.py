"""The messages that were asked for on one connection and have not come yet: a RETR for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from oauth2_pop3.errors import AuthenticationRejected, MaildropLocked, OutOfStep, Pop3Error
from oauth2_pop3.pop3.dialogue import WINDOW, Command
from oauth2_pop3.pop3.session import Session

Id: TypeAlias = str | int
"""A message's unique-id; its number if unique-ids are not used."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in the list. octets: its size by what LIST says."""

    number: int
    unique_id: Id
    octets: int


class OutstandingMessages:
    """Messages in the order in which they will come. octets: of all of them, by what LIST says.

    Methods raise what Session raises.
    """

    def __init__(self, session: Session) -> None:
        self.octets = 0
        self._session = session
        self._commands: dict[Id, tuple[Command, int]] = {}

    def __len__(self) -> int:
        return len(self._commands)

    def __contains__(self, unique_id: Id) -> bool:
        return unique_id in self._commands

    def send(self, messages: Iterable[Listed]) -> None:
        """Ask for messages, all in one write."""
        batch = []
        for message in messages:
            command = Command(f"RETR {message.number}", multiline=True)
            self._commands[message.unique_id] = command, message.octets
            self.octets += message.octets
            batch.append(command)
        if batch:
            self._session.dialogue.send(*batch)

    def receive(self, unique_id: Id, write: Callable[[bytes], object] | None = None) -> None:
        """Receive this message and throw away those that come before it. Raises Pop3Error for -ERR."""
        for name in list(self._commands):
            command, octets = self._commands.pop(name)
            self.octets -= octets
            if name == unique_id:
                self._session.dialogue.response(command, write)
                return
        raise KeyError(unique_id)

    def make_room(self) -> None:
        """Throw messages away if the server would not take one more command."""
        if self._commands and (not self._session.dialogue.pipelining or len(self._commands) >= WINDOW - 1):
            self.throw_away()

    def throw_away(self) -> None:
        """Receive and throw away all messages, and check that the responses still match the commands."""
        if not self._commands:
            return
        try:
            self.receive(list(self._commands)[-1])
        except (AuthenticationRejected, MaildropLocked, OutOfStep):
            raise
        except Pop3Error:
            pass  # the server refuses a message that is thrown away anyway
        if self._session.dialogue.pipelining:
            self._session.stat()
