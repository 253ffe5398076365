"""A POP3 server without a socket that does what it is told to, and a client that talks to it through the proxy."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from oauth2_pop3.bridge.passthrough import Passthrough

CAPABILITIES = ("SASL XOAUTH2", "TOP", "UIDL")
"""Those that the model has beside what it is given; the first of them a bridge hides."""


def lines_of(body: bytes) -> list[bytes]:
    """The lines of a message, without their ends."""
    return body.removesuffix(b"\n").split(b"\n") if body else []


@dataclass
class Maildrop:
    """A server that remembers what it was asked; RFC 1939, but for what is given here.

    capa: more capabilities, separated by commas; "-" if it knows no CAPA.
    refused: commands that get -ERR, as "DELE 3".
    unlisted: numbers that LIST and UIDL leave out. They are refused everywhere.
    sizes: what LIST says instead of the truth.
    strict: whether it takes neither small letters nor "01" nor "+1".
    end: of its lines.
    around: what it sends before and after its response to a command.
    has_last: whether it knows LAST (RFC 1460).
    vanishing: the number of a message that is gone after so many commands.
    closes_after: so many commands; 0 if it does not.
    """

    bodies: list[bytes]
    capa: str = "PIPELINING"
    refused: frozenset[str] = frozenset()
    unlisted: frozenset[int] = frozenset()
    sizes: dict[int, int] = field(default_factory=dict)
    strict: bool = False
    end: bytes = b"\r\n"
    around: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    has_last: bool = False
    vanishing: tuple[int, int] = (0, 0)
    closes_after: int = 0
    marked: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self._received = b""
        self._last = 0
        self._gone: set[int] = set()  # what was retrieved, if it says EXPIRE 0

    def responses(self, data: bytes) -> bytes:
        """Take commands, whole or in pieces."""
        *lines, self._received = (self._received + data).split(b"\n")
        return b"".join(self.response(line.removesuffix(b"\r").decode("latin-1")) for line in lines)

    def response(self, line: str) -> bytes:
        """Take a command."""
        if self.closed or 0 < self.closes_after <= len(self.asked):
            self.closed = True
            return b""
        self.asked.append(line)
        if self.vanishing[0] and len(self.asked) > self.vanishing[1]:
            self.unlisted |= {self.vanishing[0]}
        before, after = self.around.get(line.upper(), (b"", b""))
        text, *lines = self._respond(line)
        response = text + self.end + b"".join(each + self.end for each in lines)
        return before + response + after

    def there(self) -> list[int]:
        return [
            n for n in range(1, len(self.bodies) + 1) if n not in self.marked and n not in self.unlisted | self._gone
        ]

    def _respond(self, line: str) -> list[bytes]:
        verb, *words = line.split(" ") if self.strict else line.upper().split()[:9] or [""]
        number = self._number(words[0]) if words else 0
        is_about_one = bool(words) and verb in ("LIST", "UIDL", "DELE", "RETR", "TOP")
        if is_about_one and (number not in self.there() or f"{verb} {number}" in self.refused):
            return [b"-ERR [SYS/TEMP] not %d" % number]
        if verb in ("RETR", "TOP") and len(words) == (1 if verb == "RETR" else 2):
            return self._retrieve(verb, number, words[1:])
        match verb, words:
            case ("CAPA", []) if self.capa != "-":
                return [b"+OK", *(name.encode() for name in (*CAPABILITIES, *self.capa.split(","))), b"."]
            case "STAT", []:
                return [b"+OK %d %d" % (len(self.there()), sum(self._size(n) for n in self.there()))]
            case (("LIST" | "UIDL"), [_]):
                return [b"+OK " + self._item(verb, number)]
            case (("LIST" | "UIDL"), []):
                return [b"+OK", *(self._item(verb, n) for n in self.there()), b"."]
            case "DELE", [_]:
                self.marked.add(number)
                return [b"+OK marked"]
            case "RSET", []:
                self.marked.clear()
                return [b"+OK"]
            case "NOOP", _:
                return [b"+OK"]
            case ("LAST", []) if self.has_last:
                return [b"+OK %d" % self._last]
            case "XTND", _:
                return [b"+OK its form", b"is its own"]
            case "QUIT", _:
                return [self._quit()]
        return [b"-ERR what?"]

    def _number(self, word: str) -> int:
        if self.strict and (not word.isdecimal() or word.startswith("0")):
            return 0
        return int(word) if word.removeprefix("+").isdecimal() else 0

    def _size(self, number: int) -> int:
        return self.sizes.get(number, len(self.bodies[number - 1]))

    def _item(self, verb: str, number: int) -> bytes:
        return b"%d uid%d" % (number, number) if verb == "UIDL" else b"%d %d" % (number, self._size(number))

    def _retrieve(self, verb: str, number: int, more: list[str]) -> list[bytes]:
        self._last = max(self._last, number)
        if verb == "RETR" and self.capa.split(",")[0] == "EXPIRE 0":
            self._gone.add(number)
        most = self._number(more[0]) + 1 if more else None
        stuffed = [b"." * line.startswith(b".") + line for line in lines_of(self.bodies[number - 1])[:most]]
        return [b"+OK message %d" % number, *stuffed, b"."]

    def _quit(self) -> bytes:
        self.closed = True
        remaining = {n for n in self.marked if f"QUIT {n}" in self.refused}
        self.deleted = self.marked - remaining
        return b"-ERR some were not deleted" if remaining else b"+OK"


class Conversation:
    """A client, the proxy and a server; the octets of each end come in pieces."""

    def __init__(self, server: Maildrop, between: Passthrough, seed: int | random.Random = 0) -> None:
        self.server = server
        self.between = between
        self.received = b""
        self._random = seed if isinstance(seed, random.Random) else random.Random(seed)
        self._on_the_way: deque[bytes] = deque()

    def send(self, data: bytes) -> None:
        """Bring the proxy octets of the client."""
        for piece in self._pieces(data):
            self.between.from_client(piece)
            if self._random.random() < 0.3:
                self.move()

    def move(self, blocks: int = 1) -> None:
        """Bring the server what is for it, and this many pieces of its responses back."""
        if self.between.for_server:
            commands = bytes(self.between.for_server)
            self.between.for_server.clear()
            self._on_the_way += self._pieces(self.server.responses(commands))
        while blocks and self._on_the_way:
            self.between.from_server(self._on_the_way.popleft())
            blocks -= 1
        if self.between.for_client:
            self.received += bytes(self.between.for_client)
            self.between.for_client.clear()

    def settle(self) -> None:
        """Go on until nothing moves any more."""
        while self.between.for_server or self._on_the_way or self.between.for_client:
            self.move(8)

    def ask(self, line: str) -> bytes:
        """Send a line; returns all that has come once nothing moves any more."""
        self.received = b""
        self.send(f"{line}\r\n".encode("latin-1"))
        self.settle()
        return self.received

    def _pieces(self, data: bytes) -> Iterable[bytes]:
        if not data:
            return ()
        count = self._random.choice((0, 0, 1, 3))
        if not count:
            return (data,)
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(count))
        return [piece for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if (piece := data[a:b])]
