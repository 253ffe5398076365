"""Bridge passwords: what a client of the bridge must give if any user of the machine could have connected.

Each account or mailbox that USER may name has its own. A password opens only that one, works only on this machine, and
has nothing to do with the provider. Only a salted hash is kept, in
``$XDG_STATE_HOME/oauth2-pop3/bridge-passwords/NAME``::

    scrypt$1024$8$1$SALT$HASH       n, r, p of RFC 7914; salt and hash in hexadecimal

We choose the passwords, and they have 130 random bits, so nobody finds one by trying, however little a trial costs
(NIST SP 800-63B section 5.1.2.2 asks for no slow hash from 112 bits on). So n is small: a check takes 1 MiB and 2 ms.
200 clients may come at once, and the usual 16 MiB and 40 ms would take 3 GiB of memory and, on two cores, four seconds.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import unquote

from oauth2_pop3.access_token_cache import file_name
from oauth2_pop3.errors import StateError
from oauth2_pop3.files import state_files

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without those that are easily confused
_LENGTH = 26  # of 5 bits each
_N, _R, _P = 1024, 8, 1
_LONGEST_NAME = 200  # a file's name may have 255 octets


def make(name: str) -> str:
    """Make and return a new password, which replaces any other and is not kept. Raises StateError."""
    if len(file_name(name)) > _LONGEST_NAME:
        raise StateError(f"{name} is too long for a file name")
    password = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    salt = secrets.token_bytes(16)
    record = f"scrypt${_N}${_R}${_P}${salt.hex()}${_hash(password.encode(), salt, _N, _R, _P).hex()}\n"
    with state_files.StateLock(name):
        state_files.write_state(_path(name), record.encode())
    return password


def remove(name: str) -> bool:
    """Delete a password; returns whether there was one. Raises StateError."""
    there = os.path.lexists(_path(name))
    state_files.remove(_path(name))
    return there


def names() -> list[str]:
    """The accounts and mailboxes that have a bridge password."""
    return sorted(unquote(path.name) for path in Path(_directory()).glob("*") if path.suffix != ".tmp")


def reason_to_refuse(name: str, password: bytes) -> str | None:
    """Why the password is refused, for the administrator but not for the client; None if it is right.

    This takes as long for a name that has no password, so that nobody can find out which names there are.
    """
    why, record = _record(name)
    salt, expected, (n, r, p) = record or (bytes(16), bytes(64), (_N, _R, _P))
    equal = hmac.compare_digest(_hash(password, salt, n, r, p), expected)
    if record is None:
        return why
    return None if equal else f"the bridge password of {name} was wrong"


_Record = tuple[bytes, bytes, tuple[int, int, int]]


def _record(name: str) -> tuple[str, _Record | None]:
    """The salt, the hash, and n, r and p; or the reason why there are none."""
    none = f"{name} has no bridge password. If it is an account or mailbox, run: oauth2-pop3 bridge-password {name}"
    if len(file_name(name)) > _LONGEST_NAME:
        return none, None
    try:
        content = state_files.read_state(_path(name))
    except StateError as error:
        return str(error), None
    if content is None:
        return none, None
    try:
        scheme, n, r, p, salt, expected = content.decode("ascii").strip().split("$")
        cost = int(n), int(r), int(p)
        if scheme != "scrypt" or not 2 <= cost[0] <= 1 << 16 or not 1 <= cost[1] <= 8 or not 1 <= cost[2] <= 4:
            raise ValueError(scheme)
        return "", (bytes.fromhex(salt), bytes.fromhex(expected), cost)
    except ValueError:
        return f"{_path(name)} is damaged. Run: oauth2-pop3 bridge-password {name}", None


def _hash(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=1 << 27)


def _directory() -> str:
    return f"{state_files.state_directory()}/bridge-passwords"


def _path(name: str) -> str:
    return f"{_directory()}/{file_name(name)}"
