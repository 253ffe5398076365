"""A client's response in XOAUTH2 and OAUTHBEARER, parsed as strictly as their documents define it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

# RFC 6750 section 2.1: b64token.
_BEARER = re.compile(r"Bearer ([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
_XOAUTH2 = re.compile(r"user=([^\x01]+)\x01auth=([^\x01]+)\x01\x01")
# RFC 7628 section 3.1: gs2-header, then key/value pairs, each ended by ^A, and one ^A more.
_OAUTHBEARER = re.compile(r"[ny],(?:a=([^,\x01]+))?,\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01")


class BearerResponse(NamedTuple):
    """A client's response. user: whose maildrop it wants; "" for that of the token's own account."""

    user: str
    access_token: str


def parse_response(mechanism: str, line: str) -> BearerResponse:
    """Parse a client's base64 line. Raises ValueError if it is not a response of this mechanism."""
    try:
        text = base64.b64decode(line, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("not base64 of UTF-8") from error
    if mechanism == "XOAUTH2":
        match = _XOAUTH2.fullmatch(text)
        if not match:
            raise ValueError("not an XOAUTH2 response")
        user, auth = match.groups()
    else:
        match = _OAUTHBEARER.fullmatch(text)
        if not match:
            raise ValueError("not an OAUTHBEARER response")
        pairs = dict(pair.split("=", 1) for pair in match[2].split("\x01") if pair)
        user = (match[1] or "").replace("=2C", ",").replace("=3D", "=")
        auth = pairs.get("auth", "")
    bearer = _BEARER.fullmatch(auth)
    if not bearer:
        raise ValueError("not a bearer token")
    return BearerResponse(user, bearer[1])
