"""The client's end of the bridge until the client has signed in: its lines, and whether it is still there."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field

from oauth2_pop3.bridge.relay import AFTER_END
from oauth2_pop3.errors import UsageError
from oauth2_pop3.pop3.connection import LINE_LIMIT
from oauth2_pop3.pop3.socket import milliseconds, wait

SIGN_IN_TIME = 60.0
"""Seconds that a client may take to sign in, not counting the time that the servers take."""

_BLOCK = 65536
# Only Linux has POLLRDHUP. Elsewhere a client is noticed only once it has closed the connection altogether.
_SENDS_NO_MORE = getattr(select, "POLLRDHUP", 0)


class ClientGone(Exception):
    """The client will read nothing more."""


@dataclass
class BridgeClient:
    """The client's end: what it sends is read from one descriptor, what it gets is written to another.

    seconds: how long the client may still keep us waiting.
    buffer: what it has sent and nobody has read.

    Methods raise UsageError if the client takes longer, and ClientGone if it has gone.
    """

    read_from: int
    write_to: int
    seconds: float = SIGN_IN_TIME
    buffer: bytearray = field(default_factory=bytearray)

    def line(self) -> bytes | None:
        """The next line, without its line end; None if no more comes. Raises UsageError for an endless line."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > LINE_LIMIT:
                raise UsageError("the client sent a line without an end")
            if not self.more():
                return None
            if self.buffer.startswith(b"\x16\x03"):
                raise UsageError(
                    "the client speaks TLS",
                    hint="Switch TLS off in the client: what it sends does not leave this machine.",
                )
        line = bytes(self.buffer[:end]).rstrip(b"\r")
        del self.buffer[: end + 1]
        return line

    def more(self) -> bool:
        """Read more into the buffer; False if the client sends no more."""
        self._wait(self.read_from, select.POLLIN)
        try:
            block = os.read(self.read_from, _BLOCK)
        except OSError:
            return False
        self.buffer += block
        return bool(block)

    def send(self, *lines: str) -> None:
        """Send lines to the client."""
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
        """Wait for the POP3 server, as pop3.socket.Wait describes it. Raises ClientGone if the client has gone.

        A client that sends no more may still read. For such a client, the server gets AFTER_END seconds.
        """
        poll = select.poll()
        poll.register(descriptor, events)
        poll.register(self.write_to, 0)
        poll.register(self.read_from, _SENDS_NO_MORE)  # it may be the same one
        ready = dict(poll.poll(milliseconds(seconds)))
        sends_no_more = self.read_from in ready
        if sends_no_more and descriptor not in ready:
            poll.unregister(self.read_from)
            poll.register(self.write_to, 0)
            ready = dict(poll.poll(milliseconds(min(seconds, AFTER_END))))
        if descriptor not in ready and (sends_no_more or self.write_to in ready):
            raise ClientGone
        return bool(ready)
