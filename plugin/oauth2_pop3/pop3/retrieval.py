"""A run through a maildrop for a retriever, from the list of messages to their deletion.

Messages are fetched ahead in the order in which they will be asked for. Deletions wait and go out together before QUIT,
which is when a server deletes (RFC 1939 section 6). If the connection drops, the run continues in a new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from oauth2_pop3.pop3.outstanding import Id, Listed, OutstandingMessages
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.spool import Spool

PAUSES = (1.0, 5.0, 15.0)
"""Seconds to wait before each attempt to continue in a new connection. A run has as many attempts as pauses."""


class Retrieval:
    """One run.

    connect: opens the maildrop and signs in; it is called again if a connection has dropped.
    read_ahead: how far ahead messages are asked for. They wait in the buffers of the two systems while the host
    delivers, and take up neither a thread nor memory here.
    unique_ids: whether messages have unique-ids. Without them no run can continue in another connection.
    identify: returns the name by which the caller knows a unique-id.
    line_feeds, watch: see Spool.
    tell: is called with a sentence before a new connection is made.
    pauses: seconds to wait before each attempt to continue in a new connection, see PAUSES.
    out_of_step: whether the responses no longer match the commands, so that what was delivered may be wrong.

    Methods raise what Session raises, but NetworkError and AuthenticationRejected only if the run could not continue.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        *,
        read_ahead: ReadAheadLimits,
        unique_ids: bool = True,
        identify: Callable[[str], str] = str,
        line_feeds: bool = False,
        watch: Callable[[int], object] | None = None,
        tell: Callable[[str], object] | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.read_ahead = read_ahead
        self.out_of_step = False
        self._connect = connect
        self._unique_ids = unique_ids
        self._identify = identify
        self._spool = partial(Spool, line_feeds=line_feeds, watch=watch)
        self._tell = tell or _ignore
        self._pauses = pauses
        self._attempts = 0
        self._listed: dict[Id, Listed] = {}
        self._order: Sequence[Id] = ()
        self._place: dict[Id, int] = {}
        self._next = 0  # place in the order of the first message that was not asked for
        self._marked: list[Id] = []
        self._sizes_are_exact: bool | None = None
        self._quit_counts = False
        self._begin()

    def _begin(self) -> None:
        self.session = self._connect()
        self._outstanding = OutstandingMessages(self.session)

    # -- the list

    def listing(self) -> tuple[list[Listed], list[Listed]]:
        """All messages in the order of their numbers; and separately those that repeat an earlier unique-id."""
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
        """Say what will be fetched, in this order. fetch() of something else is slower, but not wrong."""
        self._order, self._next = order, 0
        self._place = {unique_id: place for place, unique_id in enumerate(order)}
        known = self.session.capabilities
        if len(order) > 1 and self.read_ahead.messages and not self._outstanding and "EXPIRE" not in known:
            try:  # EXPIRE may be told only after the sign-in (RFC 2449 section 6.7)
                self.session.capabilities = {**known, **self.session.capa()}
            except NetworkError as error:
                self._resume(error)

    # -- messages

    def fetch(self, unique_id: Id) -> Spool:
        """Fetch a whole message. Raises Pop3Error if the server refuses this one; the run can continue."""
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
        if unique_id not in self._outstanding:
            self._outstanding.make_room()
            self._send(unique_id)
        self._send_ahead()
        spool = self._spool()
        pipelined = len(self._outstanding) > 1
        self._outstanding.receive(unique_id, spool.write)
        if spool.octets == self._listed[unique_id].octets:
            self._sizes_are_exact = self._sizes_are_exact is not False
        elif self._sizes_are_exact and pipelined:
            spool = self._fetch_again(unique_id)
        else:
            self._sizes_are_exact = False
        self._send_ahead()
        return spool

    def _fetch_again(self, unique_id: Id) -> Spool:
        """Fetch a message again, with no other on its way, because it does not have the size that was listed.

        This is for a server whose sizes were right so far. If the message has the listed size now, the server has left
        out a response, or sent one too many.
        """
        self._outstanding.throw_away()
        spool = self._spool()
        self._send(unique_id)
        self._outstanding.receive(unique_id, spool.write)
        if spool.octets == self._listed[unique_id].octets:
            raise OutOfStep(
                f"the POP3 server {self.session.host} sent a different message than it was asked for",
                hint="Set read_ahead = 0, and tell the server's administrator.",
            )
        self._sizes_are_exact = False
        return spool

    def _send(self, unique_id: Id) -> None:
        """Ask for a message, and read ahead from its place in the order."""
        self._next = self._place.get(unique_id, len(self._order)) + 1
        if unique_id not in self._listed:
            raise Pop3Error(f"the message with the unique-id {unique_id} is no longer in the maildrop")
        self._outstanding.send([self._listed[unique_id]])

    def _may_be_ahead(self) -> int:
        """How many messages may be outstanding before they are fetched."""
        if not self.read_ahead.allow(self.session.capabilities):
            return 0
        return min(self.read_ahead.messages, WINDOW) if self.session.dialogue.pipelining else 1

    def _send_ahead(self) -> None:
        """Ask for the messages that come next in the order, as far as the limits allow."""
        most = self._may_be_ahead()
        if not self.read_ahead.is_time_to_ask(len(self._outstanding), most):
            return
        batch: list[Listed] = []
        octets = self._outstanding.octets
        while self._next < len(self._order) and len(self._outstanding) + len(batch) < most:
            message = self._listed.get(self._order[self._next])
            if message and message.unique_id not in self._outstanding:
                if not self.read_ahead.have_room(message.octets, octets):
                    break
                octets += message.octets
                batch.append(message)
            self._next += 1
        self._outstanding.send(batch)

    def top(self, unique_id: Id) -> bytes:
        """Fetch a message's header."""
        self._outstanding.throw_away()
        return self.session.top(self._listed[unique_id].number)

    # -- the end

    def delete(self, unique_id: Id) -> None:
        """Mark a message, to be deleted by finish()."""
        self._quit_counts = True
        self._marked.append(unique_id)

    def delete_number(self, number: int) -> None:
        """Mark a message that has no unique-id of its own, at once and only in this session."""
        self._quit_counts = True
        self.session.delete(number)

    def finish(self) -> None:
        """Delete what was marked, and end the session. Raises Pop3Error if the server did not delete everything."""
        while True:
            try:
                self._finish()
                return
            except (NetworkError, AuthenticationRejected) as error:
                if not self._marked:
                    self.close()
                    return  # nothing is lost by it
                self._resume(error)

    def _finish(self) -> None:
        refused: dict[int, Pop3Error] = {}
        if self._marked:
            self._outstanding.throw_away()
            numbers = [self._listed[unique_id].number for unique_id in self._marked if unique_id in self._listed]
            refused = self.session.delete_all(numbers)
            if numbers and self.session.dialogue.pipelining:
                self._check_in_step()
        elif self._outstanding:
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

    def _check_in_step(self) -> None:
        """Ask for STAT: its response shows that none to DELE was left out or sent twice, and so does a refusal."""
        try:
            self.session.stat()
        except OutOfStep:
            raise
        except (Pop3Error, NetworkError) as error:
            if isinstance(error, NetworkError) and not error.response_code:
                raise

    def close(self) -> None:
        """Close the connection; nothing is deleted."""
        self.session.close()

    # -- going on in another connection

    def _resume(self, error: OAuth2Pop3Error, *, relist: bool = True) -> None:
        """Connect again and find the messages by their unique-ids; raise the error if that is not possible.

        A server that said "not now" is not asked again before the next run.
        """
        self.close()
        if error.response_code:
            raise error
        while True:
            if not self._unique_ids or self._attempts == len(self._pauses):
                raise error
            self._tell(f"{error.message}; connecting again")
            time.sleep(self._pauses[self._attempts])
            self._attempts += 1
            try:
                self._begin()
                if relist:
                    self._list()
                return
            except NetworkError as again:
                error = again
            except MaildropLocked:
                continue  # most likely by our own old session, which the server has not ended yet: keep the first error


def _ignore(_sentence: str) -> None:
    """Tell nobody."""
