"""What the server has said about itself (CAPA) and its messages (LIST), and whether it still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from oauth2_pop3.bridge.exchange import Exchange
from oauth2_pop3.pop3.responses import capabilities_of

Capabilities = Mapping[str, tuple[str, ...]]


class Listings:
    """What is known of a server.

    hidden: capabilities that the client is not shown.
    heed: gets the capabilities, and returns whether messages are there as long as the client does not delete them.
    sizes: octets of each message by what LIST says; empty if it is not known.
    uncertain: messages that the client deletes or the server has refused: only the server knows if they are there.
    """

    def __init__(self, hidden: Iterable[str], heed: Callable[[Capabilities], bool]) -> None:
        self.sizes: dict[int, int] = {}
        self.uncertain: set[int] = set()
        self._hidden = {name.upper().encode() for name in hidden}
        self._heed = heed
        self._has_asked = {b"CAPA": False, b"LIST": False}
        self._lasts = False  # the messages, as far as CAPA says
        self._is_over = False

    def stop(self) -> None:
        """Take nothing for granted any more."""
        self._is_over = True

    def exchange(self, line: bytes) -> Exchange:
        """CAPA, or LIST or UIDL without an argument, as the client writes it."""
        verb = line.upper()
        collect = {b"CAPA": self._read_capa, b"LIST": self._read_list}.get(verb)
        if verb == b"CAPA":
            self._has_asked[verb] = True
        return Exchange(line, multiline=True, collect=collect)

    def to_ask(self) -> list[Exchange]:
        """What to ask the server beside what the client asks, once it turns to single messages."""
        if self._is_over:
            return []
        verbs = [verb for verb, has_asked in self._has_asked.items() if not has_asked]
        self._has_asked = dict.fromkeys(self._has_asked, True)
        return [self.exchange(verb) for verb in verbs]

    def response_to_list(self, number: int) -> bytes | None:
        """The response to LIST for one message, if the server has given it already.

        LIST has said it, and it holds until the message is deleted (RFC 1939 sections 4 and 5).
        """
        if self._is_over or not self._lasts or number in self.uncertain or number not in self.sizes:
            return None
        return b"+OK %d %d\r\n" % (number, self.sizes[number])

    def _read_list(self, response: bytes) -> bytes:
        """RFC 1939 section 5. Returns what the client gets."""
        if response.startswith(b"+OK"):
            found = (line.split() for line in response.split(b"\n")[1:])
            self.sizes = {int(words[0]): int(words[1]) for words in found if len(words) > 1 and _are_numbers(words)}
            self._has_asked[b"LIST"] = True
        return response

    def _read_capa(self, response: bytes) -> bytes:
        """RFC 2449 section 5. Returns what the client gets."""
        self._lasts = self._heed(capabilities_of(response))
        lines = response.splitlines(keepends=True)
        return b"".join(line for line in lines if (line.upper().split() or [b""])[0] not in self._hidden)


def _are_numbers(words: list[bytes]) -> bool:
    return all(word.isdigit() and len(word) < 19 for word in words[:2])
