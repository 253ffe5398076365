"""How the sandbox's token endpoint knows the client, and how it refuses in the act's own words."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from oauthlib.oauth2.rfc6749.errors import OAuth2Error

if TYPE_CHECKING:
    from collections.abc import Mapping


class RefusalError(OAuth2Error):
    """A refusal with exactly the body that the act has for its cause (RFC 6749 section 5.2)."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.error = body["error"]
        super().__init__(description=body.get("error_description"))
        self.status_code = 401 if self.error == "invalid_client" else 400
        self._body = body

    @property
    def json(self) -> str:
        """The body, with members that RFC 6749 does not know."""
        return json.dumps(self._body)


@dataclass(frozen=True)
class RegisteredClient:
    """The one client (RFC 6749 section 2)."""

    client_id: str


def basic_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Read client_id and client_secret from HTTP Basic (RFC 6749 section 2.3.1), if they are there."""
    scheme, _, encoded = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(client_id), unquote_plus(secret)
