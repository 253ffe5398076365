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
    size: octets by what LIST says, if this is a message that is read ahead.
    blocks: the part of the response that was not passed on yet.
    octets: how many have come.
    complete: whether the whole response has come.
    unwanted: whether the response is thrown away as it comes.
    """

    command: bytes
    multiline: bool = False
    collect: Callable[[bytes], bytes] | None = None
    size: int = 0
    blocks: list[bytes] = field(default_factory=list)
    octets: int = 0
    complete: bool = False
    unwanted: bool = False

    def forget(self) -> None:
        """Throw away what has come of the response, and what is still to come."""
        self.unwanted = True
        self.blocks.clear()

    def finish(self) -> None:
        """Note that the whole response has come."""
        self.complete = True
        if self.collect is not None:
            self.blocks = [self.collect(b"".join(self.blocks))]
