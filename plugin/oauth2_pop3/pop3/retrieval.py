"""A run through a maildrop, from its list to its deletions: what retrievers and the bridge have in common.

Messages are fetched ahead in the order in which they will be asked for; deletions wait and go out together before
QUIT, which is when a server deletes (RFC 1939 section 6); and a connection that drops is made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from oauth2_pop3.errors import (
    AuthenticationRejected,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    OutOfStep,
    Pop3Error,
)
from oauth2_pop3.pop3.dialogue import WINDOW
from oauth2_pop3.pop3.outstanding import Id, Listed, Requested
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.spool import Spool

PAUSES = (1.0, 5.0, 15.0)
"""Seconds before each attempt to go on in a new connection; there are no more attempts than these in a run."""


@dataclass(frozen=True)
class ReadAhead:
    """How much may be on its way that nobody has asked for yet: messages (0: none), and octets of them by LIST.

    It waits in the buffers of the two systems while the host delivers; neither a thread nor memory of ours holds it.
    """

    messages: int = 128
    octets: int = 16 << 20


class Retrieval:
    """One run. connect: opens the maildrop, signed in; also when a connection has dropped.

    unique_ids: whether messages are known by them, without which no run goes on in another connection. identify: what
    a unique-id is called outside. line_feeds, watch: of the spools. tell: is told, in a sentence, of a connection that
    is made anew. Methods raise what Session raises, NetworkError and AuthenticationRejected only where the run could
    not go on.
    """

    def __init__(
        self, connect: Callable[[], Session], *, read_ahead: ReadAhead, unique_ids: bool = True,
        identify: Callable[[str], str] = str, line_feeds: bool = False, watch: Callable[[int], object] = int,
        tell: Callable[[str], object] = str,
    ) -> None:  # fmt: skip
        self.read_ahead = read_ahead
        self.out_of_step = False
        self._connect, self._unique_ids, self._identify = connect, unique_ids, identify
        self._spool, self._tell = partial(Spool, line_feeds=line_feeds, watch=watch), tell
        self._attempts = 0
        self._listed: dict[Id, Listed] = {}
        self._order: Sequence[Id] = ()
        self._place: dict[Id, int] = {}
        self._next = 0  # in the order: what has not been asked of the server
        self._marked: list[Id] = []
        self._sizes_are_exact: bool | None = None
        self._quit_counts = False
        self._begin()

    def _begin(self) -> None:
        self.session = self._connect()
        self._requested = Requested(self.session)

    # -- the list

    def listing(self) -> tuple[list[Listed], list[Listed]]:
        """Every message by its number; and those whose unique-id another one had before them."""
        try:
            return self._list()
        except (NetworkError, AuthenticationRejected) as error:
            self._resume(error, relist=False)
            return self._list()

    def _list(self) -> tuple[list[Listed], list[Listed]]:
        if self._unique_ids:
            sizes, unique_ids = self.session.listings()
            names: dict[int, Id] = {number: self._identify(unique_id) for number, unique_id in unique_ids.items()}
        else:
            sizes = self.session.sizes()
            names = {number: number for number in sizes}
        found: dict[Id, Listed] = {}
        repeated = []
        for number, name in sorted(names.items()):
            if name in found:
                repeated.append(Listed(number, name, sizes.get(number, 0)))
            elif number in sizes:
                found[name] = Listed(number, name, sizes[number])
        self._listed = found
        return list(found.values()), repeated

    def expect(self, order: Sequence[Id]) -> None:
        """Say what will be fetched, in this order; fetch() of something else is slower, not wrong."""
        self._order, self._next = order, 0
        self._place = {unique_id: place for place, unique_id in enumerate(order)}
        known = self.session.capabilities
        if len(order) > 1 and self.read_ahead.messages and not self._requested and "EXPIRE" not in known:
            try:  # a server may say only to whom it knows what becomes of their messages (RFC 2449 section 6.7)
                self.session.capabilities = {**known, **self.session.capa()}
            except NetworkError as error:
                self._resume(error)

    # -- messages

    def fetch(self, unique_id: Id) -> Spool:
        """A whole message. Raises Pop3Error where the server refuses this one; the run can go on."""
        self._quit_counts = True
        while True:
            try:
                return self._fetch(unique_id)
            except (NetworkError, AuthenticationRejected) as error:
                self._resume(error)
            except OutOfStep:
                self.out_of_step = True
                raise

    def _fetch(self, unique_id: Id) -> Spool:
        if unique_id not in self._requested:
            self._requested.make_room()
            self._send(unique_id)
        self._send_ahead()
        spool = self._spool()
        pipelined = len(self._requested) > 1
        self._requested.receive(unique_id, spool.write)
        if spool.octets == self._listed[unique_id].octets:
            self._sizes_are_exact = self._sizes_are_exact is not False
        elif self._sizes_are_exact and pipelined:
            spool = self._fetch_again(unique_id)
        else:
            self._sizes_are_exact = False
        self._send_ahead()
        return spool

    def _fetch_again(self, unique_id: Id) -> Spool:
        """Fetch alone what is not of the size that was listed, on a server whose sizes were right so far.

        If it is of that size now, the server has left out a response, or sent one too many.
        """
        self._requested.throw_away()
        spool = self._spool()
        self._send(unique_id)
        self._requested.receive(unique_id, spool.write)
        if spool.octets == self._listed[unique_id].octets:
            raise OutOfStep(
                f"the POP3 server {self.session.host} sent another message than it was asked for",
                hint="Set read_ahead = 0, and tell the server's administrator.",
            )
        self._sizes_are_exact = False
        return spool

    def _send(self, unique_id: Id) -> None:
        """Ask for a message, and go on in the order from there."""
        self._next = self._place.get(unique_id, len(self._order)) + 1
        if unique_id not in self._listed:
            raise Pop3Error(f"the message with the unique-id {unique_id} is no longer in the maildrop")
        self._requested.send([self._listed[unique_id]])

    def _may_be_ahead(self) -> int:
        expire = self.session.capabilities.get("EXPIRE", ())
        if not self.read_ahead.messages or expire[:1] == ("0",):
            return 0  # what was retrieved may be gone (RFC 2449 section 6.7): never without need
        return min(self.read_ahead.messages, WINDOW) if self.session.dialogue.pipelining else 1

    def _send_ahead(self) -> None:
        """Ask for what comes next, many at a time, as far as it may be ahead."""
        most = self._may_be_ahead()
        if len(self._requested) > most - max(1, most // 8):
            return
        batch: list[Listed] = []
        octets = self._requested.octets
        while self._next < len(self._order) and len(self._requested) + len(batch) < most:
            message = self._listed.get(self._order[self._next])
            if message and message.unique_id not in self._requested:
                octets += message.octets
                if octets > self.read_ahead.octets and (self._requested or batch):
                    break
                batch.append(message)
            self._next += 1
        self._requested.send(batch)

    def top(self, unique_id: Id) -> bytes:
        """A message's header."""
        self._requested.throw_away()
        return self.session.top(self._listed[unique_id].number)

    # -- the end

    def delete(self, unique_id: Id) -> None:
        """Mark a message for finish()."""
        self._quit_counts = True
        self._marked.append(unique_id)

    def delete_number(self, number: int) -> None:
        """Mark a message that has no unique-id of its own: at once, and for this session alone."""
        self._quit_counts = True
        self.session.delete(number)

    def finish(self) -> None:
        """Delete what was marked, and end the session. Raises Pop3Error where the server would not delete something."""
        while True:
            try:
                self._finish()
                return
            except (NetworkError, AuthenticationRejected) as error:
                if not self._marked:
                    self.close()
                    return  # nothing hangs on it
                self._resume(error)

    def _finish(self) -> None:
        refused: dict[int, Pop3Error] = {}
        if self._marked:
            self._requested.throw_away()
            numbers = [self._listed[unique_id].number for unique_id in self._marked if unique_id in self._listed]
            refused = self.session.delete_all(numbers)
            if numbers and self.session.dialogue.pipelining:
                self.session.stat()  # two numbers and nothing else: no response was left out, and none came twice
        elif self._requested:
            self.close()
            return
        if self._quit_counts:
            self.session.quit()
        else:
            self.session.leave()
        if refused:
            first = next(iter(refused.values()))
            count = f"{len(refused)} of {len(self._marked)} messages were not deleted"
            raise Pop3Error(f"{count}: {first.message}", hint=first.hint)

    def close(self) -> None:
        """Let go of the connection; nothing is deleted."""
        self.session.close()

    # -- going on in another connection

    def _resume(self, error: OAuth2Pop3Error, *, relist: bool = True) -> None:
        """Connect again and find the messages by their unique-ids; else raise the error."""
        self.close()
        while True:
            if not self._unique_ids or self._attempts == len(PAUSES):
                raise error
            self._tell(f"{error.message}; connecting again")
            time.sleep(PAUSES[self._attempts])
            self._attempts += 1
            try:
                self._begin()
                if relist:
                    self._list()
                return
            except NetworkError as again:
                error = again
            except MaildropLocked:
                continue  # by our own session, most likely, which the server has not given up yet: not what went wrong
