"""The configuration of fetchmail 7's contrib/fetchmail-oauth2.py: lines of key=value that name two token files."""

from __future__ import annotations

from pathlib import Path

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.token_import.imported_token import SIZE_LIMIT, ImportedToken

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
        raise ConfigError(f"its refresh_token_file {settings['refresh_token_file']} cannot be read, or is empty")
    access_token, written_at = _first_line(settings.get("access_token_file", ""))
    max_age = settings.get("max_age_sec", "")
    return [
        ImportedToken(
            program=PROGRAM,
            refresh_token=refresh_token,
            access_token=access_token,
            expires_at=written_at + (int(max_age) if max_age.isdecimal() else _MAX_AGE) if access_token else 0,
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
    """The first line of a file, and when it was written; ("", 0) if it cannot be read."""
    try:
        with Path(name).open("rb") as file:
            line = file.readline(SIZE_LIMIT).decode("ascii", "replace").rstrip()
            return line, int(Path(name).stat().st_mtime)
    except (OSError, ValueError):
        return "", 0
