"""The configuration files of mail retrievers ("hosts"): one folder for each dialect, with its Dialect.

A dialect reads its host's file without losing a byte of it: it finds places in the file, and it changes the file by
Edits of these places. It knows the host's language and no providers: the folder translation/ decides which accounts
are to sign in with OAuth 2.0, and as whom.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from oauth2_pop3.dialects.source_text import Edit, SourceText


@dataclass(frozen=True, kw_only=True)
class DialectAccount:
    """A mail account that a host's file describes, with all that it inherits from other parts of the file.

    line: the line on which it begins, from 1.
    name: its name in the file: that of a section, or of a poll.
    protocol: "pop3", "imap" or another.
    server, port: what the host connects to. The port is 0 if only the host knows it.
    username: the name that the server is given.
    uses_oauth2_pop3: it has been translated before.
    obstacle: why the dialect cannot translate it, and what the user can do: a sentence or two. "" if it can.
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
    """How a translated account signs in.

    address: the account whose token is used (`oauth2-pop3 token ADDRESS`).
    command: the name by which `oauth2-pop3` is run; its whole path, if cron would not find it by its name.
    mechanisms: the provider's SASL mechanisms, the preferred one first; empty if it takes any.
    ca_certs: a file with the provider's own certificate authorities, "" if it has none.
    port, starttls: how the provider's POP3 server is reached.
    """

    address: str
    command: str = "oauth2-pop3"
    mechanisms: tuple[str, ...] = ()
    ca_certs: str = ""
    port: int = 995
    starttls: bool = False


@dataclass(frozen=True)
class Translation:
    """The edits of a file. remarks: what the user should know about the translated accounts, by their numbers."""

    edits: Sequence[Edit]
    remarks: Mapping[int, Sequence[str]] = field(default_factory=dict)


class DialectFile(ABC):
    """A file that was read. secrets: the places of its passwords (start and end offset), which are never shown."""

    source: SourceText
    accounts: Sequence[DialectAccount]
    secrets: Sequence[tuple[int, int]] = ()

    @abstractmethod
    def translate(self, sign_ins: Mapping[int, SignIn], *, keep_type: bool = False) -> Translation:
        """Let accounts sign in by OAuth 2.0. All others keep every byte.

        An account without an obstacle can always be translated, with one exception: if it can only be translated
        together with others that are not in sign_ins, it is left as it is, and its remark says so.

        sign_ins: the accounts to translate, by their number in `accounts`.
        keep_type: use the host's own OAuth 2.0, with `oauth2-pop3 token`. Dialects that cannot keep the type ignore it.
        """


class Dialect(ABC):
    """Reads the configuration language of one host."""

    name: ClassVar[str]
    """The file's usual name, without a dot before it: ``getmailrc``, ``fetchmailrc``, ``mpoprc``."""
    locations: ClassVar[Sequence[str]] = ()
    """The files that the host reads, or directories of them: ``~/.fetchmailrc``."""
    can_keep_type: ClassVar[bool] = False
    """Whether the host also has OAuth 2.0 of its own, so that `translate` can use either."""

    @abstractmethod
    def recognises(self, file_name: str, content: bytes) -> bool:
        """Tell whether this looks like one of the dialect's files; never raises."""

    @abstractmethod
    def read(self, file_name: str, content: bytes) -> DialectFile:
        """Find the accounts of a file. Raises DialectError, which names the place and what is expected there."""


def is_our_command(words: Sequence[str], subcommand: str) -> bool:
    """Tell whether a command line runs this subcommand of oauth2-pop3, with or without a path before the name."""
    return len(words) > 1 and words[0].rpartition("/")[2] == "oauth2-pop3" and words[1] == subcommand
