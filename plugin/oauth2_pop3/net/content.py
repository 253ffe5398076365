"""The content of a response: read as it comes, within a limit, and at most one layer of compression taken off.

No content coding is asked for. urllib3 would take off as many layers as a server names: two of gzip make gigabytes of
a megabyte.
"""

from __future__ import annotations

import time
import zlib
from typing import Any

from urllib3.exceptions import HTTPError, ReadTimeoutError

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import causes

_BLOCK = 16384
_GZIP = b"\x1f\x8b"
_COMPRESSED = ("gzip", "x-gzip", "deflate")
_UNREADABLE = ("br", "zstd", "compress", "x-compress")
_EITHER_HEADER, _NO_HEADER = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS  # some servers send deflate without zlib's header


def read(raw: Any, coding: str, host: str, limit: int, seconds: float) -> tuple[bytes, OAuth2Pop3Error | None]:
    """Read a response's content. Returns what came of it, and what went wrong, if something did.

    raw: urllib3's response. coding: Content-Encoding. limit: octets, both as sent and without the coding. seconds: how
    long the server may send.
    """
    fault: OAuth2Pop3Error | None
    content, fault = _received(raw, host, limit, seconds)
    coding = coding.strip().lower()
    if coding in _UNREADABLE or "," in coding:
        fault = fault or OAuthError(f"{host} sent its response in the content coding {coding}, which nobody asked for")
    elif coding in _COMPRESSED or content.startswith(_GZIP):
        plain = _decompressed(content, limit + 1)
        if plain is None:
            return content, fault or NetworkError(f"the response of {host} was damaged on the way ({coding})")
        content = plain
    if len(content) > limit:
        fault = OAuthError(f"{host} sent more than {limit} bytes")
    return content[:limit], fault


def _received(raw: Any, host: str, limit: int, seconds: float) -> tuple[bytes, NetworkError | None]:
    content, deadline = bytearray(), time.monotonic() + seconds
    read = getattr(raw, "read1", raw.read)  # urllib3 1.26 has no read1, which returns what came before a break
    try:
        while len(content) <= limit and (block := read(_BLOCK, decode_content=False)):
            content += block
            if time.monotonic() > deadline:
                return bytes(content), NetworkError(f"{host} did not send its response in full within the time for it")
    except ReadTimeoutError:
        return bytes(content), NetworkError(f"{host} did not send the rest of its response in time")
    except (HTTPError, OSError, ValueError) as error:
        return bytes(content), NetworkError(f"the response of {host} broke off: {causes.reason(error)}")
    return bytes(content), None


def _decompressed(content: bytes, limit: int) -> bytes | None:
    for window in (_EITHER_HEADER, _NO_HEADER):
        try:
            return zlib.decompressobj(window).decompress(content, limit)
        except zlib.error:
            continue
    return None
