"""Lines that a person types or pastes at the terminal: a redirect, or its code."""

from __future__ import annotations

import os
import sys

from oauth2_pop3.errors import UsageError

_PASTE_LIMIT = 65536


class PastedLines:
    """Lines of the terminal. Its own limit of 1,024 or 4,096 octets a line is lifted.

    Raises UsageError if standard input is not a terminal.
    """

    def __init__(self) -> None:
        self._pending = b""
        self.ended = False
        self._fd = sys.stdin.fileno()

    def __enter__(self) -> PastedLines:
        import termios

        try:
            self._saved = termios.tcgetattr(self._fd)
        except termios.error as error:
            raise UsageError("standard input is not a terminal") from error
        changed = termios.tcgetattr(self._fd)
        changed[3] &= ~termios.ICANON
        termios.tcsetattr(self._fd, termios.TCSADRAIN, changed)
        return self

    def __exit__(self, *_: object) -> None:
        import termios

        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def read(self) -> list[str]:
        """The lines that are complete by now. Call it when standard input can be read."""
        block = os.read(self._fd, 4096)
        self.ended = not block or block.startswith(b"\x04")
        for octet in block:
            if octet in b"\x7f\x08":
                self._pending = self._pending[:-1]
            else:
                self._pending += bytes([octet])
        *lines, self._pending = self._pending.replace(b"\r", b"\n").split(b"\n")
        self._pending = self._pending[-_PASTE_LIMIT:]
        return [text for line in lines if (text := line.decode("utf-8", "replace").strip())]
