"""The client's end of the bridge, until it has signed in: lines of it, and whether it is still there."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field

from oauth2_pop3.bridge.relay import AFTER_END
from oauth2_pop3.errors import UsageError
from oauth2_pop3.pop3.socket import wait

SIGN_IN_TIME = 60.0
"""Seconds that a client may take until it has signed in, beside the time that the servers take."""

_LINE_LIMIT = 65536
_BLOCK = 65536
_SENDS_NO_MORE = getattr(select, "POLLRDHUP", 0)  # Linux has it; elsewhere a client has to go altogether


class ClientGone(Exception):
    """The client will read nothing more."""


@dataclass
class Client:
    """The client's end: what it sends is read from one descriptor, what it gets is written to another.

    seconds: how long it may still keep us waiting. Methods raise UsageError where it takes longer, ClientGone where it
    has gone.
    """

    read_from: int
    write_to: int
    seconds: float = SIGN_IN_TIME
    buffer: bytearray = field(default_factory=bytearray)

    def line(self) -> bytes | None:
        """The next line without its end; None at the end of what it sends. Raises UsageError for one without an end."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > _LINE_LIMIT:
                raise UsageError("the client sent a line without an end")
            if not self.more():
                return None
            if self.buffer.startswith(b"\x16\x03"):
                raise UsageError("the client speaks TLS", hint="Switch it off there: nothing leaves this machine.")
        line = bytes(self.buffer[:end]).rstrip(b"\r")
        del self.buffer[: end + 1]
        return line

    def more(self) -> bool:
        """Read more into the buffer; False at the end of what it sends."""
        self._wait(self.read_from, select.POLLIN)
        try:
            block = os.read(self.read_from, _BLOCK)
        except OSError:
            return False
        self.buffer += block
        return bool(block)

    def send(self, *lines: str) -> None:
        """Send lines."""
        data = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "backslashreplace")
        while data:
            self._wait(self.write_to, select.POLLOUT)
            try:
                data = data[os.write(self.write_to, data[: select.PIPE_BUF]) :]  # no more than poll(2) has promised
            except OSError as error:
                raise ClientGone from error

    def _wait(self, descriptor: int, event: int) -> None:
        began = time.monotonic()
        ready = wait(descriptor, event, self.seconds)
        self.seconds -= time.monotonic() - began
        if not ready:
            raise UsageError("the client took too long")

    def wait_for_server(self, descriptor: int, events: int, seconds: float) -> bool:
        """Wait as pop3_socket.Wait has it, but not for a client that has gone.

        One that sends no more may still read: for it, the server gets AFTER_END seconds.
        """
        poll = select.poll()
        poll.register(descriptor, events)
        poll.register(self.write_to, 0)
        poll.register(self.read_from, _SENDS_NO_MORE)  # it may be the same one
        ready = dict(poll.poll(max(0.0, seconds) * 1000))
        sends_no_more = self.read_from in ready
        if sends_no_more and descriptor not in ready:
            poll.unregister(self.read_from)
            poll.register(self.write_to, 0)
            ready = dict(poll.poll(max(0.0, min(seconds, AFTER_END)) * 1000))
        if descriptor not in ready and (sends_no_more or self.write_to in ready):
            raise ClientGone
        return bool(ready)
