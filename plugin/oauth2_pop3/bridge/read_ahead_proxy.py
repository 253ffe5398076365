"""A POP3 proxy that reads ahead: it asks the server for messages before the client asks for them.

A client such as fetchmail waits a round trip for every message. Here the next messages are fetched while it still works
on the last one, and LIST is asked once for the sizes of all. DELE takes effect only at QUIT (RFC 1939 section 6), so it
is acknowledged at once; if a deletion fails, QUIT gets -ERR. If the client asks for something else, it gets the
server's own response. Not for servers on which retrieving a message changes something: the caller takes care of that.

There is no input or output here. Octets from both ends go in, octets for both ends come out, and relay.py moves them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from oauth2_pop3.bridge.exchange import Exchange
from oauth2_pop3.bridge.messages_ahead import BRIDGE_LIMITS, MessagesAhead
from oauth2_pop3.bridge.relay import Passthrough
from oauth2_pop3.bridge.response_bounds import LINE_LIMIT, ResponseBounds
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.pop3.responses import capabilities_of

_PIPELINED = ReadAheadLimits.messages  # commands that may wait for the response, if the server says PIPELINING
_COLLECTED_LIMIT = 8 << 20  # octets of a response that is looked into
_OWED_LIMIT = 1024  # responses that a client may be waiting for
_LISTINGS = (b"LIST", b"UIDL", b"CAPA")  # multi-line without an argument
_ONE_LINE = (b"STAT", b"NOOP", b"RSET", b"LAST", b"LIST", b"UIDL", b"DELE")


class ReadAheadProxy(Passthrough):
    """A session after the sign-in.

    hidden: capabilities of the server that the client is not shown.
    limits: how far to read ahead.
    """

    def __init__(self, hidden: Iterable[str] = (), limits: ReadAheadLimits = BRIDGE_LIMITS) -> None:
        super().__init__()
        self._hidden = {name.upper().encode() for name in hidden}
        self._received = b""  # from the client, not yet a whole line
        self._most_awaited = 1  # until the server says PIPELINING (RFC 2449)
        self._unsent: deque[Exchange] = deque()
        self._awaited: deque[Exchange] = deque()  # the server owes their responses, in this order
        self._owed: deque[Exchange] = deque()  # the client is owed their responses, in this order
        self._ahead = MessagesAhead(limits)
        self._has_asked_capa = False
        self._sizes: dict[int, int] | None = None
        self._deleted: set[int] = set()
        self._failure = b""  # the first -ERR to a deletion that the client believes done
        self._steps_aside = False  # everything is passed on as it is from now on
        self._hides_unasked = False
        self._bounds = ResponseBounds()

    # -- the client

    def from_client(self, data: bytes) -> None:
        """Take commands, whole or in pieces."""
        self._received += data
        self._go_on()

    @property
    def takes_from_client(self) -> bool:
        """Whether the client may send more: what it has sent so far must not pile up here."""
        return len(self._received) + len(self.for_server) < LINE_LIMIT

    def _go_on(self) -> None:
        """Do whatever can be done now."""
        while not self._steps_aside and len(self._owed) < _OWED_LIMIT:
            line, end, rest = self._received.partition(b"\n")
            if not end:
                if len(line) >= LINE_LIMIT:
                    self._step_aside()
                break
            if not self._command(line.rstrip(b"\r")):
                self._step_aside()  # the response may have any form, so it cannot be read here
                break
            self._received = rest
        if self._sizes and not self._unsent:
            most = self._most_awaited - len(self._awaited)
            self._unsent += self._ahead.ask(self._sizes, self._deleted, most)
        while self._unsent and len(self._awaited) < self._most_awaited:
            exchange = self._unsent.popleft()
            self._awaited.append(exchange)
            self.for_server += exchange.command + b"\r\n"
        self._deliver()
        if self._steps_aside and not self._awaited:
            self.for_server += self._received
            self._received = b""

    def _step_aside(self) -> None:
        self._steps_aside = True
        self._hides_unasked = False
        self._ahead.end()

    def _command(self, line: bytes) -> bool:
        """Take a command; False if it is neither CAPA nor a command of RFC 1939."""
        verb, *arguments = line.upper().split() or [b""]
        numbers = [int(word) for word in arguments if word.isdigit() and len(word) < 10]
        match verb, arguments:
            case (b"RETR", [_]) | (b"TOP", [_, _]) if len(numbers) == len(arguments):
                self._fetch(verb, *numbers)
            case b"DELE", [_] if numbers:
                self._delete(numbers[0], line)
            case b"QUIT", _:
                self._ask(Exchange(line, collect=self._quit))
                self._ahead.end()  # else the relay would wait for the client to fetch it
            case b"LIST", [_] if numbers:
                self._list(numbers[0], line)
            case b"RSET", []:
                self._deleted.clear()
                self._ask(Exchange(line, collect=self._reset))
            case _ if verb in _LISTINGS and not arguments:
                self._list_all(verb, line)
            case _ if verb in _ONE_LINE:
                self._ask(Exchange(line))
            case _:
                return False
        return True

    def _ask(self, exchange: Exchange) -> None:
        """Have the server respond to the client."""
        self._unsent.append(exchange)
        self._owed.append(exchange)

    def _fetch(self, verb: bytes, number: int, *lines: int) -> None:
        form = verb + b" ", b"".join(b" %d" % count for count in lines)
        command = b"%b%d%b" % (form[0], number, form[1])
        if exchange := self._ahead.take(command):
            self._owed.append(exchange)
            return
        self._ask(Exchange(command, multiline=True))
        self._learn()
        self._ahead.expect_after(number, form)

    def _list(self, number: int, line: bytes) -> None:
        """Give the size of one message, which fetchmail asks for before it fetches it."""
        if self._sizes and number in self._sizes and number not in self._deleted:
            self._respond_at_once(b"+OK %d %d\r\n" % (number, self._sizes[number]))
        else:
            self._ask(Exchange(line))
            self._learn()

    def _list_all(self, verb: bytes, line: bytes) -> None:
        collect = {b"LIST": self._learn_sizes, b"CAPA": self._learn_capabilities}.get(verb)
        self._has_asked_capa |= verb == b"CAPA"
        self._ask(Exchange(line, multiline=True, collect=collect))

    def _learn(self) -> None:
        """Ask what the server can do and has, after the client's first command that makes this worthwhile."""
        if not self._has_asked_capa:
            self._has_asked_capa = True
            self._unsent.append(Exchange(b"CAPA", multiline=True, collect=self._learn_capabilities))
        if self._sizes is None:
            self._sizes = {}
            self._unsent.append(Exchange(b"LIST", multiline=True, collect=self._learn_sizes))

    def _respond_at_once(self, line: bytes) -> None:
        self._owed.append(Exchange(b"", blocks=[line], complete=True))

    def _delete(self, number: int, line: bytes) -> None:
        """Acknowledge a deletion at once if the message is known to be there."""
        is_there = number not in self._deleted and number in (self._sizes or ())
        self._deleted.add(number)
        if is_there:
            self._unsent.append(Exchange(line, collect=self._note_deletion))
            self._respond_at_once(b"+OK marked to be deleted\r\n")
        else:
            self._ask(Exchange(line))

    # -- the server

    def from_server(self, data: bytes) -> None:
        """Take responses, whole or in pieces. Raises Pop3Error for a line without an end."""
        at = 0
        while at < len(data):
            if not self._awaited:
                self._unasked(data[at:])
                return
            exchange = self._awaited[0]
            end, complete = self._bounds.take(data, at, multiline=exchange.multiline)
            self._add(exchange, data[at:end] if at or end < len(data) else data)
            if complete:
                self._awaited.popleft()
                exchange.finish()
            at = end
        self._go_on()

    def _unasked(self, data: bytes) -> None:
        """Pass on what the server says unasked: its last words before it closes, or anything once we step aside.

        The client would take last words for the response to its next command. That must not be the RETR of a message
        that is here: the message would then come as the response to the command after that one. So the client does not
        get the last words in this case; the end of the connection says enough.
        """
        self._hides_unasked |= self._ahead.has_whole_message
        if not self._hides_unasked:
            self.for_client += data

    @property
    def can_do_without_server(self) -> bool:
        """Whether a whole message is here that the client may still fetch, and the client waits for nothing else."""
        return not self._owed and self._ahead.has_whole_message

    @property
    def owes_nothing(self) -> bool:
        """Whether every command has got its response; not known once we have stepped aside."""
        return not self._owed and not self._steps_aside

    def _add(self, exchange: Exchange, data: bytes) -> None:
        if exchange.unwanted:
            return
        exchange.blocks.append(data)
        exchange.octets += len(data)
        if exchange.collect is not None and exchange.octets > _COLLECTED_LIMIT:
            exchange.collect = None  # too large to look into: it is passed on as it comes
        if self._owed and self._owed[0] is exchange:
            self._deliver()
        else:
            self._ahead.watch(exchange)

    def _deliver(self) -> None:
        """Give the client what it is owed, in its order, as far as it has come."""
        while self._owed:
            first = self._owed[0]
            if first.complete or first.collect is None:
                self.for_client += b"".join(first.blocks)
                first.blocks.clear()
            if not first.complete:
                return
            self._owed.popleft()

    # -- responses that are looked into; each method returns what the client gets

    def _learn_sizes(self, response: bytes) -> bytes:
        """LIST (RFC 1939 section 5): which messages there are, and their octets."""
        if response.startswith(b"+OK"):
            found = (line.split() for line in response.split(b"\r\n")[1:])
            self._sizes = {int(words[0]): int(words[1]) for words in found if len(words) > 1 and _are_numbers(words)}
        return response

    def _learn_capabilities(self, response: bytes) -> bytes:
        """CAPA (RFC 2449 section 5): whether messages may be read ahead, and commands be sent together."""
        lines = response.split(b"\r\n")
        known = capabilities_of(response)
        self._ahead.heed(known)
        if "PIPELINING" in known:
            self._most_awaited = _PIPELINED
        return b"\r\n".join(line for line in lines if line.upper().split(b" ")[0] not in self._hidden)

    def _note_deletion(self, response: bytes) -> bytes:
        if not response.startswith(b"+OK"):
            self._failure = self._failure or response
        return response

    def _reset(self, response: bytes) -> bytes:
        if response.startswith(b"+OK"):
            self._failure = b""
        return response

    def _quit(self, response: bytes) -> bytes:
        """RFC 1939 section 6: -ERR if some messages could not be deleted."""
        if self._failure and response.startswith(b"+OK"):
            return b"-ERR some messages were not deleted: " + self._failure[4:].lstrip()
        return response


def _are_numbers(words: list[bytes]) -> bool:
    return all(word.isdigit() and len(word) < 19 for word in words[:2])
