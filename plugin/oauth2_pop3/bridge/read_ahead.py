"""Reading ahead between a POP3 client and its server: messages are asked for before the client asks for them.

A client such as fetchmail waits a round trip for every message. Here the next messages are fetched while it still
works on the last one, the size of one is known from LIST of all, and what it deletes is acknowledged at once: DELE
takes effect at QUIT alone (RFC 1939 section 6), and QUIT is answered with -ERR where a deletion failed. A client that
then asks for something else gets the server's own answer to it. Not for servers where retrieving changes something:
the caller sees to that.

No input or output: the octets of both ends go in, those for both ends come out, and relay.py moves them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from oauth2_pop3.bridge.relay import PassedOn
from oauth2_pop3.bridge.response_bounds import LINE_LIMIT, AnswerBounds

MESSAGES = 128
"""How many messages are read ahead at most."""
OCTETS = 16 << 20
"""How many octets, by what LIST says of the messages."""

_LARGEST = 2 << 20  # octets of a message that is read ahead; a larger one takes its time anyhow, and is passed through
_COLLECTED_LIMIT = 8 << 20  # octets of an answer that is looked into
_OWED_LIMIT = 1024  # answers that a client may be waiting for
_MISTAKES = 4  # so many guesses may fail before no more are made
_LISTINGS = (b"LIST", b"UIDL", b"CAPA")  # multi-line without an argument
_ONE_LINE = (b"STAT", b"NOOP", b"RSET", b"LAST", b"LIST", b"UIDL")


@dataclass(slots=True, eq=False)
class _Exchange:
    """A command and what the server answers.

    collect: instead of passing the answer on as it comes, give it the whole and pass on what it returns.
    """

    command: bytes
    multiline: bool = False
    collect: Callable[[bytes], bytes] | None = None
    size: int = 0  # as LIST has it, of a message that is read ahead
    blocks: list[bytes] = field(default_factory=list)
    octets: int = 0  # that have come
    complete: bool = False
    unwanted: bool = False

    def forget(self) -> None:
        """Nobody wants the answer; what is still to come of it is thrown away."""
        self.unwanted = True
        self.blocks.clear()

    def finish(self) -> None:
        """It has come whole."""
        self.complete = True
        if self.collect is not None:
            self.blocks = [self.collect(b"".join(self.blocks))]


class ReadAhead(PassedOn):
    """A session after the sign-in. taken_over: what is not shown of the server's capabilities."""

    def __init__(self, taken_over: Iterable[str] = ()) -> None:
        super().__init__()
        self._most_awaited = 1  # until it is known that the server takes commands before it has answered (RFC 2449)
        self._taken_over = {name.upper().encode() for name in taken_over}
        self._received = b""  # of the client, not yet a line
        self._unsent: deque[_Exchange] = deque()
        self._awaited: deque[_Exchange] = deque()  # answers that the server owes, in its order
        self._owed: deque[_Exchange] = deque()  # answers that the client is owed, in its order
        self._ahead: dict[bytes, _Exchange] = {}  # by command, what the client has not asked for yet
        self._has_asked_capa = False
        self._sizes: dict[int, int] | None = None
        self._deleted: set[int] = set()
        self._failure = b""  # the first -ERR to a deletion that the client takes for done
        self._form = (b"", b"")  # what stands before and behind the number of the message that was fetched last
        self._next = 0
        self._window = 0
        self._mistakes = 0
        self._steps_aside = False
        self._answer = AnswerBounds()

    # -- the client

    def from_client(self, data: bytes) -> None:
        """Take commands, whole or in pieces."""
        self._received += data
        self._go_on()

    @property
    def takes_from_client(self) -> bool:
        """As long as not too much waits of what it sent."""
        return len(self._received) + len(self.for_server) < LINE_LIMIT

    def _go_on(self) -> None:
        """Whatever can be done now."""
        while not self._steps_aside and len(self._owed) < _OWED_LIMIT:
            line, end, rest = self._received.partition(b"\n")
            if not end:
                if len(line) >= LINE_LIMIT:
                    self._step_aside()
                break
            if not self._command(line.rstrip(b"\r")):
                self._step_aside()  # its answer may have any form: nothing is read into it
                break
            self._received = rest
        self._look_ahead()
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
        self._end_reading_ahead()

    def _end_reading_ahead(self) -> None:
        self._mistakes = _MISTAKES
        for exchange in self._ahead.values():
            exchange.forget()
        self._ahead.clear()

    def _command(self, line: bytes) -> bool:
        """Take a command; False where it is not one of RFC 1939 or CAPA."""
        verb, *arguments = line.upper().split() or [b""]
        numbers = [int(word) for word in arguments if word.isdigit() and len(word) < 10]
        match verb, arguments:
            case (b"RETR", [_]) | (b"TOP", [_, _]) if len(numbers) == len(arguments):
                self._fetch(verb, *numbers)
            case b"DELE", [_] if numbers:
                self._delete(numbers[0], line)
            case b"QUIT", _:
                self._ask(_Exchange(line, collect=self._quit))
                self._end_reading_ahead()  # else the relay would wait for the client to fetch what is there
            case b"LIST", [_] if numbers:
                self._list(numbers[0], line)
            case b"LIST", []:
                self._ask(_Exchange(line, multiline=True, collect=self._learn_sizes))
            case b"CAPA", []:
                self._has_asked_capa = True
                self._ask(_Exchange(line, multiline=True, collect=self._learn_capabilities))
            case b"RSET", []:
                self._deleted.clear()
                self._ask(_Exchange(line, collect=self._reset))
            case _ if verb in _LISTINGS and not arguments:
                self._ask(_Exchange(line, multiline=True))
            case _ if verb in _ONE_LINE or verb == b"DELE":
                self._ask(_Exchange(line))
            case _:
                return False
        return True

    def _ask(self, exchange: _Exchange) -> None:
        """Have the server answer the client."""
        self._unsent.append(exchange)
        self._owed.append(exchange)

    def _fetch(self, verb: bytes, number: int, *lines: int) -> None:
        form = (verb + b" ", b"".join(b" %d" % count for count in lines))
        command = b"%b%d%b" % (form[0], number, form[1])
        if command in self._ahead:
            while (exchange := self._ahead.pop(next(iter(self._ahead)))).command != command:
                exchange.forget()
            self._owed.append(exchange)
            self._window = min(2 * self._window, MESSAGES)
            return
        self._mistakes += bool(self._ahead)
        for exchange in self._ahead.values():
            exchange.forget()
        self._ahead.clear()
        self._ask(_Exchange(command, multiline=True))
        self._learn()
        self._form, self._next, self._window = form, number + 1, 1

    def _list(self, number: int, line: bytes) -> None:
        """The size of one message, which fetchmail asks for before it fetches it."""
        if self._sizes and number in self._sizes and number not in self._deleted:
            self._answer_at_once(b"+OK %d %d\r\n" % (number, self._sizes[number]))
        else:
            self._ask(_Exchange(line))
            self._learn()

    def _learn(self) -> None:
        """Find out what the server can do and has, behind the client's first command that makes this worth while."""
        if not self._has_asked_capa:
            self._has_asked_capa = True
            self._unsent.append(_Exchange(b"CAPA", multiline=True, collect=self._learn_capabilities))
        if self._sizes is None:
            self._sizes = {}
            self._unsent.append(_Exchange(b"LIST", multiline=True, collect=self._learn_sizes))

    def _answer_at_once(self, line: bytes) -> None:
        self._owed.append(_Exchange(b"", blocks=[line], complete=True))

    def _delete(self, number: int, line: bytes) -> None:
        """Acknowledge it at once where the server cannot but do so."""
        is_there = number not in self._deleted and number in (self._sizes or ())
        self._deleted.add(number)
        if is_there:
            self._unsent.append(_Exchange(line, collect=self._note_deletion))
            self._answer_at_once(b"+OK marked to be deleted\r\n")
        else:
            self._ask(_Exchange(line))

    # -- what is asked for before the client does

    def _look_ahead(self) -> None:
        """Ask for the messages that come next, in a window that doubles with every one that was wanted."""
        if self._unsent or self._steps_aside or not self._sizes or self._mistakes >= _MISTAKES:
            return
        if len(self._ahead) > self._window - max(1, self._window // 4):
            return  # many at a time: one by one, each would cost a write, and TLS a record
        octets = sum(max(exchange.size, exchange.octets) for exchange in self._ahead.values())
        while len(self._ahead) < self._window and len(self._awaited) + len(self._unsent) < self._most_awaited:
            while self._next in self._deleted:
                self._next += 1
            size = self._sizes.get(self._next)
            if size is None or size > _LARGEST or octets + size > OCTETS:
                return
            before, behind = self._form
            exchange = _Exchange(b"%b%d%b" % (before, self._next, behind), multiline=True, size=size)
            self._ahead[exchange.command] = exchange
            self._unsent.append(exchange)
            self._next += 1
            octets += size

    # -- the server

    def from_server(self, data: bytes) -> None:
        """Take answers, whole or in pieces."""
        at = 0
        while at < len(data):
            if not self._awaited:
                self.for_client += data[at:]  # a last word before it closes; or we have stepped aside
                return
            exchange = self._awaited[0]
            end, complete = self._answer.take(data, at, multiline=exchange.multiline)
            self._add(exchange, data[at:end] if at or end < len(data) else data)
            if complete:
                self._awaited.popleft()
                exchange.finish()
            at = end
        self._go_on()

    @property
    def can_do_without_server(self) -> bool:
        """What has come whole is the client's, if it asks for that next and for nothing else."""
        return not self._owed and any(exchange.complete for exchange in self._ahead.values())

    @property
    def owes_nothing(self) -> bool:
        """Whether every command has been answered; not where an answer may have any form."""
        return not self._owed and not self._steps_aside

    def _add(self, exchange: _Exchange, data: bytes) -> None:
        if exchange.unwanted:
            return
        exchange.blocks.append(data)
        exchange.octets += len(data)
        if exchange.collect is not None and exchange.octets > _COLLECTED_LIMIT:
            exchange.collect = None  # it is passed on as it comes
        if self._owed and self._owed[0] is exchange:
            self._deliver()
        elif exchange.octets > 2 * _LARGEST and self._ahead.get(exchange.command) is exchange:
            del self._ahead[exchange.command]
            exchange.forget()  # LIST says less than there is; should the client want it, it is asked for again
            self._mistakes = _MISTAKES

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

    # -- answers that are looked into

    def _learn_sizes(self, answer: bytes) -> bytes:
        """LIST (RFC 1939 section 5): which messages there are, and their octets."""
        if answer.startswith(b"+OK"):
            found = (line.split() for line in answer.split(b"\r\n")[1:])
            self._sizes = {int(words[0]): int(words[1]) for words in found if len(words) > 1 and _are_numbers(words)}
        return answer

    def _learn_capabilities(self, answer: bytes) -> bytes:
        """CAPA (RFC 2449): nothing is read ahead where a message may be gone once it was retrieved (EXPIRE 0)."""
        lines = answer.split(b"\r\n")
        known = [line.upper().split() for line in lines]
        if [b"EXPIRE", b"0"] in [words[:2] for words in known]:
            self._mistakes = _MISTAKES
        if [b"PIPELINING"] in known:
            self._most_awaited = MESSAGES
        return b"\r\n".join(line for line in lines if line.upper().split(b" ")[0] not in self._taken_over)

    def _note_deletion(self, answer: bytes) -> bytes:
        if not answer.startswith(b"+OK"):
            self._failure = self._failure or answer
        return answer

    def _reset(self, answer: bytes) -> bytes:
        if answer.startswith(b"+OK"):
            self._failure = b""
        return answer

    def _quit(self, answer: bytes) -> bytes:
        """RFC 1939 section 6: -ERR where some messages could not be deleted."""
        if self._failure and answer.startswith(b"+OK"):
            return b"-ERR some messages were not deleted: " + self._failure[4:].lstrip()
        return answer


def _are_numbers(words: list[bytes]) -> bool:
    return all(word.isdigit() and len(word) < 19 for word in words[:2])
