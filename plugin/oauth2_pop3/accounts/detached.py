"""Work that outlives its caller: the use of a refresh token.

An authorization server may replace the refresh token as soon as it has the request. From then on the response must be
stored, whatever becomes of the process that wanted a token: Ctrl-C, a timeout's SIGKILL, the end of its terminal, a
service manager's stop. So a child process asks, stores and then reports. What can still lose a refresh token is the
loss of power, and a kill of this very child.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from oauth2_pop3 import errors
from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error

Result = TypeVar("Result")

TIME_LIMIT = 90
"""Seconds after which a child that has no response yet is ended: more than a request may take (https.TOTAL_TIMEOUT)."""

_DEAF_TO = frozenset(signal.valid_signals()) - {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGALRM, signal.SIGCHLD),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT),
}
"""What the child ignores: all that somebody may send to end it, but neither the alarm that bounds it nor its faults."""

_children: set[int] = set()
"""The process IDs of children that have not reported yet."""


def detached(work: Callable[[], Result], *, lock: int) -> Result:
    """Do the work in a child process of its own session, and return its result or raise its error.

    work: must not need the terminal or standard input and output, which the child does not have. Its result is pickled.
    lock: the descriptor of the lock that the work needs. The child keeps it, so that it is held until the work is done
        even if this process ends before.

    Raises NetworkError if the child cannot be started, or ends without a result.
    """
    reader, writer = os.pipe()
    # A signal that comes in between must not be acted on in the child, as if it were the caller.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEAF_TO)
    try:
        child = os.fork()
        if not child:
            _serve(work, lock, writer)
        _children.add(child)
    except OSError as error:
        os.close(reader)
        raise NetworkError(f"no process can be started for the refresh: {error.strerror}") from error
    finally:
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
            report = pipe.read()
    except BaseException:
        if os.getpid() == 1:  # the first process of a container: its end would end the child
            _reap(child)
        raise
    _reap(child)
    if not report:
        raise NetworkError("the process that refreshes the token was ended before it could report")
    outcome = pickle.loads(report)  # noqa: S301 - from our own child
    if isinstance(outcome, BaseException):
        raise outcome
    result: Result = outcome
    return result


def wait_for_all() -> None:
    """Wait for the refreshes under way: for a process whose end would end its children too, as in a container."""
    while _children:
        _reap(next(iter(_children)))


def _reap(child: int) -> None:
    with suppress(ChildProcessError):  # a host that reaps all children, or wants none reaped
        os.waitpid(child, 0)
    _children.discard(child)


def another_request_follows() -> None:
    """The work asks once more, and has as much time for it."""
    signal.alarm(TIME_LIMIT)


def response_has_come() -> None:
    """The work has what cannot be had again: from here on it takes the time it needs to store it."""
    signal.alarm(0)


def _serve(work: Callable[[], Result], lock: int, writer: int) -> None:
    """The child's whole life."""
    try:
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.alarm(TIME_LIMIT)
        os.setsid()
        _close_all_but(lock, writer)
        try:
            outcome: object = work()
        except OAuth2Pop3Error as error:
            outcome = error
        except (OSError, MemoryError, RuntimeError) as error:  # no descriptors, no memory, no threads
            reason = getattr(error, "strerror", None) or type(error).__name__
            outcome = NetworkError(f"the refresh could not be done: {reason}")
        except Exception as error:  # noqa: BLE001 - a bug: its text may hold a token
            outcome = OAuth2Pop3Error(f"unexpected {type(error).__name__} in the refresh of a token")
        signal.alarm(0)
        with open(writer, "wb") as pipe:
            pipe.write(_pickled(outcome))
    finally:
        os._exit(0)


def _pickled(outcome: object) -> bytes:
    try:
        pickled = pickle.dumps(outcome)
        pickle.loads(pickled)  # noqa: S301 - an error with more arguments than its text is found out only so
        return pickled
    except Exception:  # noqa: BLE001 - an error of a plugin's own: it becomes the one of ours that it derives from
        ours = next((kind for kind in type(outcome).__mro__ if kind.__module__ == errors.__name__), OAuth2Pop3Error)
        message, hint = getattr(outcome, "message", ""), getattr(outcome, "hint", "")
        return pickle.dumps(ours(message or type(outcome).__name__, hint=hint))


def _close_all_but(*kept: int) -> None:
    """Close what the caller had open: who reads from it must not wait for this child, nor other locks be held by it."""
    try:
        names = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - names, not paths
    except OSError:  # not Linux
        names = list(range(1024))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    for descriptor in names:
        if descriptor > 2 and descriptor not in kept:
            with suppress(OSError):
                os.close(descriptor)
