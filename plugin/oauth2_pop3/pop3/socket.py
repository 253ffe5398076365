"""The socket below a POP3 connection: it connects, starts TLS, reads and sends.

Only the function that is given for waiting blocks, so that it can watch something else as well: the bridge watches
whether its own client is still there.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import TypeAlias, TypeVar

_LONGEST_WAIT = 2e6  # seconds; poll(2) counts milliseconds in 32 bits

Result = TypeVar("Result")
Wait: TypeAlias = Callable[[int, int, float], bool]
"""Waits until a descriptor has events of poll(2); returns False if they do not come within the given seconds."""


def wait(descriptor: int, events: int, seconds: float) -> bool:
    """Wait as the type Wait describes, and watch nothing else."""
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(milliseconds(seconds)))


def milliseconds(seconds: float) -> float:
    """How long poll(2) is to wait: no more than it can count."""
    return min(max(0.0, seconds), _LONGEST_WAIT) * 1000


class Socket:
    """A socket without TLS until start_tls(). Methods raise OSError, and TimeoutError after `timeout` seconds."""

    def __init__(self, plain: socket.socket, timeout: float, wait: Wait = wait) -> None:
        self.timeout = timeout
        self._socket = plain
        self._socket.setblocking(False)
        self._wait = wait

    @classmethod
    def open(cls, host: str, port: int, timeout: float, wait: Wait = wait) -> Socket:
        """Connect to the host's first address that accepts. Raises UnicodeError or OverflowError if none is valid."""
        refused: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                connecting = cls(socket.socket(family, kind, protocol), timeout, wait)
                try:
                    connecting._connect(address)
                except BaseException:  # the function that waits may raise anything
                    connecting.close()
                    raise
            except OSError as error:
                refused = refused or error
            else:
                return connecting
        raise refused or OSError("the host has no address")

    def _connect(self, address: tuple[object, ...]) -> None:
        code = self._socket.connect_ex(address)
        if code == errno.EINPROGRESS:
            if not self._wait(self._socket.fileno(), select.POLLOUT, self.timeout):
                raise TimeoutError
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        # Send a command at once, even if an earlier one is not acknowledged.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start_tls(self, context: ssl.SSLContext, name: str) -> bytes:
        """Start TLS with a server of that name; returns its certificate in DER. Raises ValueError for a bad name."""
        secured = context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        self._socket = secured
        self._patiently(secured.do_handshake, select.POLLIN)
        return secured.getpeercert(binary_form=True) or b""

    def receive_into(self, space: memoryview, seconds: float | None = None) -> int:
        """Read what is there, and wait until something is; returns the number of octets, 0 at the end.

        seconds: how long to wait, if not `timeout`.
        """
        return self._patiently(partial(self._socket.recv_into, space), select.POLLIN, seconds)

    def send(self, data: bytes) -> None:
        """Send all the data."""
        while data:
            data = data[self._patiently(partial(self._socket.send, data), select.POLLOUT) :]

    def at_once(self, most: int = 1) -> bytes | None:
        """At most so many octets that are there already, b"" at the end; None if they would have to be waited for."""
        try:
            return self._socket.recv(most)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port at the other end."""
        address, port = self._socket.getpeername()[:2]
        return str(address), int(port)

    def release(self) -> socket.socket:
        """Hand over the non-blocking socket, with its TLS."""
        return self._socket

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _patiently(self, call: Callable[[], Result], event: int, seconds: float | None = None) -> Result:
        """Call until it succeeds, and wait in between for the event, or for the other one if TLS needs that first."""
        deadline = time.monotonic() + (self.timeout if seconds is None else seconds)
        while True:
            try:
                return call()
            except BlockingIOError:
                needed = event
            except ssl.SSLWantReadError:
                needed = select.POLLIN
            except ssl.SSLWantWriteError:
                needed = select.POLLOUT
            if not self._wait(self._socket.fileno(), needed, deadline - time.monotonic()):
                raise TimeoutError


def reason_of(error: OSError) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, TimeoutError):
        return "no response in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error) or type(error).__name__
