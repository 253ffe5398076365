"""The messages that the bridge asks for before the client does: which ones, and how many."""

from __future__ import annotations

from oauth2_pop3.bridge.exchange import Exchange
from oauth2_pop3.bridge.listings import Capabilities, Listings
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits

BRIDGE_LIMITS = ReadAheadLimits(largest=2 << 20)
"""A larger message would take up memory of the bridge and gain little: fetching it takes long anyway."""

_MISTAKES = 4  # wrong guesses after which no more are made
_ON_THE_WAY = 2 << 20  # octets that the client's next command may have to wait for: a minute at 256 kbit/s


class MessagesAhead:
    """Messages in the order of their numbers, each with the command by which the client is expected to ask for it.

    The client is expected to fetch the message after the one that it fetched last, by the same command. Each time that
    comes true, twice as many messages may be read ahead.
    """

    def __init__(self, limits: ReadAheadLimits = BRIDGE_LIMITS) -> None:
        self._limits = limits
        self._exchanges: dict[bytes, Exchange] = {}
        self._form = (b"", b"")  # what comes before and after the number in the command of each
        self._next = 0
        self._window = 0
        self._mistakes = 0
        self._stopped = False
        self.has_asked = False

    @property
    def has_whole_message(self) -> bool:
        """Whether one has come to its end."""
        return any(exchange.complete for exchange in self._exchanges.values())

    def take(self, command: bytes) -> Exchange | None:
        """Take the message that the client fetches by this command; None if it is not there in time.

        Messages before it, or all of them if it is not there, were guessed wrongly and are forgotten.
        """
        wanted = self._exchanges.get(command)
        if wanted is None or (wanted.overtaken and not wanted.complete):
            self._mistakes += bool(self._exchanges)
            self._forget()
            return None
        while (exchange := self._exchanges.pop(next(iter(self._exchanges)))) is not wanted:
            exchange.forget()
        self._window = min(2 * self._window, self._limits.messages)
        return wanted

    def expect_after(self, number: int, form: tuple[bytes, bytes]) -> None:
        """Expect commands of the same form for the messages after this one, which was not read ahead."""
        self._form, self._next, self._window = form, number + 1, 1

    def ask(self, listings: Listings, most: int) -> list[Exchange]:
        """Choose the messages to ask for now. most: how many may be chosen."""
        chosen: list[Exchange] = []
        if (
            self._stopped
            or self._mistakes >= _MISTAKES
            or not self._limits.is_time_to_ask(len(self._exchanges), self._window)
        ):
            return chosen
        here = self._exchanges.values()
        octets = sum(max(exchange.size, exchange.octets) for exchange in here)
        coming = sum(max(exchange.size - exchange.octets, 0) for exchange in here if not exchange.complete)
        while len(self._exchanges) < self._window and len(chosen) < most:
            while self._next in listings.uncertain:
                self._next += 1
            size = listings.sizes.get(self._next)
            if size is None or not self._limits.have_room(size, octets) or (coming and coming + size > _ON_THE_WAY):
                break
            exchange = Exchange(self._command(self._next), multiline=True, number=self._next, size=size)
            self._exchanges[exchange.command] = exchange
            chosen.append(exchange)
            self._next += 1
            octets += size
            coming += size
        self.has_asked |= bool(chosen)
        return chosen

    def _command(self, number: int) -> bytes:
        before, after = self._form
        return b"%b%d%b" % (before, number, after)

    def overtake(self) -> None:
        """Note that a command of the client goes to the server after those that are here."""
        for exchange in self._exchanges.values():
            exchange.overtaken = True

    def drop(self, number: int) -> None:
        """Forget a message that the client deletes: what it gets if it fetches it after all is up to the server."""
        if exchange := self._exchanges.pop(self._command(number), None):
            exchange.forget()

    def watch(self, exchange: Exchange) -> None:
        """Let go of a message that turns out far larger than LIST says, and read no more ahead.

        So too if all of them together turn out so. If the client wants it after all, it is asked for again.
        """
        if self._exchanges.get(exchange.command) is not exchange:
            return
        octets = sum(each.octets for each in self._exchanges.values())
        if octets > 2 * self._limits.octets or 0 < 2 * self._limits.largest < exchange.octets:
            del self._exchanges[exchange.command]
            exchange.forget()
            self._stopped = True

    def heed(self, capabilities: Capabilities) -> bool:
        """Read no more ahead if the server's capabilities forbid it; returns whether they allow it."""
        allowed = self._limits.allow(capabilities)
        self._stopped |= not allowed
        return allowed

    def stop(self) -> None:
        """Read no more ahead. What is here may still be fetched."""
        self._stopped = True

    def end(self) -> None:
        """Read no more ahead, and forget what is there: the client will not fetch it, or it is not to be trusted."""
        self._stopped = True
        self._forget()

    def _forget(self) -> None:
        for exchange in self._exchanges.values():
            exchange.forget()
        self._exchanges.clear()
