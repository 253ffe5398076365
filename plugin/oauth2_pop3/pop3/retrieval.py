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
from oauth2_pop3.pop3.fetching import Fetching
from oauth2_pop3.pop3.outstanding import Id, Listed
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.reconnection import PAUSES, Reconnection
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.pop3.spool import Spool


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
        self._reconnection = Reconnection(pauses if unique_ids else (), tell or _ignore)
        self._deletion = Deletion()
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
                    raise self._unreadable(unique_id, error) from error
                self._suspects = suspects
            except MessageRefused:
                self._reconnection.has_succeeded()
                raise
            else:
                self._reconnection.has_succeeded()
                self._is_odd |= self._fetching.was_odd
                return spool

    def _unreadable(self, unique_id: Id, error: OAuth2Pop3Error) -> MessageRefused:
        name = f"message {self._fetching.listed[unique_id].number}" + (
            f" (unique-id {unique_id})" if self._unique_ids else ""
        )
        return MessageRefused(f"{name} cannot be read and stays on the server: {error.message}", hint=error.hint)

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
                self._is_odd |= isinstance(error, Silent) or self._reconnection.attempts > 0
        self._deletion.report()
        for doubt in self.doubtful.values():
            raise doubt

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
        suspect = self._fetching.unchecked if isinstance(self._lost, OutOfStep) else None
        self._fetching.unchecked = None
        self._reconnection.attempt(self._lost, lambda: self._begin(relist=True))
        if suspect is not None:
            self._check_again(suspect)

    def _begin(self, *, relist: bool = False) -> None:
        self.session = session = self._connect()
        try:
            if self._is_odd:
                session.take_care()
            self._fetching.begin_again(session)
            if relist:
                self._list()
        except BaseException:
            session.close()
            raise
        self._lost = None

    def _check_again(self, unique_id: Id) -> None:
        """Something stray came after this message, which was taken for whole: find out whether it was."""
        try:
            self._fetching.fetch(unique_id, self.read_ahead, careful=True)
        except (NetworkError, OutOfStep) as error:
            self.doubtful[unique_id] = OutOfStep(self._unreadable(unique_id, error).message)
            self._lose(error)
            self._go_on()
        except Pop3Error:
            pass


def _ignore(_sentence: str) -> None:
    """Tell nobody."""
