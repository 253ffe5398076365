"""The configuration files of mail retrievers: one module a dialect, each a Dialect.

A dialect reads its host's file without losing a byte of it: what it finds are places in the file, and what it
changes are Edits of these places. It knows its host's language and nothing of providers: translation.py decides
which accounts are to sign in by OAuth 2.0, and as whom.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from oauth2_pop3.dialects.source_text import Edit, SourceText


@dataclass(frozen=True, kw_only=True)
class DialectAccount:
    """A mail account that a host's file describes, with everything resolved that it inherits.

    line: where it begins, from 1. name: what the file calls it: a section, a poll's name. protocol: "pop3", "imap" or
    another. server, port: where its host connects to; port 0 if only the host knows. username: as the server gets it.
    uses_oauth2_pop3: it is translated already. obstacle: why it cannot be translated, as far as the dialect sees, and
    what the person can do: a sentence or two; "" for nothing.
    """

    line: int
    name: str
    protocol: str
    server: str
    port: int = 0
    username: str
    uses_oauth2_pop3: bool = False
    obstacle: str = ""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """What an account is to become. address: whose token it uses (`oauth2-pop3 token ADDRESS`).

    command: what `oauth2-pop3` is called by: a path, where cron would not find it. mechanisms: the provider's, the
    preferred one first; empty where it takes any. ca_certs: the provider's own certificate authorities, if it has some.
    port, starttls: the provider's.
    """

    address: str
    command: str = "oauth2-pop3"
    mechanisms: tuple[str, ...] = ()
    ca_certs: str = ""
    port: int = 995
    starttls: bool = False


@dataclass(frozen=True)
class Translation:
    """What to change. remarks: what a person has to know of each account that was translated, by its number."""

    edits: Sequence[Edit]
    remarks: Mapping[int, Sequence[str]] = field(default_factory=dict)


class DialectFile(ABC):
    """One file, read. secrets: where passwords stand in it (start and end offsets), which are never shown."""

    source: SourceText
    accounts: Sequence[DialectAccount]
    secrets: Sequence[tuple[int, int]] = ()

    @abstractmethod
    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """Let accounts (by their number in `accounts`) sign in by OAuth 2.0; all others keep every byte.

        keep_type: with the host's own means and `oauth2-pop3 token` alone, where the dialect has two ways. An account
        without an obstacle can always be translated; where one can only be so together with others that are not in
        sign_ins, it is left as it is, and its remark says so.
        """


class Dialect(ABC):
    """Reads the configuration language of one host."""

    name: ClassVar[str]
    """The file's usual name without its dot: ``getmailrc``, ``fetchmailrc``, ``mpoprc``."""
    locations: ClassVar[Sequence[str]] = ()
    """Where the host looks for its file, or for a directory of them: ``~/.fetchmailrc``."""

    @abstractmethod
    def recognises(self, file_name: str, content: bytes) -> bool:
        """Tell whether this looks like one of the dialect's files; never raises."""

    @abstractmethod
    def read(self, file_name: str, content: bytes) -> DialectFile:
        """Find its accounts. Raises DialectError (file, line, column, the words, what is expected there)."""


def is_our_command(words: Sequence[str], subcommand: str) -> bool:
    """Tell whether a command line runs a subcommand of oauth2-pop3, wherever that is installed."""
    return len(words) > 1 and words[0].rpartition("/")[2] == "oauth2-pop3" and words[1] == subcommand
