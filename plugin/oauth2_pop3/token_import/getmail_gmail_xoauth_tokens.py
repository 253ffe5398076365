"""The JSON file of getmail-gmail-xoauth-tokens, which comes with getmail6."""

from __future__ import annotations

from oauth2_pop3.token_import.imported_token import ImportedToken, json_object, moment, text

PROGRAM = "getmail-gmail-xoauth-tokens"


def recognises(content: bytes) -> bool:
    """Whether it has the endpoint by this program's name for it."""
    return "token_uri" in json_object(content)


def read(content: bytes, _password: object) -> list[ImportedToken]:
    """Its one account. Raises ConfigError."""
    document = json_object(content)
    refresh_token = text(document, "refresh_token")
    return [
        ImportedToken(
            program=PROGRAM,
            address=text(document, "user"),
            refresh_token=refresh_token,
            access_token=text(document, "access_token"),
            expires_at=moment(document.get("expires_at")),
            scope=text(document, "scope"),
            client_id=text(document, "client_id"),
            client_secret=text(document, "client_secret"),
            token_endpoint=text(document, "token_uri"),
            problem="" if refresh_token else "It was never signed in with (getmail-gmail-xoauth-tokens --init).",
        )
    ]
