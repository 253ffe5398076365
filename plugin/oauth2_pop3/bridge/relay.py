"""Passing on octets between a client on two descriptors and a server on a socket, as fast as they come."""

from __future__ import annotations

import os
import select
import socket
import ssl
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from oauth2_pop3.bridge.passthrough import BLOCK, Passthrough
from oauth2_pop3.bridge.report import report

IDLE = 900.0
"""Seconds without an octet in either direction, after which both ends are closed: servers do so after 600."""
AFTER_QUIT = 60.0
"""Seconds that the server gets to delete what was marked, once the client has said QUIT and gone; and to close."""
AFTER_SERVER = 60.0
"""Seconds that the client gets to ask for what was read ahead, once the server has closed: it may wait for the end."""
OUT_OF_STEP = 30.0
"""Seconds that the server may stay silent once it has sent what is no response: perhaps it owes nothing more."""
AFTER_END = 5.0
"""Seconds that the server may stay silent before its last responses, once the client sends no more."""


class Relay:
    """Moves the octets of a POP3 session in both directions, and keeps no more than a block or two of each.

    read_from, write_to: the client's descriptors, which may be the same one.
    to_client, to_server: what has come already and was not passed on.
    proxy: what decides which octets each end gets.

    If the client says QUIT and goes away, the server is still waited for, because that is when it deletes.
    """

    def __init__(
        self,
        server: socket.socket,
        read_from: int,
        write_to: int,
        to_client: bytes,
        to_server: bytes,
        proxy: Passthrough | None = None,
    ) -> None:
        self._server = server
        self._read_from = read_from
        self._write_to = write_to
        self._proxy = proxy or Passthrough()
        self._proxy.from_server(to_client)
        self._proxy.from_client(to_server)
        self._tail = to_server[-8:]  # the end of what the client has sent: is it QUIT?
        self._client_reads = True
        self._client_sends = True
        self._server_sends = True
        # With TLS a read may have to wait until the socket can be written to, and the other way round.
        self._reading_waits_for = select.POLLIN
        self._writing_waits_for = select.POLLOUT
        self._space = memoryview(bytearray(BLOCK))

    def run(self) -> None:
        """Pass octets on until either end is done, or nothing moves for too long. Raises what the proxy does."""
        self._server.setblocking(False)
        os.set_blocking(self._read_from, False)
        os.set_blocking(self._write_to, False)
        _send_at_once(self._write_to)
        last = time.monotonic()
        while self._goes_on():
            try:
                moved = self._read_server() | self._write_client() | self._read_client() | self._write_server()
            except OSError as error:
                report(f"the connection to the POP3 server broke: {error}")
                self._server_sends, moved = False, True
            if moved:
                last = time.monotonic()
            elif not self._wait(last + self._patience() - time.monotonic()):
                if self._proxy.is_out_of_step:
                    report("the POP3 server has sent what is no response, and now it is silent")
                return

    def _goes_on(self) -> bool:
        if not self._server_sends:
            waits = self._client_sends and self._client_reads and self._proxy.can_do_without_server
            return bool(self._proxy.for_client) or waits
        if not self._client_sends and self._proxy.owes_nothing:  # the maildrop is not kept locked for nobody
            return bool(self._proxy.for_client)
        return bool(self._client_reads or self._client_sends or self._proxy.for_server or self._has_quit())

    def _has_quit(self) -> bool:
        return self._tail.endswith(b"\n") and self._tail.upper().split()[-1:] == [b"QUIT"]

    def _patience(self) -> float:
        if self._proxy.for_client:
            return IDLE
        if not self._server_sends:
            return AFTER_SERVER
        if self._proxy.is_out_of_step:
            return OUT_OF_STEP
        if self._client_sends:
            return AFTER_QUIT if self._has_quit() and self._proxy.owes_nothing else IDLE
        return AFTER_QUIT if self._has_quit() else AFTER_END

    def _wait(self, seconds: float) -> bool:
        """Wait until one of the two ends has something, or can take something; False if that took too long."""
        proxy = self._proxy
        server = 0
        if self._server_sends and proxy.takes_from_server:
            server |= self._reading_waits_for
        if self._server_sends and proxy.for_server:
            server |= self._writing_waits_for
        reads = select.POLLIN if self._client_sends and proxy.takes_from_client else 0
        writes = select.POLLOUT if proxy.for_client else 0
        # Only what can be acted on: poll(2) reports an end at every descriptor, asked for or not, again and again.
        wanted = {self._server.fileno(): server, self._read_from: reads}
        wanted[self._write_to] = wanted.get(self._write_to, 0) | writes
        poll = select.poll()
        for descriptor, events in wanted.items():
            if events:
                poll.register(descriptor, events)
        watched = not self._client_sends and self._client_reads and not writes
        if watched:
            poll.register(self._write_to, 0)  # a client that sends no more may still go away
        ready = dict(poll.poll(max(0.0, seconds) * 1000))
        if watched and self._write_to in ready:
            self._client_reads = False
        return bool(ready)

    # Each of these returns whether it has moved anything.

    def _read_server(self) -> bool:
        if not (self._server_sends and self._proxy.takes_from_server):
            return False
        # Read until the block is full or nothing is left: TLS brings records of 4 to 16 KiB, and fetchmail takes twice
        # as long to read what was written to it in such pieces.
        size, came = 0, None
        try:
            while size < BLOCK and (came := self._at_server(partial(self._server.recv_into, self._space[size:]))):
                size += came
        finally:
            if size:
                self._proxy.from_server(bytes(self._space[:size]))
        self._server_sends = came != 0
        return came == 0 or size > 0

    def _write_server(self) -> bool:
        if not (self._server_sends and self._proxy.for_server):
            return False
        # What TLS could not send must be sent again as it was, so it stays in the buffer until it has been sent.
        sent = self._at_server(lambda: self._server.send(self._proxy.for_server[:BLOCK]), writes=True)
        del self._proxy.for_server[: sent or 0]
        return bool(sent)

    def _at_server(self, call: Callable[[], int], *, writes: bool = False) -> int | None:
        """Read from the server or write to it; None if it would have to wait. Raises OSError."""
        waits_for = select.POLLOUT if writes else select.POLLIN
        result = None
        try:
            result = call()
        except ssl.SSLWantReadError:
            waits_for = select.POLLIN
        except ssl.SSLWantWriteError:
            waits_for = select.POLLOUT
        except BlockingIOError:
            pass
        if writes:
            self._writing_waits_for = waits_for
        else:
            self._reading_waits_for = waits_for
        return result

    def _read_client(self) -> bool:
        if not (self._client_sends and self._proxy.takes_from_client):
            return False
        try:
            size = os.readv(self._read_from, [self._space])
        except BlockingIOError:
            return False
        except OSError:
            size = 0
        self._client_sends = bool(size)
        data = bytes(self._space[:size])
        self._tail = (self._tail + data[-8:])[-8:]
        self._proxy.from_client(data)
        return True

    def _write_client(self) -> bool:
        waiting = self._proxy.for_client
        if not waiting:
            return False
        try:
            sent = os.write(self._write_to, waiting[:BLOCK]) if self._client_reads else len(waiting)
        except BlockingIOError:
            return False
        except OSError:  # it has gone; what it has sent still goes to the server, QUIT above all
            self._client_reads = False
            return True
        del waiting[:sent]
        return True


def _send_at_once(descriptor: int) -> None:
    """If it is TCP, send the end of a response before its beginning was acknowledged: waiting for that takes 40 ms."""
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as end:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
