"""XOAUTH2 and OAUTHBEARER as functions without input or output: what the client sends, and what a refusal says.

OAUTHBEARER is RFC 7628; XOAUTH2 is Google's and Microsoft's older mechanism
(https://developers.google.com/workspace/gmail/imap/xoauth2-protocol).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Sequence

from oauth2_pop3.errors import ConfigError, Pop3Error
from oauth2_pop3.providers.provider import MECHANISMS, XOAUTH2

MAY_BE_TOO_LONG = 2900
"""Characters of an access token. A shorter one is never too long for the programs that LONGEST_COMMAND describes."""
LONGEST_COMMAND = 4093
"""Octets of the longest line that mpop before 1.4.22 sends. msmtp 1.8.23 sends one more. Found by experiment."""

_SEPARATOR = "\x01"


def initial_response(mechanism: str, user: str, access_token: str, *, host: str, port: int) -> bytes:
    """The client's first message, not yet in base64.

    user: the mailbox.
    host, port: the server that the client has connected to; "" and 0 leave them out.

    Raises ConfigError if a value contains a character that would end its field.
    """
    if any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in user + access_token + host):
        raise ConfigError("the user name, the host or the access token contains a control character, or is not text")
    bearer = f"auth=Bearer {access_token}"
    if mechanism == XOAUTH2:
        parts = [f"user={user}", bearer]
    else:  # RFC 7628 section 3.1, with the gs2 header of RFC 5801 section 4
        authzid = user.replace("=", "=3D").replace(",", "=2C")
        server = [f"host={host}"] * bool(host) + [f"port={port}"] * bool(port)
        parts = [f"n,a={authzid},", *server, bearer]
    return (_SEPARATOR.join(parts) + _SEPARATOR * 2).encode()


def encode(message: bytes) -> bytes:
    """Base64 on one line (RFC 5034 section 4)."""
    return base64.b64encode(message)


def too_long_remark(user: str, access_token: str) -> str:
    """What to tell a person about a token that some mail programs cannot send because it is too long; else ""."""
    line = encode(initial_response(XOAUTH2, user, access_token, host="", port=0))
    if len(line) <= LONGEST_COMMAND:
        return ""
    return (
        f"the access token has {len(access_token)} characters, {len(line)} when encoded; mpop before 1.4.22 and "
        f"msmtp 1.8.23 send no more than {LONGEST_COMMAND}, so they cannot sign in with it"
    )


def response_to_refusal(mechanism: str) -> bytes:
    """What the client sends to end a refused exchange (RFC 7628 section 3.2.3).

    It is an empty line for XOAUTH2, and %x01 for OAUTHBEARER.
    """
    return b"" if mechanism == XOAUTH2 else _SEPARATOR.encode()


def read_refusal(challenge: str) -> dict[str, str]:
    """The JSON of a refusal: status, scope, openid-configuration ... (RFC 7628 section 3.2.2); {} if it is not JSON."""
    try:
        details = json.loads(base64.b64decode(challenge, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    if not isinstance(details, dict):
        return {}
    return {str(key): str(value) for key, value in details.items()}


def choose(offered: Collection[str], *, wanted: str = "auto", preferred: Sequence[str] = ()) -> str:
    """Choose the mechanism to use. Raises Pop3Error if the server does not offer it.

    offered: the mechanisms in CAPA's SASL line; empty if the server does not say.
    wanted: the user's own choice, or "auto".
    preferred: the provider's order.
    """
    names = [name.lower() for name in offered]
    candidates = (wanted,) if wanted != "auto" else tuple(dict.fromkeys((*preferred, *MECHANISMS)))
    if not names:
        return candidates[0]
    for mechanism in candidates:
        if mechanism in names:
            return mechanism
    raise Pop3Error(
        f"the POP3 server does not offer {' or '.join(m.upper() for m in candidates)}, but {' '.join(offered)}",
        hint="Check that this is the provider's POP3 server, and that OAuth 2.0 is switched on for the mailbox.",
    )
