"""A program on a terminal of its own, as a person sees it."""

from __future__ import annotations

import os
import pty
import select
import time
from contextlib import suppress


def on_a_terminal(
    *command: str, typed: dict[str, str] | None = None, pause: float = 0, until: str = "", timeout: float = 20
) -> str:
    """Run a program until it shows `until` or ends, then end it; returns what it has shown.

    typed: what to type, in order: keys by the words to wait for before each.
    pause: seconds between these words and the keys.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm"})
    to_type = list((typed or {}).items())
    shown, deadline = "", time.monotonic() + timeout
    try:
        while not (until and until in shown) and time.monotonic() < deadline:
            if to_type and to_type[0][0] in shown:
                time.sleep(pause)
                os.write(terminal, to_type.pop(0)[1].encode())
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # the program has ended
        pass
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown
