"""One command to the POP3 server and the response to it, in the proxy that reads ahead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Exchange:
    """A command and as much of its response as has come.

    multiline: whether lines follow a +OK.
    collect: if given, the response is not passed on as it comes. Instead collect gets the whole of it, and the client
        gets what collect returns.
    number: of the message that the command is about; 0 if it is about none.
    size: octets by what LIST says, if this is a message that is read ahead.
    blocks: the part of the response that was not passed on yet.
    octets: how many have come.
    complete: whether the whole response has come.
    is_clients: whether the client gets the response, or has got it.
    unwanted: whether the response is thrown away as it comes.
    overtaken: whether the client sent a command after this one, which was read ahead. The response to that command
        comes later than this response, so nothing that has to wait for it may come of this one.
    """

    command: bytes
    multiline: bool = False
    collect: Callable[[bytes], bytes] | None = None
    number: int = 0
    size: int = 0
    blocks: list[bytes] = field(default_factory=list)
    octets: int = 0
    complete: bool = False
    is_clients: bool = False
    unwanted: bool = False
    overtaken: bool = False

    def add(self, data: bytes) -> None:
        """Add what has come of the response."""
        if not self.unwanted:
            self.blocks.append(data)
            self.octets += len(data)

    def forget(self) -> None:
        """Throw away what has come of the response, and what is still to come."""
        self.unwanted = True
        self.collect = None
        self.blocks.clear()

    def finish(self) -> None:
        """Note that the whole response has come."""
        self.complete = True
        if self.collect is not None:
            self.blocks = [self.collect(b"".join(self.blocks))]
