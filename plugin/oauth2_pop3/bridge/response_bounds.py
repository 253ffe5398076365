"""Finds where the responses of a POP3 server end, in octets that come in blocks of any size (RFC 1939 section 3)."""

from __future__ import annotations

from oauth2_pop3.errors import Pop3Error

LINE_LIMIT = 65536
"""Octets of a line. RFC 2449 allows 512."""

_END = b"\r\n.\r\n"


class ResponseBounds:
    """Follows the stream from response to response."""

    def __init__(self) -> None:
        self._line = b""
        self._in_body = False
        self._tail = b""

    def take(self, data: bytes, at: int, *, multiline: bool) -> tuple[int, bool]:
        """Find the end of the current response in data, beginning at `at`.

        Returns how far the data belongs to the response, and whether the response is then complete.
        multiline: whether lines follow if the response is +OK. Raises Pop3Error for a line without an end.
        """
        return self._body(data, at) if self._in_body else self._status(data, at, multiline)

    def _status(self, data: bytes, at: int, multiline: bool) -> tuple[int, bool]:
        end = data.find(b"\n", at) + 1 or len(data)
        self._line += data[at:end]
        if not self._line.endswith(b"\n"):
            if len(self._line) > LINE_LIMIT:
                raise Pop3Error("the POP3 server sent a line without an end")
            return end, False
        self._in_body = multiline and self._line.startswith(b"+OK")
        self._line = b""
        self._tail = b"\r\n"  # there may be no lines at all: then the end comes first
        return end, not self._in_body

    def _body(self, data: bytes, at: int) -> tuple[int, bool]:
        across = (self._tail + data[at : at + len(_END)]).find(_END)
        if across >= 0:
            self._in_body = False
            return at + across + len(_END) - len(self._tail), True
        found = data.find(_END, at)
        if found >= 0:
            self._in_body = False
            return found + len(_END), True
        self._tail = (self._tail + data[max(at, len(data) - len(_END)) :])[1 - len(_END) :]
        return len(data), False
