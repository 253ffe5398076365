"""When a run is continued in a new connection, and when it is given up."""

from __future__ import annotations

import pytest

from oauth2_pop3.errors import AuthenticationRejected, MaildropLocked, NetworkError, OAuth2Pop3Error, OutOfStep
from oauth2_pop3.pop3.connection import Silent
from oauth2_pop3.retrieval.reconnection import Reconnection


class Begin:
    """Raises these errors one after the other; then it succeeds."""

    def __init__(self, *errors: OAuth2Pop3Error) -> None:
        self.calls = 0
        self._errors = list(errors)

    def __call__(self) -> None:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)


def reconnection() -> Reconnection:
    return Reconnection((0, 0, 0), lambda _: None)


def test_a_silence_counts_once_however_often_the_maildrop_is_locked_then() -> None:
    begin = Begin(MaildropLocked("in use"), MaildropLocked("in use"))
    reconnection().attempt(Silent("silent"), begin)
    assert begin.calls == 3


def test_the_third_silence_in_a_row_is_the_last() -> None:
    begin = Begin(Silent("silent"), Silent("still silent"))
    with pytest.raises(Silent, match="still"):
        reconnection().attempt(Silent("silent"), begin)
    assert begin.calls == 2


def test_as_many_attempts_as_pauses() -> None:
    begin = Begin(*[NetworkError("dropped")] * 5)
    with pytest.raises(NetworkError):
        reconnection().attempt(NetworkError("dropped"), begin)
    assert begin.calls == 3


def test_a_refused_sign_in_ends_the_attempts() -> None:
    begin = Begin(AuthenticationRejected("no"))
    with pytest.raises(AuthenticationRejected):
        reconnection().attempt(NetworkError("dropped"), begin)
    assert begin.calls == 1


@pytest.mark.parametrize("pauses", [(), (0,)])
def test_a_response_out_of_step_does_not_use_up_the_pauses_of_the_user(pauses: tuple[float, ...]) -> None:
    """That connection did not drop: we have ended it ourselves."""
    # Without a pause of the user's, ours would be waited for: too long for a test.
    begin = Begin(OutOfStep("again"), MaildropLocked("in use")) if pauses else Begin(OutOfStep("again"))
    Reconnection(pauses, lambda _: None).attempt(OutOfStep("odd"), begin)
    assert begin.calls == 2 + bool(pauses)
    with pytest.raises(NetworkError):
        Reconnection(pauses, lambda _: None).attempt(NetworkError("dropped"), Begin(*[NetworkError("dropped")] * 9))
