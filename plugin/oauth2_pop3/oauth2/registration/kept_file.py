"""The file in which an issuer's client is kept, for this user's eyes alone."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
from dataclasses import asdict, fields
from typing import Any

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import StateError
from oauth2_pop3.files import state_files
from oauth2_pop3.files.state_files import StateLock
from oauth2_pop3.oauth2.registration.client import Registration

_SIZE_LIMIT = 1 << 18
_NAME_LIMIT = 200  # octets: a file's name may have 255 with what is put around it
_VERSION = 1


def lock(issuer: str) -> StateLock:
    """The lock to hold from reading to writing."""
    return StateLock(f"registration of {issuer if len(file_name(issuer)) <= _NAME_LIMIT else _digest(issuer)}")


def path(issuer: str) -> str:
    """The issuer's file; under a digest, where its own name would be too long, or another's but for capitals."""
    name = file_name(issuer)
    if len(name) > _NAME_LIMIT or issuer != issuer.lower():
        name = _digest(issuer)
    return f"{state_files.state_directory()}/registrations/{name}.json"


def read(issuer: str) -> Registration | None:
    """The client that is kept; None where there is none. Raises StateError: damaged, or not ours alone."""
    file = path(issuer)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot read {file}: {error.strerror}", hint="Look at what it is.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StateError(f"cannot read {file}: it is not a file", hint="Move it out of the way.")
        if status.st_uid != os.geteuid():
            raise StateError(
                f"{file} belongs to another user (uid {status.st_uid})", hint=f"Run as that user, or delete {file}"
            )
        if status.st_mode & 0o077:
            raise StateError(
                f"{file} is open to others (mode {stat.S_IMODE(status.st_mode):04o})", hint=f"Run: chmod 600 {file}"
            )
        return _parsed(os.read(descriptor, _SIZE_LIMIT), file, issuer)
    finally:
        os.close(descriptor)


def prepare() -> None:
    """Make the directory: one that cannot be made has to show before the server has a client that nobody knows."""
    state_files.private_directory(state_files.state_directory())
    state_files.private_directory(f"{state_files.state_directory()}/registrations")


def write(registration: Registration) -> None:
    """Keep a client in its issuer's file. Call it under the lock. Raises StateError."""
    content = json.dumps({"version": _VERSION, **asdict(registration)}, indent=1) + "\n"
    state_files.write(path(registration.issuer), content.encode())


def remove(issuer: str) -> None:
    """Delete the issuer's file. Call it under the lock. Raises StateError."""
    state_files.remove(path(issuer))
    state_files.remove(f"{path(issuer)}.tmp")  # of a process that was killed


def _parsed(content: bytes, file: str, issuer: str) -> Registration:
    try:
        record = json.loads(content)
        values: dict[str, Any] = {f.name: _value(record[f.name], str(f.type)) for f in fields(Registration)}
        registration = Registration(**values)
        if record["version"] != _VERSION or registration.issuer != issuer or not registration.client_id:
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StateError(
            f"{file} is damaged: it does not hold the client that was registered at {issuer}",
            hint=f"Restore it from a backup; or delete it with: rm {shlex.quote(file)} and sign in again.",
        ) from None
    return registration


def _value(value: object, kind: str) -> object:
    """A value of a field's type. Raises TypeError."""
    if kind.startswith("tuple"):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value).__name__ == kind:
        return value
    raise TypeError


def _digest(issuer: str) -> str:
    return hashlib.sha256(issuer.encode("utf-8", "surrogatepass")).hexdigest()
