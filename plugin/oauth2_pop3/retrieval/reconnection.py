"""Attempts to continue a run in a new connection, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from oauth2_pop3.errors import MaildropLocked, NetworkError, OAuth2Pop3Error, OutOfStep
from oauth2_pop3.pop3.connection import Silent

PAUSES = (1.0, 5.0, 15.0)
"""Seconds to wait before each attempt to continue in a new connection.

There are as many attempts as pauses, and as many again once a message has come."""
_NEED_NO_PAUSE = (OutOfStep, Silent)  # such a connection we have ended ourselves, or waited for already
_SILENCES = 2  # after so many in a row it is not tried again: each costs the whole timeout


class Reconnection:
    """pauses: see PAUSES. tell: is called with a sentence before each attempt. attempts: since the last success."""

    def __init__(self, pauses: Sequence[float], tell: Callable[[str], object]) -> None:
        self.attempts = 0
        self._pauses = pauses
        self._tell = tell
        self._silences = 0

    def has_succeeded(self) -> None:
        """A message has come."""
        self.attempts = self._silences = 0

    def attempt(self, error: OAuth2Pop3Error, begin: Callable[[], object]) -> None:
        """Begin anew, after `error`. Raises it, or the one that came after it, if there is no attempt left.

        Whatever else `begin` raises ends the attempts and comes out of it: a sign-in that is refused, for one.
        """
        waits = not isinstance(error, _NEED_NO_PAUSE)
        self._silences += isinstance(error, Silent)
        while True:
            # A server that said "not now" is not asked again before the next run.
            if error.response_code or self.attempts >= self._most(error) or self._silences > _SILENCES:
                raise error
            self._tell(f"{error.message}; connecting again")
            pauses = self._pauses or PAUSES
            time.sleep(pauses[min(self.attempts, len(pauses) - 1)] if waits else 0)
            self.attempts += 1
            try:
                begin()
                return
            except (NetworkError, OutOfStep) as again:
                error = again
                waits = not isinstance(error, _NEED_NO_PAUSE)
                self._silences += isinstance(error, Silent)
            except MaildropLocked:
                waits = True
                continue  # most likely by our own old session, which the server has not ended yet: keep the first error

    def _most(self, error: OAuth2Pop3Error) -> int:
        """The attempts that an error allows. A connection that we have ended ourselves needs no pause of the user's."""
        return max(len(self._pauses), len(PAUSES)) if isinstance(error, OutOfStep) else len(self._pauses)
