"""How far ahead messages may be asked for: one policy for the retriever and for the bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from oauth2_pop3.providers.provider import Provider


@dataclass(frozen=True)
class ReadAheadLimits:
    """How much may have been asked of a server that nobody has fetched yet.

    messages: how many at most; 0 turns reading ahead off.
    octets: of all of them together, by what LIST says. A single message may have more.
    largest: octets of one message; a larger one is never asked for ahead. 0: no limit.
    """

    messages: int = 128
    octets: int = 16 << 20
    largest: int = 0

    def for_provider(self, provider: Provider) -> ReadAheadLimits:
        """The limits at this provider: nothing is read ahead if its server gives out a message only once."""
        return replace(self, messages=0) if provider.retrieved_once else self

    def allow(self, capabilities: Mapping[str, Sequence[str]]) -> bool:
        """Whether anything may be read ahead from a server with these capabilities.

        EXPIRE 0 (RFC 2449 section 6.7) says that a message may be gone once it was retrieved.
        """
        return bool(self.messages) and tuple(capabilities.get("EXPIRE", ())[:1]) != ("0",)

    @staticmethod
    def is_time_to_ask(waiting: int, most: int) -> bool:
        """Whether to ask for more messages, when `waiting` are waiting to be fetched and `most` may be.

        It is time once an eighth of `most` is free. Asking for each message separately would cost a write and a TLS
        record each time.
        """
        return waiting <= most - max(1, most // 8)

    def have_room(self, size: int, octets: int) -> bool:
        """Whether a message of this size may be asked for while messages of `octets` octets are waiting."""
        if self.largest and size > self.largest:
            return False
        return not octets or octets + size <= self.octets
