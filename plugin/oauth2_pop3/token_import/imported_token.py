"""What the file of another program says of an account. Each format has a module with recognises() and read().

The files are read and never written.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from oauth2_pop3.access_token_cache import LATEST
from oauth2_pop3.errors import ConfigError

SIZE_LIMIT = 1024 * 1024
"""Octets of such a file."""


@dataclass(frozen=True, kw_only=True)
class ImportedToken:
    """What such a file says of one account; its repr shows no secret.

    program: what wrote the file.
    address: "" if the file does not say whose token it is.
    expires_at: seconds since the epoch, 0 if it is not known.
    problem: a sentence that says why this account cannot be imported; "" if it can.
    """

    program: str
    address: str = ""
    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    expires_at: int = 0
    scope: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_endpoint: str = ""
    problem: str = ""

    def require_text(self) -> None:
        """Raise ConfigError if something in it could be sent to no server: a control character, half a letter.

        Tokens are ASCII (RFC 6749 appendix A).
        """
        for key in (
            "address",
            "scope",
            "client_id",
            "client_secret",
            "token_endpoint",
            "refresh_token",
            "access_token",
        ):
            value: str = getattr(self, key)
            if not value.isprintable() or (key.endswith("_token") and not value.isascii()):
                raise ConfigError(
                    f"the {key.replace('_', ' ')} in the file is damaged",
                    hint="Look at the file, or sign in with: oauth2-pop3 login",
                )


def json_object(content: bytes) -> dict[str, object]:
    """The content as a JSON object; {} if it is not one."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def text(document: dict[str, object], key: str) -> str:
    """A member that must be a string, or may be missing. Raises ConfigError for anything else."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"its {key} is not a string")
    return value


def moment(value: object) -> int:
    """Seconds since the epoch, which some programs write as a string; 0 for anything else."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0
    return int(seconds) if math.isfinite(seconds) and 0 < seconds < LATEST else 0
