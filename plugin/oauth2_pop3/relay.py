"""Passing octets on between a client on two descriptors and a server on a socket, as fast as they come."""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable

IDLE = 900.0
"""Seconds without an octet in either direction, after which both ends are let go: servers do so after 600."""
AFTER_QUIT = 60.0
"""Seconds that the server is given to delete what was marked, once the client has said QUIT and gone."""
AFTER_END = 5.0
"""Seconds of silence that the server is given for its last answers, once the client sends no more."""

_BLOCK = 65536


class _Way:
    """One direction: a block that is read into, and what of it has not been written yet.

    waits_for: the event of poll(2) at the server that lets it go on, which with TLS may be the other one's.
    """

    def __init__(self, first: bytes, waits_for: int) -> None:
        self._space = memoryview(bytearray(_BLOCK))
        self.rest = memoryview(first)
        self.is_done = False  # no more comes
        self.waits_for = self._usual = waits_for

    def read(self, read_into: Callable[[memoryview], int]) -> None:
        """Read a block: what was read before has been written."""
        size = read_into(self._space)
        self.rest = self._space[:size]
        self.is_done = not size

    def moves(self, call: Callable[[], object]) -> bool:
        """Read or write at the server; False where it would have to wait. Raises OSError."""
        self.waits_for = self._usual
        try:
            call()
        except ssl.SSLWantReadError:
            self.waits_for = select.POLLIN
            return False
        except ssl.SSLWantWriteError:
            self.waits_for = select.POLLOUT
            return False
        except BlockingIOError:
            return False
        return True


class Relay:
    """Passes octets on in both directions; it reads when the last has been written, so a block each is all it keeps.

    to_client, to_server: what has come already and was not passed on. A POP3 session: a client that has said QUIT and
    gone is waited for, because that is when the server deletes.
    """

    def __init__(
        self, server: socket.socket, read_from: int, write_to: int, to_client: bytes, to_server: bytes
    ) -> None:
        self._server = server
        self._read_from = read_from
        self._write_to = write_to
        self._down = _Way(to_client, select.POLLIN)
        self._up = _Way(to_server, select.POLLOUT)
        self._client_reads = True
        self._tail = to_server[-8:]  # the last octets that the client sent: whether it has said QUIT

    def run(self) -> None:
        """Until either end is done, or nothing moves for too long."""
        self._server.setblocking(False)
        os.set_blocking(self._read_from, False)
        os.set_blocking(self._write_to, False)
        last = time.monotonic()
        while self._goes_on():
            try:
                moved = self._move_down() | self._move_up()
            except OSError as error:
                print(f"oauth2-pop3: the connection to the POP3 server broke: {error}", file=sys.stderr)  # noqa: T201
                self._down.is_done = moved = True
            if moved:
                last = time.monotonic()
            elif not self._wait(last + self._patience() - time.monotonic()):
                return

    def _goes_on(self) -> bool:
        if self._down.is_done:
            return bool(self._down.rest)
        return bool(self._client_reads or not self._up.is_done or self._up.rest or self._has_quit())

    def _has_quit(self) -> bool:
        return self._tail.endswith(b"\n") and self._tail.upper().split()[-1:] == [b"QUIT"]

    def _patience(self) -> float:
        if self._down.rest or not self._up.is_done:
            return IDLE
        return AFTER_QUIT if self._has_quit() else AFTER_END

    def _wait(self, seconds: float) -> bool:
        """Wait until one of the two has something, or can take something; False where that took too long."""
        server = 0
        if not self._down.rest:
            server |= self._down.waits_for
        if self._up.rest and not self._down.is_done:
            server |= self._up.waits_for
        reads = 0 if self._up.rest or self._up.is_done else select.POLLIN
        writes = select.POLLOUT if self._down.rest else 0
        # Only what can be acted on: poll(2) tells of an end at every descriptor, asked or not, again and again.
        wanted = {self._server.fileno(): server, self._read_from: reads}
        wanted[self._write_to] = wanted.get(self._write_to, 0) | writes
        poll = select.poll()
        for descriptor, events in wanted.items():
            if events:
                poll.register(descriptor, events)
        watched = self._up.is_done and self._client_reads and not writes
        if watched:
            poll.register(self._write_to, 0)  # a client that sends no more may still go away
        ready = dict(poll.poll(max(0.0, seconds) * 1000))
        if watched and self._write_to in ready:
            self._client_reads = False
        return bool(ready)

    def _move_down(self) -> bool:
        """From the server to the client; False where it would have to wait."""
        moved = False
        if not self._down.rest and not self._down.is_done:
            moved = self._down.moves(lambda: self._down.read(self._server.recv_into))
        if not self._down.rest:
            return moved
        try:
            sent = os.write(self._write_to, self._down.rest) if self._client_reads else len(self._down.rest)
        except BlockingIOError:
            return moved
        except OSError:  # it has gone; but what it has sent still goes to the server, QUIT above all
            self._client_reads = False
            return True
        self._down.rest = self._down.rest[sent:]
        return True

    def _move_up(self) -> bool:
        """From the client to the server; False where it would have to wait."""
        moved = False
        if not self._up.rest and not self._up.is_done:
            try:
                self._up.read(lambda space: os.readv(self._read_from, [space]))
                moved = True
            except BlockingIOError:
                pass
            except OSError:
                self._up.is_done = True
                return True
            self._tail = (self._tail + bytes(self._up.rest[-8:]))[-8:]
        if not self._up.rest or self._down.is_done:
            return moved

        def send() -> None:
            self._up.rest = self._up.rest[self._server.send(self._up.rest) :]

        return self._up.moves(send) or moved
