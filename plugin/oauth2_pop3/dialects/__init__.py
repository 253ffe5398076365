"""The configuration files of mail retrievers: one module a dialect, each a Dialect.

A dialect reads its host's file without losing a byte of it. Accounts are found in it by position, so that an edit
touches what it must and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class DialectAccount:
    """A mail account that a host's file describes. line: where it begins, from 1. protocol: "pop3" or "imap"."""

    line: int
    protocol: str
    server: str
    port: int
    username: str


class Dialect(ABC):
    """Reads the configuration language of one host."""

    name: ClassVar[str]
    """The file's usual name without its dot: ``getmailrc``, ``fetchmailrc``, ``mpoprc``."""

    @abstractmethod
    def recognises(self, file_name: str, content: bytes) -> bool:
        """Tell whether this looks like one of the dialect's files."""

    @abstractmethod
    def accounts(self, file_name: str, content: bytes) -> list[DialectAccount]:
        """All mail accounts in the file, in its order; raises DialectError where it cannot be read."""
