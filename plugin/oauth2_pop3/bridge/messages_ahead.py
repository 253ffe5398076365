"""The messages that the bridge asks for before the client does: which ones, and how many."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from oauth2_pop3.bridge.exchange import Exchange
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits

BRIDGE_LIMITS = ReadAheadLimits(largest=2 << 20)
"""A larger message would take up memory of the bridge and gain little: fetching it takes long anyway."""

_MISTAKES = 4  # wrong guesses after which no more are made


class MessagesAhead:
    """Messages in the order of their numbers, each with the command by which the client is expected to ask for it.

    The client is expected to fetch the message after the one that it fetched last, by the same command. Each time that
    comes true, twice as many messages may be read ahead.
    """

    def __init__(self, limits: ReadAheadLimits = BRIDGE_LIMITS) -> None:
        self._limits = limits
        self._exchanges: dict[bytes, Exchange] = {}
        self._form = (b"", b"")  # what comes before and after the number in the command
        self._next = 0
        self._window = 0
        self._mistakes = 0
        self._stopped = False

    @property
    def has_whole_message(self) -> bool:
        """Whether one has come to its end."""
        return any(exchange.complete for exchange in self._exchanges.values())

    def take(self, command: bytes) -> Exchange | None:
        """Take the message that the client fetches by this command; None if it was not read ahead.

        Messages before it, or all of them if it is not there, were guessed wrongly and are forgotten.
        """
        if command not in self._exchanges:
            self._mistakes += bool(self._exchanges)
            self._forget()
            return None
        while (exchange := self._exchanges.pop(next(iter(self._exchanges)))).command != command:
            exchange.forget()
        self._window = min(2 * self._window, self._limits.messages)
        return exchange

    def expect_after(self, number: int, form: tuple[bytes, bytes]) -> None:
        """Expect commands of the same form for the messages after this one, which was not read ahead."""
        self._form, self._next, self._window = form, number + 1, 1

    def ask(self, sizes: Mapping[int, int], deleted: Collection[int], most: int) -> list[Exchange]:
        """Choose the messages to ask for now.

        sizes: what LIST says.
        deleted: the messages that the client has deleted.
        most: how many may be chosen.
        """
        chosen: list[Exchange] = []
        if (
            self._stopped
            or self._mistakes >= _MISTAKES
            or not self._limits.is_time_to_ask(len(self._exchanges), self._window)
        ):
            return chosen
        octets = sum(max(exchange.size, exchange.octets) for exchange in self._exchanges.values())
        while len(self._exchanges) < self._window and len(chosen) < most:
            while self._next in deleted:
                self._next += 1
            size = sizes.get(self._next)
            if size is None or not self._limits.have_room(size, octets):
                break
            before, after = self._form
            exchange = Exchange(b"%b%d%b" % (before, self._next, after), multiline=True, size=size)
            self._exchanges[exchange.command] = exchange
            chosen.append(exchange)
            self._next += 1
            octets += size
        return chosen

    def watch(self, exchange: Exchange) -> None:
        """Let go of a message that turns out far larger than LIST says, and read no more ahead.

        If the client wants it after all, it is asked for again.
        """
        too_large = 0 < 2 * self._limits.largest < exchange.octets
        if too_large and self._exchanges.get(exchange.command) is exchange:
            del self._exchanges[exchange.command]
            exchange.forget()
            self._stopped = True

    def heed(self, capabilities: Mapping[str, tuple[str, ...]]) -> None:
        """Read no more ahead if the server's capabilities forbid it."""
        if not self._limits.allow(capabilities):
            self._stopped = True

    def end(self) -> None:
        """Read no more ahead, and forget what is there: the client will not fetch it."""
        self._stopped = True
        self._forget()

    def _forget(self) -> None:
        for exchange in self._exchanges.values():
            exchange.forget()
        self._exchanges.clear()
