"""Makes getmail's Message from what a server has sent, and keeps a large one in memory only once."""

from __future__ import annotations

from typing import IO, Any

from getmailcore.exceptions import getmailDeliveryError, getmailRetrievalError
from getmailcore.message import Message
from getmailcore.utilities import address_no_brackets

from oauth2_pop3.retrieval.spool import Spool


class FiledMessage(Message):
    """A large message, parsed from a file, so that it is in memory only once."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fromfile=file)
        self._file = file

    def flatten(self, *arguments: Any, **options: Any) -> bytes:
        """The message as getmail delivers it. If its generator fails, getmail wraps up the raw message instead."""
        try:
            return bytes(super().flatten(*arguments, **options))
        except getmailDeliveryError:
            self._file.seek(0)
            whole = Message(fromstring=self._file.read())
            whole.copyattrs(self)
            return bytes(whole.flatten(*arguments, **options))


def message_from(spool: Spool) -> Any:
    """A Message as getmail makes it from memory. From a file, getmail would turn a bare CR into LF, and keep a BOM."""
    file = spool.file()
    if file is not None and not spool.has_bare_cr and file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
        return FiledMessage(file)
    content = spool.content()
    return Message(fromstring=content) if content else Message(fromlines=[b""])


def recipient_of(message: Any, name: str, place: int) -> str:
    """The envelope's recipient, from the header field in which the server records it (multidrop).

    name: of the field, in small letters. place: which of several such fields, counted from 1.
    """
    values = [value.strip() for field, value in message.headers() if field.lower() == name]
    if place > len(values):
        raise getmailRetrievalError(
            f"the message has no field {name}:{place}, which would name its recipient; it stays on the server"
        )
    return str(address_no_brackets(values[place - 1]))
