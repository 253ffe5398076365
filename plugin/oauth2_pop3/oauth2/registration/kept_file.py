"""The file in which an issuer's client is kept, which only this user may read.

registration_access_token and registration_client_uri (RFC 7592) are kept although nothing uses them yet: the server
gives them out once, and without them this program could never delete the client at the server.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import StateError
from oauth2_pop3.files import state_files
from oauth2_pop3.files.private_file import quoted
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.registration.client import Registration
from oauth2_pop3.providers.tables import restore

_NAME_LIMIT = 200  # octets: a file's name may have 255, with what is added to it
_VERSION = 1


def lock(issuer: str) -> StateLock:
    """Return the lock to hold from reading to writing."""
    return StateLock(f"registration of {issuer if len(file_name(issuer)) <= _NAME_LIMIT else _digest(issuer)}")


def path(issuer: str) -> str:
    """Return the path of the issuer's file.

    It is named by a digest if its own name would be too long, or differs from another's only in capital letters.
    """
    name = file_name(issuer)
    if len(name) > _NAME_LIMIT or issuer != issuer.lower():
        name = _digest(issuer)
    return f"{state_files.state_directory()}/registrations/{name}.json"


def read(issuer: str) -> Registration | None:
    """Return the client that is kept; None if there is none.

    Raises StateError if its file is damaged, another user's, or open to others.
    """
    file = path(issuer)
    content = state_files.read_state(file)
    return None if content is None else _parsed(content, file, issuer)


def prepare() -> None:
    """Make the directory. Raises StateError if that fails: before the server makes a client that nobody could keep."""
    state_files.prepare(f"{state_files.state_directory()}/registrations/")


def write(registration: Registration) -> None:
    """Keep a client in its issuer's file. Call it under the lock. Raises StateError."""
    content = json.dumps({"version": _VERSION, **asdict(registration)}, indent=1) + "\n"
    state_files.write(path(registration.issuer), content.encode())


def remove(issuer: str) -> None:
    """Delete the issuer's file. Call it under the lock. Raises StateError."""
    state_files.remove(path(issuer))


def _parsed(content: bytes, file: str, issuer: str) -> Registration:
    try:
        record = json.loads(content)
        registration = restore(Registration, record)
        if record.get("version") != _VERSION or registration.issuer != issuer or not registration.client_id:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise StateError(
            f"{file} is damaged: it does not hold the client that was registered at {issuer}",
            hint=f"Restore it from a backup; or delete it with: rm {quoted(file)} and sign in again.",
        ) from None
    return registration


def _digest(issuer: str) -> str:
    return hashlib.sha256(issuer.encode("utf-8", "surrogatepass")).hexdigest()
