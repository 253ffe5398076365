"""The sandbox's maildrops, in memory: messages with unique-ids (RFC 1939), one session at a time."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import NamedTuple


class StoredMessage(NamedTuple):
    """A message as it is sent, before dot-stuffing: its lines end in CR LF."""

    unique_id: str
    content: bytes


@dataclass
class Maildrop:
    """One mailbox.

    members: accounts whose tokens open it too; it is a shared mailbox then.
    switched_off: POP is off in its settings, and good tokens are refused.
    """

    messages: list[StoredMessage] = field(default_factory=list)
    members: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)  # RFC 1939 section 4: exclusive access
    switched_off: bool = False


class Maildrops:
    """All maildrops by address. One that does not exist yet is made when it is asked for."""

    def __init__(self) -> None:
        self._maildrops: dict[str, Maildrop] = {}
        self._lock = threading.Lock()
        self._count = 0
        # Two sandboxes may use the same port, one after the other. Their messages must not share a unique-id.
        self._prefix = secrets.token_hex(4)

    def __getitem__(self, address: str) -> Maildrop:
        with self._lock:
            return self._maildrops.setdefault(address.lower(), Maildrop())

    def opened_by(self, address: str, account: str) -> Maildrop | None:
        """The maildrop of an address if this account's token opens it, otherwise None."""
        if address.lower() == account:
            return self[address]
        with self._lock:
            maildrop = self._maildrops.get(address.lower())
            return maildrop if maildrop and account in maildrop.members else None

    def deliver(self, address: str, message: bytes) -> None:
        """Put a message into a maildrop. An open session does not see it."""
        maildrop = self[address]
        content = b"\r\n".join(message.splitlines()) + b"\r\n"
        with self._lock:
            self._count += 1
            # A new list: an open session keeps the one that it began with.
            stored = StoredMessage(f"{self._prefix}.{self._count}", content)
            maildrop.messages = [*maildrop.messages, stored]

    def remove(self, maildrop: Maildrop, unique_ids: set[str]) -> None:
        """Remove messages: the UPDATE state (RFC 1939 section 6)."""
        with self._lock:
            maildrop.messages = [message for message in maildrop.messages if message.unique_id not in unique_ids]
