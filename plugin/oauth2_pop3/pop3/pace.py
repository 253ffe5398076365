"""How fast a POP3 server sends: one that sends octet by octet is never silent, but has stalled all the same."""

from __future__ import annotations

import time

LEAST_PER_TIMEOUT = 1024
"""Octets in each `timeout` seconds; a slower server has stalled."""


class Pace:
    """Notices a server that sends octet by octet: the timeout of a single read does not."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.monotonic()
        self._received = 0

    def keeps_up(self, octets: int) -> bool:
        """Count what came; False if the last `seconds` brought less than LEAST_PER_TIMEOUT."""
        self._received += octets
        now = time.monotonic()
        if now - self._began <= self.seconds:
            return True
        enough = self._received >= LEAST_PER_TIMEOUT
        self._began, self._received = now, 0
        return enough
