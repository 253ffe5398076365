"""The JSON of mutt's and neomutt's mutt_oauth2.py, decrypted, and of PyPI's mutt-oauth2, as it is in the keyring.

The first has its client in the script and the time in local time without a zone; the second has both in the JSON.
"""

from __future__ import annotations

from datetime import datetime

from oauth2_pop3.token_import.imported_token import ImportedToken, json_object, moment, text

PROGRAM = "mutt_oauth2"
_TOKEN_ENDPOINTS = {
    "google": "https://oauth2.googleapis.com/token",
    "microsoft": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
}
"""The script's own registrations, by name."""


def recognises(content: bytes) -> bool:
    """Whether it has this program's members."""
    return {"registration", "access_token_expiration"} <= json_object(content).keys()


def read(content: bytes, _password: object) -> list[ImportedToken]:
    """Its one account. Raises ConfigError."""
    document = json_object(content)
    registration = document["registration"]
    if isinstance(registration, dict):
        token_endpoint, scope = text(registration, "token_endpoint"), text(registration, "scope")
    else:
        token_endpoint, scope = _TOKEN_ENDPOINTS.get(text(document, "registration"), ""), ""
    refresh_token = text(document, "refresh_token")
    return [
        ImportedToken(
            program=PROGRAM,
            address=text(document, "email"),
            refresh_token=refresh_token,
            access_token=text(document, "access_token"),
            expires_at=_moment(document["access_token_expiration"]),
            scope=scope,
            client_id=text(document, "client_id"),
            client_secret=text(document, "client_secret"),
            token_endpoint=token_endpoint,
            problem="" if refresh_token else "It was never signed in with (mutt_oauth2 --authorize).",
        )
    ]


def _moment(value: object) -> int:
    if isinstance(value, str):
        try:
            return moment(datetime.fromisoformat(value).timestamp())
        except (ValueError, OverflowError, OSError):
            return moment(value)
    return moment(value)
