"""The JSON token file of sasl-xoauth2, the Cyrus SASL plugin that Postfix users have.

The client may be in the token file or in /etc/sasl-xoauth2.conf for all of them (its manual page,
sasl-xoauth2.conf(5)); the endpoint is Google's, if neither says another.
"""

from __future__ import annotations

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files.private_file import read_regular
from oauth2_pop3.token_import.imported_token import SIZE_LIMIT, ImportedToken, json_object, moment, text

PROGRAM = "sasl-xoauth2"
CONFIG = "/etc/sasl-xoauth2.conf"
_GOOGLE = "https://accounts.google.com/o/oauth2/token"


def recognises(content: bytes) -> bool:
    """Whether it has a refresh token, and none of the other programs' members."""
    keys = json_object(content).keys()
    return "refresh_token" in keys and not keys & {"token_uri", "registration"}


def read(content: bytes, _password: object) -> list[ImportedToken]:
    """Its one account. Raises ConfigError."""
    document = json_object(content)
    for_all = _config()
    client_id = text(document, "client_id")
    refresh_token = text(document, "refresh_token")
    return [
        ImportedToken(
            program=PROGRAM,
            address=text(document, "user"),
            refresh_token=refresh_token,
            access_token=text(document, "access_token"),
            expires_at=moment(document.get("expiry")),
            client_id=client_id or text(for_all, "client_id"),
            client_secret=text(document, "client_secret") or ("" if client_id else text(for_all, "client_secret")),
            token_endpoint=text(document, "token_endpoint") or text(for_all, "token_endpoint") or _GOOGLE,
            problem="" if refresh_token else "Its refresh_token is empty.",
        )
    ]


def _config() -> dict[str, object]:
    try:
        found = read_regular(CONFIG, ConfigError, limit=SIZE_LIMIT)
    except ConfigError:  # Postfix's own, which this user need not be able to read
        return {}
    return json_object(found[0]) if found else {}
