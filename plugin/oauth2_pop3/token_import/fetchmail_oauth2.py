"""The configuration of fetchmail 7's contrib/fetchmail-oauth2.py: lines of key=value that name two token files."""

from __future__ import annotations

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files.private_file import read_regular
from oauth2_pop3.token_import.imported_token import SIZE_LIMIT, ImportedToken, moment

PROGRAM = "fetchmail-oauth2"
_GOOGLE = "https://accounts.google.com/o/oauth2/token"
_MAX_AGE = 3000
"""Seconds for which the script uses an access token, if max_age_sec does not say."""


def recognises(content: bytes) -> bool:
    """Whether it names a refresh_token_file."""
    return "refresh_token_file" in _settings(content)


def read(content: bytes, _password: object) -> list[ImportedToken]:
    """Its one account, whose address it does not know. Raises ConfigError."""
    settings = _settings(content)
    refresh_token, _ = _first_line(settings["refresh_token_file"])
    if not refresh_token:
        raise ConfigError(f"its refresh_token_file {settings['refresh_token_file']} is empty, or is not there")
    access_token, written_at = _first_line(settings.get("access_token_file", ""))
    max_age = settings.get("max_age_sec", "")
    lifetime = int(max_age) if max_age.isdecimal() and len(max_age) < 16 else _MAX_AGE
    return [
        ImportedToken(
            program=PROGRAM,
            refresh_token=refresh_token,
            access_token=access_token,
            expires_at=moment(written_at + lifetime) if access_token else 0,
            scope=settings.get("scope", "https://mail.google.com/"),
            client_id=settings.get("client_id", ""),
            client_secret=settings.get("client_secret", ""),
            token_endpoint=settings.get("token_url", _GOOGLE),
        )
    ]


def _settings(content: bytes) -> dict[str, str]:
    lines = (line.strip().partition("=") for line in content.decode("utf-8", "replace").splitlines())
    return {key: value for key, equals, value in lines if equals}


def _first_line(name: str) -> tuple[str, int]:
    """The first line of a file, and when it was written; ("", 0) if there is none. Raises ConfigError."""
    found = read_regular(name, ConfigError, limit=SIZE_LIMIT) if name else None
    if found is None:
        return "", 0
    content, status = found
    return content.partition(b"\n")[0].decode("ascii", "replace").rstrip(), int(status.st_mtime)
