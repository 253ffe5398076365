"""The content of a response: read as it comes, within a limit, and at most two layers of compression taken off.

No content coding is asked for. urllib3 would take off as many layers as a server names: two of gzip make gigabytes of
a megabyte. Chunks (RFC 9112 section 7.1) that http.client does not see to are taken off too.
"""

from __future__ import annotations

import re
import time
import zlib
from typing import Any

from urllib3.exceptions import HTTPError, ReadTimeoutError

from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import causes

_BLOCK = 16384
_GZIP = b"\x1f\x8b"
_COMPRESSED = {"gzip", "x-gzip", "deflate"}
_UNREADABLE = ("br", "zstd", "compress", "x-compress")
_EITHER_HEADER, _NO_HEADER = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS  # some servers send deflate without zlib's header
_LAYERS, _MEMBERS = 2, 50
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*+)?\r\n")


def read(raw: Any, coding: str, host: str, limit: int, seconds: float) -> tuple[bytes, OAuth2Pop3Error | None]:
    """Read a response's content. Returns what came of it, and what went wrong, if something did.

    raw: urllib3's response. coding: Content-Encoding. limit: octets, both as sent and without the coding. seconds: how
    long the server may send.
    """
    fault: OAuth2Pop3Error | None
    content, fault = _received(raw, host, limit, seconds)
    content = _without_chunks(content)
    codings = [name.strip() for name in coding.lower().split(",")]
    if unreadable := [name for name in _UNREADABLE if name in codings]:
        named = ", ".join(unreadable)
        fault = fault or OAuthError(f"{host} sent its response in the content coding {named}, which nobody asked for")
    said = bool(_COMPRESSED & set(codings))
    for layer in range(_LAYERS):
        if not (content.startswith(_GZIP) or _has_zlib_header(content) or (said and layer == 0)):
            break
        plain = _inflated(content, _EITHER_HEADER, limit + 1) or _inflated(content, _NO_HEADER, limit + 1)
        if not plain:
            fault = fault or NetworkError(f"the response of {host} was damaged on the way, or is not compressed at all")
            break
        content = plain
    if len(content) > limit:
        fault = OAuthError(f"{host} sent more than {limit} bytes")
    return content[:limit], fault


def _received(raw: Any, host: str, limit: int, seconds: float) -> tuple[bytes, NetworkError | None]:
    content, deadline = bytearray(), time.monotonic() + seconds
    read = getattr(raw, "read1", raw.read)  # urllib3 1.26 has no read1, which returns what came before a break
    try:
        _correct_framing(raw)
        while len(content) <= limit and (block := read(_BLOCK, decode_content=False)):
            content += block
            if time.monotonic() > deadline:
                return bytes(content), NetworkError(f"{host} did not send its response in full within the time for it")
    except ReadTimeoutError:
        return bytes(content), NetworkError(f"{host} did not send the rest of its response in time")
    except (HTTPError, OSError, ValueError) as error:
        return bytes(content), NetworkError(f"the response of {host} broke off: {causes.reason(error)}")
    return bytes(content), None


def _correct_framing(raw: Any) -> None:
    """Read to the end of the connection if chunks are announced and do not come: http.client would lose a line."""
    response: Any = getattr(raw, "_original_response", None)
    if response is not None and response.chunked and response.fp.peek(1)[:1] in (b"{", b"[", b"<", _GZIP[:1]):
        response.chunked = False


def _without_chunks(content: bytes) -> bytes:
    """Take off chunks that http.client left, as it does if another coding is named beside them.

    Nothing that is read here begins as a chunk does: neither JSON nor a compressed text.
    """
    plain, at = bytearray(), 0
    while chunk := _CHUNK.match(content, at):
        at = chunk.end() + int(chunk[1], 16)
        plain += content[chunk.end() : at]
        at += len(b"\r\n")
    return bytes(plain) or content


def _has_zlib_header(content: bytes) -> bool:
    return content[:1] == b"\x78" and int.from_bytes(content[:2]) % 31 == 0  # RFC 1950 section 2.2


def _inflated(content: bytes, window: int, limit: int) -> bytes:
    """What can be decompressed: of all members of gzip, and up to a damaged place, such as a wrong checksum."""
    plain, at, members, step = bytearray(), 0, 0, _BLOCK
    inflater = zlib.decompressobj(window)
    while at < len(content) and len(plain) < limit and members < _MEMBERS:
        before, block = inflater.copy(), content[at : at + step]
        try:
            plain += inflater.decompress(block, limit - len(plain))
        except zlib.error:
            if window == _NO_HEADER:
                return b""  # any text may begin as such a stream does
            if step == 1:
                break
            inflater, step = before, 1  # the block again, octet by octet: what comes before the damage is good
            continue
        at += len(block) - len(inflater.unused_data)
        if inflater.eof:
            if content[at : at + 2] != _GZIP:
                break
            inflater, members = zlib.decompressobj(window), members + 1
    return bytes(plain)
