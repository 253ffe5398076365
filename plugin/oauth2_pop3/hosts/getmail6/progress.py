"""A progress bar for getmail: how many messages have come, how many octets, how fast. It needs the extra `progress`.

There is a bar only if a person watches, and if getmail's own lines, one per message, go elsewhere (``-q``,
``verbose = 0``, or standard output to a file): they would break up the bar, and they say the same.
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
"""Columns that stay free after the bar: for the cursor, and for what Ctrl-C shows there."""


class Progress:
    """The bar of one run. If there is no bar, the methods do nothing.

    log: getmail's logger.
    name: the maildrop's name, which is shown before the bar.
    """

    def __init__(self, log: Any, name: str) -> None:
        self._log = log
        self._name = name
        self._messages = 0
        self._octets = 0
        self._bar: tqdm[Any] | None = None
        self._shown = False
        self._stream = sys.stderr
        self._others = contextlib.ExitStack()

    def expect(self, messages: int, octets: int) -> None:
        """Say how much will come in all, including what has come already."""
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

            tqdm.monitor_interval = 0  # it would be a thread, but getmail forks for every message
            # tqdm's own lock is multiprocessing's, which starts a process in newer Pythons.
            tqdm.set_lock(threading.RLock())
            self._go_before_others()
            self._shown = True
            self._bar = tqdm(
                total=octets,
                file=self._stream,
                desc=self._description(0),
                bar_format=FORMAT,
                unit="B",
                unit_scale=True,
                leave=False,
                miniters=0,
                ncols=self._columns() - _ROOM,
                nrows=20,
            )
        except Exception:  # noqa: BLE001 - tqdm is not installed or broken: better no bar than no mail
            self.close()

    def _go_before_others(self) -> None:
        others: Any = _Others(self._stream, self.clear)
        self._others.enter_context(contextlib.redirect_stderr(others))
        for handler in self._log.handlers:
            if handler["stream"] is self._stream:
                handler["stream"] = others
                self._others.callback(handler.update, stream=self._stream)

    def advance(self, messages: int, octets: int) -> None:
        """Say how much has come, including the octets of a message that is still coming."""
        bar = self._bar
        if bar is None:
            return
        with self._while_there_is_a_terminal():
            bar.set_description_str(self._description(messages), refresh=False)
            bar.ncols = self._columns() - _ROOM
            self._shown = True
            bar.update(min(octets, self._octets) - bar.n)

    def clear(self) -> None:
        """Remove the bar so that something else can be written; advance() brings it back."""
        if self._shown:
            with self._while_there_is_a_terminal():
                self._stream.write(f"\r{' ' * (self._columns() - 1)}\r")
                self._stream.flush()
            self._shown = False

    def close(self) -> None:
        """Remove the bar for good."""
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
        """If the terminal goes away, end the bar, but raise no error."""
        try:
            yield
        except OSError:
            self._shown = False
            self.close()


class _Others:
    """Standard error for everyone else while there is a bar: the bar is removed before they write."""

    def __init__(self, stream: TextIO, clear: Callable[[], None]) -> None:
        self._stream = stream
        self._clear = clear

    def write(self, text: str) -> int:
        self._clear()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_watched(stream: TextIO | None) -> bool:
    """Whether it is a terminal that can return to the beginning of a line, and we are in its foreground."""
    try:
        in_front = stream is not None and stream.isatty() and os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
    return in_front and os.environ.get("TERM") not in (None, "", "dumb")
