"""A bar beside getmail: how many messages have come, how many octets, how fast. The extra `progress` has its library.

Only where a person watches, and where getmail's own lines, one a message, go elsewhere (``-q``, ``verbose = 0``, or
standard output to a file): among them it would be torn, and they say the same.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from getmailcore.constants import INFO

if TYPE_CHECKING:
    from tqdm import tqdm

FORMAT = "{desc} |{bar}| {n_fmt}/{total_fmt}B, {rate_fmt}, {remaining} left"
_ROOM = 3
"""Columns that stay free behind the bar: for the cursor, and for what Ctrl-C shows there."""


class Progress:
    """Of one run. log: getmail's. name: of the maildrop. Where there is to be no bar, nothing here does anything."""

    def __init__(self, log: Any, name: str) -> None:
        self._log, self._name = log, name
        self._messages = self._octets = 0
        self._bar: tqdm[Any] | None = None
        self._shown = False
        self._stream = sys.stderr
        self._others = contextlib.ExitStack()

    def expect(self, messages: int, octets: int) -> None:
        """Say how much it will be in all, with what has come already."""
        self._messages, self._octets = messages, octets
        if self._bar is not None:
            self._bar.total = octets
        elif octets and _is_watched(self._stream) and not self._lines_are_watched():
            self._begin(octets)

    def _lines_are_watched(self) -> bool:
        lines = [handler["stream"] for handler in self._log.handlers if handler["minlevel"] <= INFO]
        return any(stream.isatty() for stream in (lines if self._log.handlers else [sys.stdout]))

    def _begin(self, octets: int) -> None:
        try:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # a thread, where getmail forks for every message
            tqdm.set_lock(threading.RLock())  # its own would be multiprocessing's: a process, in newer Pythons
            self._go_before_others()
            self._shown = True
            self._bar = tqdm(
                total=octets, file=self._stream, desc=self._description(0), bar_format=FORMAT, unit="B",
                unit_scale=True, leave=False, miniters=0, ncols=self._columns() - _ROOM, nrows=20,
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - not installed, or out of order: no bar is worth a message
            self.close()

    def _go_before_others(self) -> None:
        others: Any = _Others(self._stream, self.clear)
        self._others.enter_context(contextlib.redirect_stderr(others))
        for handler in self._log.handlers:
            if handler["stream"] is self._stream:
                handler["stream"] = others
                self._others.callback(handler.update, stream=self._stream)

    def advance(self, messages: int, octets: int) -> None:
        """Say what has come, with the octets of a message that is still coming."""
        bar = self._bar
        if bar is None:
            return
        with self._while_there_is_a_terminal():
            bar.set_description_str(self._description(messages), refresh=False)
            bar.ncols = self._columns() - _ROOM
            self._shown = True
            bar.update(min(octets, self._octets) - bar.n)

    def clear(self) -> None:
        """Take it away so that something else can be written; advance() brings it back."""
        if self._shown:
            with self._while_there_is_a_terminal():
                self._stream.write(f"\r{' ' * (self._columns() - 1)}\r")
                self._stream.flush()
            self._shown = False

    def close(self) -> None:
        """Take it away for good."""
        self.clear()
        self._others.close()
        bar, self._bar = self._bar, None
        if bar is not None:
            with contextlib.suppress(OSError):
                bar.close()

    def _description(self, messages: int) -> str:
        return f"{self._name}: {messages}/{self._messages} messages"

    def _columns(self) -> int:
        return max(_ROOM + 1, os.get_terminal_size(self._stream.fileno()).columns or 80)

    @contextlib.contextmanager
    def _while_there_is_a_terminal(self) -> Iterator[None]:
        """A terminal that goes away takes the bar with it, and nothing else."""
        try:
            yield
        except OSError:
            self._shown = False
            self.close()


class _Others:
    """Standard error for all others while there is a bar: it is taken away before they write."""

    def __init__(self, stream: TextIO, clear: Callable[[], None]) -> None:
        self._stream, self._clear = stream, clear

    def write(self, text: str) -> int:
        self._clear()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_watched(stream: TextIO | None) -> bool:
    """Whether it is a terminal that can go back to the beginning of a line, and we are in its foreground."""
    try:
        in_front = stream is not None and stream.isatty() and os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
    return in_front and os.environ.get("TERM") not in (None, "", "dumb")
