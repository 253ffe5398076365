"""Fetching messages in one session, in the order in which they are wanted, and telling whether they are whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from oauth2_pop3.errors import AuthenticationRejected, MessageRefused, OutOfStep, Pop3Error
from oauth2_pop3.pop3.dialogue import WINDOW
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.retrieval.outstanding import Id, Listed, OutstandingMessages
from oauth2_pop3.retrieval.spool import Spool

_LEAST_PART = 0.9  # of the listed octets: what is shorter may be only the beginning, also where sizes are estimates
_RESPONSE_TO_STAT = re.compile(rb"\n\+OK [0-9]+ [0-9]+")


class Fetching:
    """listed: the messages in the maildrop.

    new_spool: makes what takes a message.
    outstanding: what was asked for in this session and has not come yet.
    unchecked: the last message, if nothing shows yet that it was whole.
    was_odd: whether the server was out of step, and the session has taken care since.
    """

    def __init__(self, session: Session, new_spool: Callable[[], Spool]) -> None:
        self.listed: Mapping[Id, Listed] = {}
        self.unchecked: Id | None = None
        self.was_odd = False
        self.outstanding = OutstandingMessages(session)
        self._session = session
        self._new_spool = new_spool
        self._order: Sequence[Id] = ()
        self._place: dict[Id, int] = {}
        self._next = 0  # place in the order of the first message that was not asked for

    def begin_again(self, session: Session) -> None:
        """Continue in another session: nothing that was asked for will come."""
        self._session = session
        self.outstanding = OutstandingMessages(session, sizes_are_exact=self.outstanding.sizes_are_exact)

    def expect(self, order: Sequence[Id]) -> None:
        """Say what will be fetched, in this order."""
        self._order, self._next = order, 0
        self._place = {unique_id: place for place, unique_id in enumerate(order)}

    def fetch(self, unique_id: Id, limits: ReadAheadLimits, *, careful: bool) -> Spool:
        """Fetch a message, and ask for those that come next.

        careful: ask for no other message, and make sure that this one is whole.
        Raises MessageRefused if the server refuses it, and OutOfStep.
        """
        most = 0 if careful else self._may_be_ahead(limits)
        if unique_id not in self.outstanding:
            self.outstanding.make_room()
            self._send(unique_id)
        self._send_ahead(limits, most)
        spool = self._receive(unique_id)
        if not self._is_credible(unique_id, spool, careful=careful):
            spool = self._fetch_again(unique_id)
            most = 0 if self.was_odd else most
        unchecked, self.unchecked = self.unchecked, None  # if this fails, the message is not handed out
        self._send_ahead(limits, most)
        self.unchecked = unchecked
        return spool

    def check_last(self) -> None:
        """Make sure that the last message was whole, if nothing has shown it yet. Raises OutOfStep if it may not be."""
        if self.unchecked is not None:
            self.outstanding.throw_away()
            self._session.check()
            self.unchecked = None

    def _receive(self, unique_id: Id) -> Spool:
        spool = self._new_spool()
        try:
            self.outstanding.receive(unique_id, spool.write)
        except (AuthenticationRejected, OutOfStep):
            raise
        except Pop3Error as error:
            raise MessageRefused(error.message, hint=error.hint) from error
        return spool

    def _is_credible(self, unique_id: Id, spool: Spool, *, careful: bool) -> bool:
        """Whether this is the message, and the whole of it; what is certain is checked, or raises OutOfStep.

        A line with a single dot that was not stuffed ends a message early. A response too few or too many puts another
        message in its place. Both show in the size, where the server's sizes are exact, or in what comes next.
        """
        outstanding, octets = self.outstanding, self.listed[unique_id].octets
        exact, self.unchecked = outstanding.sizes_are_exact, None
        if spool.octets == octets:
            outstanding.sizes_are_exact = exact is not False
            return True
        if not careful:
            if exact and outstanding and not spool.begins_like_a_response:
                return False
            if spool.begins_like_a_response or (outstanding and spool.contains(_RESPONSE_TO_STAT)):
                raise OutOfStep(f"the POP3 server {self._session.host} sent a response in the middle of another one")
            if exact is False and not outstanding and spool.octets >= _LEAST_PART * octets:
                self.unchecked = unique_id  # a STAT for each message would take up a round trip
                return True
        if not outstanding.check_next():
            self.unchecked = unique_id
        outstanding.sizes_are_exact = False
        return True

    def _fetch_again(self, unique_id: Id) -> Spool:
        """Fetch a message again, with no other on its way: its size is not the listed one, and all others' were.

        If it has the listed size now, the server has left out a response, or sent one too many.
        """
        self.outstanding.throw_away()
        self._send(unique_id)
        spool = self._receive(unique_id)
        if spool.octets == self.listed[unique_id].octets:
            self.was_odd = True
            self._session.take_care()
        else:
            self.outstanding.check_next()
            self.outstanding.sizes_are_exact = False
        return spool

    def _send(self, unique_id: Id) -> None:
        """Ask for a message, and read ahead from its place in the order."""
        self._next = self._place.get(unique_id, len(self._order)) + 1
        if unique_id not in self.listed:
            raise MessageRefused(f"the message with the unique-id {unique_id} is no longer in the maildrop")
        self.outstanding.send([self.listed[unique_id]])

    def _may_be_ahead(self, limits: ReadAheadLimits) -> int:
        """How many messages may be outstanding before they are fetched."""
        if not limits.allow(self._session.capabilities):
            return 0
        return min(limits.messages, WINDOW) if self._session.dialogue.pipelining else 1

    def _send_ahead(self, limits: ReadAheadLimits, most: int) -> None:
        """Ask for the messages that come next in the order, as far as the limits allow."""
        if not limits.is_time_to_ask(len(self.outstanding), most):
            return
        batch: list[Listed] = []
        octets = self.outstanding.octets
        while self._next < len(self._order) and len(self.outstanding) + len(batch) < most:
            message = self.listed.get(self._order[self._next])
            if message and message.unique_id not in self.outstanding:
                if not limits.have_room(message.octets, octets):
                    break
                octets += message.octets
                batch.append(message)
            self._next += 1
        self.outstanding.send(batch)
