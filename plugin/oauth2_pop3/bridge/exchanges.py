"""Which responses the server still owes, and which the client is owed: the orders differ if messages come early."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from oauth2_pop3.bridge.exchange import Exchange
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits

_PIPELINED = ReadAheadLimits.messages  # commands that may wait for the response, if the server says PIPELINING
_OWED_LIMIT = 1024  # responses that a client may be waiting for


class Exchanges:
    """Exchanges between the client, the server and the bridge itself. Each command is sent when its turn has come."""

    def __init__(self) -> None:
        self._most_awaited = 1
        self._unsent: deque[Exchange] = deque()
        self._awaited: deque[Exchange] = deque()  # the server owes their responses, in this order
        self._owed: deque[Exchange] = deque()  # the client is owed their responses, in this order

    def pipeline(self) -> None:
        """Note that the server takes commands before it has responded to earlier ones (RFC 2449 section 6.6)."""
        self._most_awaited = _PIPELINED

    # -- commands

    def ask(self, *exchanges: Exchange) -> None:
        """Have the server respond to the bridge."""
        self._unsent += exchanges

    def owe(self, exchange: Exchange) -> None:
        """Note that the client is to get this response in its turn."""
        exchange.is_clients = True
        self._owed.append(exchange)

    @property
    def room(self) -> int:
        """How many more commands can be sent at once."""
        return 0 if self._unsent else self._most_awaited - len(self._awaited)

    def to_send(self) -> bytes:
        """The commands whose turn has come."""
        commands = []
        while self._unsent and len(self._awaited) < self._most_awaited:
            exchange = self._unsent.popleft()
            self._awaited.append(exchange)
            commands.append(exchange.command + b"\r\n")
        return b"".join(commands)

    # -- responses

    @property
    def awaited(self) -> Exchange | None:
        """What the server responds to next; None if it owes nothing."""
        return self._awaited[0] if self._awaited else None

    def complete(self) -> None:
        """Note that the whole of the response has come."""
        self._awaited.popleft().finish()

    @property
    def owes_client(self) -> bool:
        """Whether the client waits for a response."""
        return bool(self._owed)

    @property
    def owes_many(self) -> bool:
        """Whether the client waits for so many that it must wait before it asks for more."""
        return len(self._owed) >= _OWED_LIMIT

    def deliver(self, give: Callable[[bytes], object]) -> None:
        """Give the client what it is owed, in its order, as far as it has come."""
        while self._owed:
            first = self._owed[0]
            if first.complete or first.collect is None:
                give(b"".join(first.blocks))
                first.blocks.clear()
            if not first.complete:
                return
            self._owed.popleft()

    def hand_over(self) -> bytes | None:
        """Forget everything, if client and server can go on without the bridge; returns what is left to be sent.

        None if they cannot: the server owes what the client does not wait for, or the client waits for something else.
        """
        self._unsent = deque(exchange for exchange in self._unsent if exchange.is_clients)
        if [*self._awaited, *self._unsent] != [*self._owed]:
            return None
        unsent = b"".join(exchange.command + b"\r\n" for exchange in self._unsent)
        for exchanges in (self._awaited, self._unsent, self._owed):
            exchanges.clear()
        return unsent
