"""getmail's Message from what a server has sent, so that a large one is in memory once."""

from __future__ import annotations

from typing import IO, Any

from getmailcore.exceptions import getmailDeliveryError
from getmailcore.message import Message

from oauth2_pop3.pop3.spool import Spool


class FiledMessage(Message):
    """A large message, parsed from a file, so that it is in memory once."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fromfile=file)
        self._file = file

    def flatten(self, *arguments: Any, **options: Any) -> bytes:
        """As getmail delivers it. What its generator cannot write, getmail wraps up, if it has the raw message."""
        try:
            return bytes(super().flatten(*arguments, **options))
        except getmailDeliveryError:
            self._file.seek(0)
            whole = Message(fromstring=self._file.read())
            whole.copyattrs(self)
            return bytes(whole.flatten(*arguments, **options))


def message_from(spool: Spool) -> Any:
    """What getmail makes of it from memory: from a file it would turn a bare CR into LF, and keep a BOM."""
    file = spool.file()
    if file is not None and not spool.has_bare_cr and file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
        return FiledMessage(file)
    content = spool.content()
    return Message(fromstring=content) if content else Message(fromlines=[b""])
