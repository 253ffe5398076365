"""Passing octets on between a client on two descriptors and a server on a socket, as fast as they come."""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Callable
from typing import TypeVar

IDLE = 1800.0
"""Seconds without an octet in either direction, after which both ends are let go: servers do so after 600."""
AFTER_QUIT = 60.0
"""Seconds that the server is given to delete what was marked, once the client has said QUIT and gone."""

_BUFFER = 262144  # octets in each direction
_BLOCK = 65536
_Result = TypeVar("_Result")


class Relay:
    """Passes octets on in both directions, each with a buffer of its own that does not grow.

    to_client, to_server: what has come already and was not passed on. A POP3 session: a client that has said QUIT and
    gone is waited for, because that is when the server deletes.
    """

    def __init__(
        self, server: socket.socket, read_from: int, write_to: int, to_client: bytes, to_server: bytes
    ) -> None:
        self._server = server
        self._read_from = read_from
        self._write_to = write_to
        self._to_client = bytearray(to_client)
        self._to_server = bytearray(to_server)
        self._sent = bytearray()  # the last octets that the client sent: whether it has said QUIT
        self._client_is_done = False
        self._server_is_done = False

    def run(self) -> None:
        """Until either end is done, or nothing moves for IDLE seconds."""
        self._server.setblocking(False)
        os.set_blocking(self._read_from, False)
        os.set_blocking(self._write_to, False)
        self._note(self._to_server)
        deadline = time.monotonic() + IDLE
        while self._goes_on():
            moved = self._read_server() | self._read_client() | self._write_server() | self._write_client()
            if moved:
                wait = AFTER_QUIT if self._client_is_done else IDLE
                deadline = time.monotonic() + wait
            elif time.monotonic() > deadline:
                return
            else:
                self._wait(deadline - time.monotonic())

    def _goes_on(self) -> bool:
        if self._server_is_done:
            return bool(self._to_client)
        if not self._client_is_done:
            return True
        return bool(self._to_server) or self._has_quit

    @property
    def _has_quit(self) -> bool:
        return bytes(self._sent).upper().endswith((b"QUIT\r\n", b"QUIT\n"))

    def _note(self, data: bytes | bytearray) -> None:
        self._sent = (self._sent + data)[-8:]

    def _wait(self, seconds: float) -> None:
        """Until one of the two has something, or can take something."""
        with selectors.DefaultSelector() as selector:
            wanted: dict[int, int] = {}
            server = self._server.fileno()
            if not self._server_is_done and len(self._to_client) < _BUFFER:
                wanted[server] = selectors.EVENT_READ
            if self._to_server and not self._server_is_done:
                wanted[server] = wanted.get(server, 0) | selectors.EVENT_WRITE
            if not self._client_is_done and len(self._to_server) < _BUFFER:
                wanted[self._read_from] = selectors.EVENT_READ
            if self._to_client:
                out = self._write_to
                wanted[out] = wanted.get(out, 0) | selectors.EVENT_WRITE
            for descriptor, events in wanted.items():
                selector.register(descriptor, events)
            selector.select(max(0.0, seconds))

    def _read_server(self) -> bool:
        if self._server_is_done or len(self._to_client) >= _BUFFER:
            return False
        block = self._attempt(lambda: self._server.recv(_BLOCK))
        if block is None:
            return False
        if block:
            self._to_client += block
        else:
            self._server_is_done = True
        return True

    def _read_client(self) -> bool:
        if self._client_is_done or len(self._to_server) >= _BUFFER:
            return False
        try:
            block = os.read(self._read_from, _BLOCK)
        except BlockingIOError:
            return False
        except OSError:
            block = b""
        if block:
            self._to_server += block
            self._note(block)
        else:
            self._client_is_done = True
        return True

    def _write_server(self) -> bool:
        if not self._to_server or self._server_is_done:
            return False
        # A write that TLS could not finish must be made again with the same octets: they stay in the buffer.
        sent = self._attempt(lambda: self._server.send(bytes(self._to_server[:_BLOCK])))
        if sent:
            del self._to_server[:sent]
        return bool(sent)

    def _write_client(self) -> bool:
        if not self._to_client:
            return False
        try:
            sent = os.write(self._write_to, self._to_client[:_BLOCK])
        except BlockingIOError:
            return False
        except OSError:  # the client has gone
            self._to_client.clear()
            self._client_is_done = self._server_is_done = True
            return True
        del self._to_client[:sent]
        return True

    def _attempt(self, call: Callable[[], _Result]) -> _Result | None:
        """Read or write at the server; None where it would have to wait. A connection that breaks is at its end."""
        try:
            return call()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            print(f"oauth2-pop3: the connection to the POP3 server broke: {error}", file=sys.stderr)  # noqa: T201
            self._server_is_done = True
            return None
