"""A run through a maildrop for a retriever, from the list of messages to their deletion.

Messages are fetched ahead in the order in which they will be asked for. Deletions wait and go out together before QUIT,
which is when a server deletes (RFC 1939 section 6). If the connection drops, the run continues in a new one. It does so
too if the server gets out of step, but from then on with one command at a time: then it shows which message it is that
cannot be read, and the others come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from oauth2_pop3.errors import (
    AuthenticationRejected,
    MessageRefused,
    NetworkError,
    OAuth2Pop3Error,
    OutOfStep,
    Pop3Error,
)
from oauth2_pop3.pop3.connection import Silent
from oauth2_pop3.pop3.deletion import Deletion
from oauth2_pop3.pop3.dialogue import WINDOW
from oauth2_pop3.pop3.outstanding import Id, Listed, OutstandingMessages
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.reconnection import PAUSES, Reconnection
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.spool import Spool

_LEAST_PART = 0.9  # of the listed octets: what is shorter may be only the beginning, also where sizes are estimates


class Retrieval:
    """One run.

    connect: opens the maildrop and signs in; it is called again if a connection has dropped.
    read_ahead: how far ahead messages are asked for. They wait in the buffers of the two systems while the host
    delivers, and take up neither a thread nor memory here.
    unique_ids: whether messages have unique-ids. Without them no run can continue in another connection.
    line_feeds, watch: see Spool.
    tell: is called with a sentence before a new connection is made.
    pauses: seconds to wait before each attempt to continue in a new connection, see PAUSES.
    doubtful: messages that were fetched, and of which it turned out later that they are not whole.

    Methods raise what Session raises, but NetworkError, OutOfStep and AuthenticationRejected only if the run could not
    continue.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        *,
        read_ahead: ReadAheadLimits,
        unique_ids: bool = True,
        line_feeds: bool = False,
        watch: Callable[[int], object] | None = None,
        tell: Callable[[str], object] | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.read_ahead = read_ahead
        self.doubtful: dict[Id, OutOfStep] = {}
        self._connect = connect
        self._unique_ids = unique_ids
        self._spool = partial(Spool, line_feeds=line_feeds, watch=watch)
        self._reconnection = Reconnection(pauses if unique_ids else (), tell or _ignore)
        self._listed: dict[Id, Listed] = {}
        self._order: Sequence[Id] = ()
        self._place: dict[Id, int] = {}
        self._next = 0  # place in the order of the first message that was not asked for
        self._deletion = Deletion()
        self._quit_counts = False
        self._is_odd = False  # whether the server was out of step in this run
        self._careful = False  # whether the next message must come alone, and be checked
        self._unchecked: Id | None = None  # the last message, if nothing shows yet that it was whole
        self._lost: OAuth2Pop3Error | None = None  # why the session cannot be used any more
        self.session = connect()
        self._outstanding = OutstandingMessages(self.session)

    # -- the list

    def listing(self) -> tuple[list[Listed], list[Listed]]:
        """All messages in the order of their numbers; and separately those that repeat an earlier unique-id."""
        try:
            return self._list()
        except Silent:
            raise  # it will not say more next time
        except (NetworkError, AuthenticationRejected, OutOfStep) as error:
            self._lose(error)
            self._reconnection.attempt(error, self._begin)
            return self._list()

    def _list(self) -> tuple[list[Listed], list[Listed]]:
        if self._unique_ids:
            sizes, unique_ids = self.session.listings()
            names: dict[int, Id] = dict(unique_ids)
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
        ahead = self.read_ahead.messages and not self._outstanding and not self._lost and not self._is_odd
        if len(order) > 1 and ahead and "EXPIRE" not in known:
            try:  # EXPIRE may be told only after the sign-in (RFC 2449 section 6.7)
                self.session.capabilities = {**known, **self.session.capa()}
            except (NetworkError, OutOfStep) as error:
                self._lose(error)

    # -- messages

    def fetch(self, unique_id: Id) -> Spool:
        """Fetch a whole message. Raises MessageRefused if this one cannot be had; the run can continue."""
        self._quit_counts = True
        while True:
            self._go_on()
            try:
                spool = self._fetch(unique_id)
            except (NetworkError, AuthenticationRejected, OutOfStep) as error:
                self._lose(error)
                if self._careful and not isinstance(error, AuthenticationRejected):
                    self._careful = self._is_odd
                    raise self._unreadable(unique_id, error) from error
                self._careful = True
            else:
                self._reconnection.has_succeeded()
                self._careful = self._is_odd
                return spool

    def _unreadable(self, unique_id: Id, error: OAuth2Pop3Error) -> MessageRefused:
        name = f"message {self._listed[unique_id].number}" + (f" (unique-id {unique_id})" if self._unique_ids else "")
        return MessageRefused(f"{name} cannot be read and stays on the server: {error.message}", hint=error.hint)

    def _fetch(self, unique_id: Id) -> Spool:
        if unique_id not in self._outstanding:
            self._outstanding.make_room()
            self._send(unique_id)
        self._send_ahead()
        spool = self._receive(unique_id)
        if not self._is_credible(unique_id, spool):
            spool = self._fetch_again(unique_id)
        self._send_ahead()
        return spool

    def _receive(self, unique_id: Id) -> Spool:
        spool = self._spool()
        try:
            self._outstanding.receive(unique_id, spool.write)
        except (AuthenticationRejected, OutOfStep):
            raise
        except Pop3Error as error:
            raise MessageRefused(error.message, hint=error.hint) from error
        return spool

    def _is_credible(self, unique_id: Id, spool: Spool) -> bool:
        """Whether this is the message, and the whole of it; what is certain is checked, or raises OutOfStep.

        A line with a single dot that was not stuffed ends a message early. A response too few or too many puts another
        message in its place. Both show in the size, where the server's sizes are exact, or in what comes next.
        """
        outstanding, octets = self._outstanding, self._listed[unique_id].octets
        exact, self._unchecked = outstanding.sizes_are_exact, None
        if spool.octets == octets:
            outstanding.sizes_are_exact = exact is not False
            return True
        if not self._careful:
            if spool.begins_like_a_response:
                raise OutOfStep(f"the POP3 server {self.session.host} sent more than one response to one command")
            if exact and outstanding:
                return False
            if exact is False and not outstanding and spool.octets >= _LEAST_PART * octets:
                self._unchecked = unique_id  # a STAT for each message would take up a round trip
                return True
        if not outstanding.check_next():
            self._unchecked = unique_id
        outstanding.sizes_are_exact = False
        return True

    def _fetch_again(self, unique_id: Id) -> Spool:
        """Fetch a message again, with no other on its way: its size is not the listed one, and all others' were.

        If it has the listed size now, the server has left out a response, or sent one too many.
        """
        self._outstanding.throw_away()
        self._send(unique_id)
        spool = self._receive(unique_id)
        if spool.octets == self._listed[unique_id].octets:
            self._is_odd = True
            self.session.take_care()
        else:
            self._outstanding.check_next()
            self._outstanding.sizes_are_exact = False
        return spool

    def _send(self, unique_id: Id) -> None:
        """Ask for a message, and read ahead from its place in the order."""
        self._next = self._place.get(unique_id, len(self._order)) + 1
        if unique_id not in self._listed:
            raise MessageRefused(f"the message with the unique-id {unique_id} is no longer in the maildrop")
        self._outstanding.send([self._listed[unique_id]])

    def _may_be_ahead(self) -> int:
        """How many messages may be outstanding before they are fetched."""
        if self._careful or not self.read_ahead.allow(self.session.capabilities):
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
        self._go_on()
        self._outstanding.throw_away()
        return self.session.top(self._listed[unique_id].number)

    # -- the end

    def delete(self, unique_id: Id) -> None:
        """Mark a message, to be deleted by finish()."""
        self._quit_counts = True
        self._deletion.mark(unique_id)

    def delete_number(self, number: int) -> None:
        """Mark a message that has no unique-id of its own, at once and only in this session."""
        self._quit_counts = True
        self.session.delete(number)

    def finish(self) -> None:
        """Delete what was marked, and end the session. Raises Pop3Error if the server did not delete everything."""
        self._deletion.spare(self.doubtful)
        while self._deletion or not self._lost:
            self._go_on()
            try:
                self._finish()
                break
            except (NetworkError, AuthenticationRejected, OutOfStep) as error:
                self._lose(error)
                self._is_odd |= isinstance(error, Silent) or self._reconnection.attempts > 1
        self._deletion.report()

    def _finish(self) -> None:
        counts = self._quit_counts
        if self._deletion:
            self._outstanding.throw_away()
            counts = self._deletion.carry_out(self.session, self._listed, one_by_one=self._is_odd)
        elif self._outstanding:
            self.close()
            return
        if counts:
            self.session.quit()
        else:
            self.session.leave()

    def close(self) -> None:
        """Close the connection; nothing is deleted."""
        self.session.close()

    # -- going on in another connection

    def _lose(self, error: OAuth2Pop3Error) -> None:
        """The session cannot be used any more: what was asked for on it will not come."""
        self.close()
        self._outstanding = OutstandingMessages(self.session, sizes_are_exact=self._outstanding.sizes_are_exact)
        self._lost = error
        self._is_odd |= isinstance(error, OutOfStep)

    def _go_on(self) -> None:
        """Connect again if that is necessary, and find the messages by their unique-ids; raises why if it cannot."""
        if self._lost is None:
            return
        suspect = self._unchecked if isinstance(self._lost, OutOfStep) else None
        self._reconnection.attempt(self._lost, lambda: self._begin(relist=True))
        self._unchecked = None
        if suspect is not None:
            self._check_again(suspect)

    def _begin(self, *, relist: bool = False) -> None:
        self.session = session = self._connect()
        try:
            if self._is_odd:
                session.take_care()
            self._outstanding = OutstandingMessages(session, sizes_are_exact=self._outstanding.sizes_are_exact)
            if relist:
                self._list()
        except BaseException:
            session.close()
            raise
        self._lost = None

    def _check_again(self, unique_id: Id) -> None:
        """Something stray came after this message, which was taken for whole: find out whether it was."""
        try:
            self._careful = True
            self._fetch(unique_id)
        except (NetworkError, OutOfStep) as error:
            self.doubtful[unique_id] = OutOfStep(self._unreadable(unique_id, error).message)
            self._lose(error)
            self._go_on()
        except Pop3Error:
            pass


def _ignore(_sentence: str) -> None:
    """Tell nobody."""
