"""A run through a maildrop for a retriever, from the list of messages to their deletion.

Messages are fetched ahead in the order in which they will be asked for. Deletions wait and go out together before QUIT,
which is when a server deletes (RFC 1939 section 6). If the connection drops, the run continues in a new one. It does so
too if the server gets out of step, but from then on with one command at a time: then it shows which message it is that
cannot be read, and the others come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from oauth2_pop3.errors import AuthenticationRejected, MessageRefused, NetworkError, OAuth2Pop3Error, OutOfStep
from oauth2_pop3.pop3.connection import Silent
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.retrieval.deletion import Deletion
from oauth2_pop3.retrieval.fetching import Fetching
from oauth2_pop3.retrieval.messages import messages_of
from oauth2_pop3.retrieval.outstanding import Id, Listed
from oauth2_pop3.retrieval.reconnection import PAUSES, Reconnection
from oauth2_pop3.retrieval.spool import Spool


class Retrieval:
    """One run.

    connect: opens the maildrop and signs in; it is called again if a connection has dropped.
    read_ahead: how far ahead messages are asked for. They wait in the buffers of the two systems while the host
    delivers, and take up neither a thread nor memory here.
    unique_ids: whether messages have unique-ids. Without them no run can continue in another connection.
    line_feeds, watch: see Spool.
    tell: is called with a sentence before a new connection is made.
    pauses: seconds to wait before each attempt to continue in a new connection, see PAUSES.
    doubt: is called with a message that was fetched and whether it is doubtful, each time that this changes.
    doubtful: messages that were fetched and may not be whole, as it turned out later. They are not deleted.

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
        doubt: Callable[[Id, bool], object] | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.read_ahead = read_ahead
        self.doubtful: dict[Id, OutOfStep] = {}
        self._connect = connect
        self._doubt = doubt or (lambda *_: None)
        self._unique_ids = unique_ids
        self._reconnection = Reconnection(pauses if unique_ids else (), tell or (lambda _: None))
        self._deletion = Deletion(spared=self.doubtful)
        self._quit_counts = False
        self._is_odd = False  # whether the server was out of step in this run
        self._suspects: set[Id] = set()  # messages that must come alone: at one of them the last session was lost
        self._lost: OAuth2Pop3Error | None = None  # why the session cannot be used any more
        self.session = connect()
        self._fetching = Fetching(self.session, partial(Spool, line_feeds=line_feeds, watch=watch))

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
        found, repeated = messages_of(self.session, unique_ids=self._unique_ids)
        self._fetching.listed = found
        return list(found.values()), repeated

    def expect(self, order: Sequence[Id]) -> None:
        """Say what will be fetched, in this order. fetch() of something else is slower, but not wrong."""
        self._fetching.expect(order)
        known = self.session.capabilities
        ahead = self.read_ahead.messages and not self._fetching.outstanding and not self._lost and not self._is_odd
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
            careful = self._is_odd or unique_id in self._suspects
            try:
                spool = self._fetching.fetch(unique_id, self.read_ahead, careful=careful)
            except (NetworkError, AuthenticationRejected, OutOfStep) as error:
                suspects = {unique_id, *self._fetching.outstanding}
                self._lose(error)
                if isinstance(error, AuthenticationRejected):
                    continue
                if careful:
                    self._suspects = set()
                    raise self._fetching.listed[unique_id].unreadable(error) from error
                self._suspects = suspects
            except MessageRefused:
                self._reconnection.has_succeeded()
                raise
            else:
                self._reconnection.has_succeeded()
                self._is_odd |= self._fetching.was_odd
                return spool

    def top(self, unique_id: Id) -> bytes:
        """Fetch a message's header."""
        self._go_on()
        self._fetching.outstanding.throw_away()
        return self.session.top(self._fetching.listed[unique_id].number)

    # -- the end

    def delete(self, unique_id: Id) -> None:
        """Mark a message, to be deleted by finish()."""
        self._quit_counts = True
        self._deletion.mark(unique_id)

    def delete_number(self, number: int) -> None:
        """Mark a message that has no unique-id of its own, at once and only in this session."""
        self._quit_counts = True
        self.session.delete(number)

    def settle(self) -> None:
        """Find out whether the last message is whole. After this, no other message becomes doubtful.

        finish() begins with it. A host that writes down at the end what it has needs it before that.
        """
        if self._lost is None:
            try:
                self._fetching.check_last()
            except (NetworkError, AuthenticationRejected, OutOfStep) as error:
                self._lose(error)
        if self._suspect is not None:
            self._go_on()

    def finish(self) -> None:
        """Delete what was marked, and end the session.

        Raises Pop3Error if the server did not delete everything, and OutOfStep if messages are doubtful.
        """
        self.settle()
        while self._deletion or not self._lost:
            self._go_on()
            try:
                self._finish()
                break
            except (NetworkError, AuthenticationRejected, OutOfStep) as error:
                self._lose(error)
                self._is_odd |= isinstance(error, Silent) or self._reconnection.attempts > 0
        self._deletion.report()
        if self.doubtful:
            raise OutOfStep("; ".join(error.message for error in self.doubtful.values()))

    def _finish(self) -> None:
        counts = self._quit_counts
        if self._deletion:
            self._fetching.outstanding.throw_away()
            counts = self._deletion.carry_out(self.session, self._fetching.listed, one_by_one=self._is_odd)
        elif self._fetching.outstanding:
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
        self._fetching.begin_again(self.session)
        self._lost = error
        self._is_odd |= isinstance(error, OutOfStep)

    def _go_on(self) -> None:
        """Connect again if that is necessary, and find the messages by their unique-ids; raises why if it cannot."""
        if self._lost is None:
            return
        suspect = self._suspect
        self._fetching.unchecked = None
        if suspect is not None:  # until it shows to be whole, also if the run or the process ends before that
            self.doubtful[suspect] = OutOfStep(self._fetching.listed[suspect].unreadable(self._lost).message)
            self._doubt(suspect, True)
        self._reconnect(self._lost)
        if suspect is not None:
            self._check_again(suspect)

    @property
    def _suspect(self) -> Id | None:
        """The message that may not be whole, because something stray came after it."""
        return self._fetching.unchecked if isinstance(self._lost, OutOfStep) else None

    def _reconnect(self, error: OAuth2Pop3Error) -> None:
        self._reconnection.attempt(error, lambda: self._begin(relist=True))

    def _begin(self, *, relist: bool = False) -> None:
        self.session = session = self._connect()
        try:
            if self._is_odd:
                session.take_care()
            self._fetching.begin_again(session)
            if relist:
                self._list()
        except BaseException:  # a signal too: nobody else knows of this session
            session.close()
            raise
        self._lost = None

    def _check_again(self, unique_id: Id) -> None:
        """Find out whether a doubtful message is whole. It is not doubtful either if it has left the server."""
        while unique_id in self._fetching.listed:
            try:
                self._fetching.fetch(unique_id, self.read_ahead, careful=True)
                break
            except MessageRefused:
                return
            except (NetworkError, AuthenticationRejected, OutOfStep) as error:
                self._lose(error)
                self._reconnect(error)
                if not isinstance(error, AuthenticationRejected):
                    return
        del self.doubtful[unique_id]
        self._doubt(unique_id, False)
