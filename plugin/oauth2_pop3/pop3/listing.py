"""LIST and UIDL: what a POP3 server says of every message, read as it comes (RFC 1939 sections 5 and 7); and STAT."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from oauth2_pop3.errors import OutOfStep, Pop3Error
from oauth2_pop3.pop3.connection import LINE_LIMIT
from oauth2_pop3.pop3.responses import text_of

Item = TypeVar("Item")

_STAT = re.compile("([0-9]{1,18}) +([0-9]{1,18})(?![^ ])")

MESSAGES_LIMIT = 1_000_000
"""Messages of a maildrop. What is remembered of so many takes up a few hundred MiB."""


class Listing(Generic[Item]):
    """Takes the lines of a response in pieces and keeps only what they say, by message number, in `found`.

    command, host: for error messages.
    convert: makes the item from the text after the number; it raises ValueError if it cannot.
    hint: what to do if a line cannot be understood.
    """

    def __init__(self, command: str, host: str, convert: Callable[[bytes], Item], hint: str = "") -> None:
        self.found: dict[int, Item] = {}
        self._command = command
        self._host = host
        self._convert = convert
        self._hint = hint
        self._rest = b""
        self._lines = 0

    def write(self, piece: bytes) -> None:
        """Take a piece; its last line may be incomplete. Raises Pop3Error."""
        whole, end, rest = piece.rpartition(b"\n")
        if not end:
            self._rest += piece  # a line is short; one that is not cannot be understood anyway
        else:
            self._read(self._rest + whole)
            self._rest = rest
        if len(self._rest) > LINE_LIMIT:
            self.end()

    def end(self) -> dict[int, Item]:
        """What was found, when nothing more comes. Raises Pop3Error."""
        self._read(self._rest)
        self._rest = b""
        return self.found

    def _read(self, lines: bytes) -> None:
        split = lines.splitlines()
        self._lines += len(split)
        if self._lines > MESSAGES_LIMIT:
            raise Pop3Error(f"the POP3 server {self._host} lists more than {MESSAGES_LIMIT} messages")
        for line in split:
            try:
                number, text = line.split(None, 1)
                if not number.isdigit() or len(number) > 18 or not (at := int(number)):
                    raise ValueError
                self.found[at] = self._convert(text)
            except ValueError:
                raise Pop3Error(
                    f"the POP3 server {self._host} responded to {self._command} with {text_of(line)!r}",
                    hint=self._hint,
                ) from None


def octets_of(text: bytes) -> int:
    """The octets in a line of LIST; some servers write more after them. Raises ValueError."""
    octets = text.split(None, 1)[0]
    if not octets.isdigit() or len(octets) > 18:
        raise ValueError(text)
    return int(octets)


def unique_id_of(text: bytes) -> str:
    """A unique-id. RFC 1939 section 7 allows 0x21 to 0x7E; other hosts take whatever comes, and so must this.

    What a terminal or a seen-file could not hold is escaped. Raises ValueError if there is no unique-id.
    """
    unique_id = text.decode("utf-8", "backslashreplace")
    if not unique_id.strip():
        raise ValueError(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in unique_id)


def count_of(text: str, host: str) -> tuple[int, int]:
    """The number of messages and their octets together, in the response of `host` to STAT. Raises OutOfStep."""
    found = _STAT.match(text)
    if found is None:
        raise OutOfStep(f"the POP3 server {host} responded to STAT with {text!r}")
    return int(found[1]), int(found[2])
