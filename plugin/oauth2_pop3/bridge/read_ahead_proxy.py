"""A POP3 proxy that reads ahead: it asks the server for messages before the client asks for them.

A client such as fetchmail waits a round trip for every message. Here the next messages are fetched while it still works
on the last one, and LIST is asked once for the sizes of all. The client gets early only what the server has said
already: a message, or the line of a message in LIST. Everything else it gets when the server has said it, DELE above
all. A server may refuse to delete (the maildrop is read-only, the message has expired), and a client forgets a message
whose deletion was acknowledged. So a deletion costs the client one round trip; straight, a message costs it three.

Not for servers on which retrieving a message changes something: the caller takes care of that.

There is no input or output here. Octets from both ends go in, octets for both ends come out, and relay.py moves them.
"""

from __future__ import annotations

from collections.abc import Iterable

from oauth2_pop3.bridge.commands import CommandLines, OfAMessage, of_a_message
from oauth2_pop3.bridge.exchange import Exchange
from oauth2_pop3.bridge.exchanges import Exchanges
from oauth2_pop3.bridge.listings import Capabilities, Listings
from oauth2_pop3.bridge.messages_ahead import BRIDGE_LIMITS, MessagesAhead
from oauth2_pop3.bridge.passthrough import Passthrough
from oauth2_pop3.bridge.response_bounds import ResponseBounds
from oauth2_pop3.pop3.connection import LINE_LIMIT
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits

_COLLECTED_LIMIT = 2 << 20  # octets of a response that is looked into: LIST of 140,000 messages
_UNREAD_LIMIT = 1 << 18  # octets that a client has not read, while it asks for more
_LISTINGS = (b"LIST", b"UIDL", b"CAPA")  # multi-line without an argument
_ONE_LINE = (b"STAT", b"NOOP", b"RSET")
_OK, _ERR = b"+OK", b"-ERR"
_LAST_NOT_KNOWN = b"-ERR it is not known, because messages were read ahead\r\n"


class ReadAheadProxy(Passthrough):
    """A session after the sign-in.

    hidden: capabilities of the server that the client is not shown.
    limits: how far to read ahead.
    """

    def __init__(self, hidden: Iterable[str] = (), limits: ReadAheadLimits = BRIDGE_LIMITS) -> None:
        super().__init__()
        self._commands = CommandLines()
        self._bounds = ResponseBounds()
        self._exchanges = Exchanges()
        self._ahead = MessagesAhead(limits)
        self._listings = Listings(hidden, self._heed)
        self._steps_aside = False  # everything is passed on as it is from now on
        self._last: Exchange | None = None  # the server's last response
        self._is_out_of_step = False

    # -- the client

    def from_client(self, data: bytes) -> None:
        """Take commands, whole or in pieces."""
        self._commands.add(data)
        self._go_on()

    @property
    def takes_from_client(self) -> bool:
        """Whether the client may send more: neither that nor what it gets for it must pile up here."""
        return len(self._commands) + len(self.for_server) < LINE_LIMIT and len(self.for_client) < _UNREAD_LIMIT

    def _go_on(self) -> None:
        """Do whatever can be done now."""
        while not self._steps_aside and not self._exchanges.owes_many:
            line = self._commands.peek()
            if line is None and not self._commands.is_endless:
                break
            if line is None or not self._command(line):
                self._step_aside()  # the response may have any form, so it cannot be read here
                break
            self._commands.skip()
        self._exchanges.ask(*self._ahead.ask(self._listings, self._exchanges.room))
        self.for_server += self._exchanges.to_send()
        self._exchanges.deliver(self.for_client.extend)
        if self._passes_all_on:
            self.for_server += self._commands.rest()

    def _step_aside(self) -> None:
        self._steps_aside = True
        self._listings.stop()
        self._ahead.end()

    def _command(self, line: bytes) -> bool:
        """Take a command; False unless it is CAPA or one of RFC 1939, and written as the RFC writes it."""
        if command := of_a_message(line):
            self._of_a_message(line, command)
            return True
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if verb == b"QUIT":
            self._ask(Exchange(line))
            self._listings.stop()
            self._ahead.end()  # else the relay would wait for the client to fetch it
        elif verb in _LISTINGS and len(line) == len(verb):
            self._ask(self._listings.exchange(line))
        elif verb in _ONE_LINE or (verb in (b"LIST", b"UIDL") and argument.strip()):
            self._ask(Exchange(line))
        elif verb == b"LAST":
            self._ask(Exchange(line, collect=self._note_last))
        else:
            return False
        return True

    def _ask(self, exchange: Exchange) -> None:
        """Have the server respond to the client."""
        self._ahead.overtake()
        self._exchanges.ask(exchange)
        self._exchanges.owe(exchange)

    def _of_a_message(self, line: bytes, command: OfAMessage) -> None:
        verb, number, before, after = command
        if verb == b"DELE":
            self._listings.uncertain.add(number)
            self._ahead.drop(number)
            self._ask(Exchange(line, number=number))
        elif verb == b"LIST":
            if response := self._listings.response_to_list(number):  # fetchmail asks before it fetches a message
                self._exchanges.owe(Exchange(line, blocks=[response], complete=True))
            else:
                self._ask(Exchange(line, number=number))
                self._exchanges.ask(*self._listings.to_ask())
        elif exchange := self._ahead.take(line):
            self._exchanges.owe(exchange)
        else:
            self._ask(Exchange(line, multiline=True, number=number))
            self._exchanges.ask(*self._listings.to_ask())
            self._ahead.expect_after(number, (before, after))

    # -- the server

    def from_server(self, data: bytes) -> None:
        """Take responses, whole or in pieces. Raises Pop3Error for a line without an end."""
        if self._passes_all_on:
            self.for_client += data
            return
        for part in self._bounds.parts(data):
            exchange = self._exchanges.awaited
            if self._passes_all_on:
                self.for_client += part.data
            elif part.is_first_line or exchange is None:
                self._first_line(exchange, part.data)
            else:
                self._add(exchange, part.data, is_end=part.is_end)
        if self._passes_all_on:
            self.for_client += self._bounds.unfinished()
        elif self._bounds.has_begun and self._exchanges.awaited is None:
            self._ahead.end()  # it will be what _unasked() or _no_response() is for, but the client may be quicker
        self._go_on()

    @property
    def _passes_all_on(self) -> bool:
        return self._steps_aside and self._exchanges.awaited is None

    def _first_line(self, exchange: Exchange | None, line: bytes) -> None:
        if not line.strip():
            return  # an empty line where a response must begin is none
        if not line.startswith((_OK, _ERR)):
            self._no_response(line)
        elif exchange is None:
            self._unasked(line)
        else:
            if line.startswith(_ERR) and exchange.number:
                self._listings.uncertain.add(exchange.number)
            lines_follow = exchange.multiline and line.startswith(_OK)
            self._add(exchange, line, is_end=not lines_follow)
            if lines_follow:
                self._bounds.lines_follow()

    def _unasked(self, line: bytes) -> None:
        """Pass on a response that nobody asked for: the server's last words before it closes.

        The client takes them for the response to its next command. That must not be the RETR of a message that is here:
        the message would then come as the response to the command after that one. So the client does not get the last
        words in this case; the end of the connection says enough. A +OK is no last word, but one response too many. It
        is not known since when, so what is here may be the message before the one that was asked for.
        """
        if not self._ahead.has_whole_message:
            self.for_client += line
        elif line.startswith(_ERR):
            self._ahead.stop()
        else:
            self._ahead.end()

    def _no_response(self, line: bytes) -> None:
        """Get over a line that is no response: mostly the rest of a message, after a dot that was not stuffed.

        The client gets it if it got what came before, as it would from the server itself; and no more is read ahead.
        Then we step aside, unless the server still owes what the client does not wait for. In that case we cannot tell
        whether this line took the place of a response.
        """
        self._listings.stop()
        self._ahead.end()
        unsent = None
        if self._last is None or self._last.is_clients:
            self.for_client += line
            unsent = self._exchanges.hand_over()
        if unsent is None:
            self._is_out_of_step = True
        else:
            self.for_server += unsent
            self._step_aside()

    @property
    def can_do_without_server(self) -> bool:
        """Whether a whole message is here that the client may still fetch, and the client waits for nothing else."""
        return not self._exchanges.owes_client and self._ahead.has_whole_message

    @property
    def owes_nothing(self) -> bool:
        """Whether every command has got its response; not known once we have stepped aside."""
        return not self._exchanges.owes_client and not self._steps_aside

    @property
    def is_out_of_step(self) -> bool:
        """Whether the client waits for a response that the server may never give."""
        return self._is_out_of_step and self._exchanges.owes_client

    def _add(self, exchange: Exchange, data: bytes, *, is_end: bool) -> None:
        exchange.add(data)
        if exchange.collect is not None and exchange.octets > _COLLECTED_LIMIT:  # too large to look into
            self._ahead.end()
            exchange.collect = None
            if not exchange.is_clients:
                exchange.forget()
        if not exchange.is_clients:
            self._ahead.watch(exchange)
        if is_end:
            self._last = exchange
            self._exchanges.complete()
        self._exchanges.deliver(self.for_client.extend)

    def _heed(self, capabilities: Capabilities) -> bool:
        if "PIPELINING" in capabilities:
            self._exchanges.pipeline()
        return self._ahead.heed(capabilities)

    def _note_last(self, response: bytes) -> bytes:
        """LAST (RFC 1460): the highest number that was fetched. If messages were read ahead, it is not the client's."""
        if not response.startswith(_OK):
            return response
        self._ahead.end()
        return _LAST_NOT_KNOWN if self._ahead.has_asked else response
