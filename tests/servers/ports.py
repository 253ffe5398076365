"""Ports for programs that must be told theirs before they start."""

from __future__ import annotations

import itertools
import os
import random
import socket

HOST = "127.0.0.1"
_FIRST, _WORKERS, _EACH = 20_000, 12, 1_000
"""Below 32768, the first port that Linux assigns automatically: it assigns none of these to another program."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_numbers = itertools.count(random.randrange(_EACH))


def free() -> int:
    """A port at which nobody listens, by TCP or UDP, and which no other worker of pytest-xdist takes."""
    for _ in range(_EACH):
        port = _FIRST + _worker * _EACH + next(_numbers) % _EACH
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one whose connections have ended is free
            try:
                tcp.bind((HOST, port))
                udp.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
