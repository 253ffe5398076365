"""The configuration of emailproxy (email-oauth2-proxy), whose tokens are encrypted with each account's password.

Fernet, with a key of PBKDF2-HMAC-SHA256 from the password, the account's token_salt and token_iterations, or 100,000
rounds if the file does not have them (it was written before October 2023).
"""

from __future__ import annotations

import base64
import binascii
import configparser
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.token_import.imported_token import ImportedToken, moment

PROGRAM = "emailproxy"
_ROUNDS = 100_000
_MOST_ROUNDS = 20_000_000


def recognises(content: bytes) -> bool:
    """Whether a section has what this program calls the salt."""
    return bool(content.startswith((b"[", b"#", b";")) or b"\n[" in content) and b"token_salt" in content


def read(content: bytes, password: Callable[[str], str]) -> list[ImportedToken]:
    """Return the accounts for which a person signs in. password: is called for each of them. Raises ConfigError."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        # configparser takes time by the square of a run of blanks within a line.
        parser.read_string(re.sub(r"[^\S\n]{100,}", " ", content.decode()))
    except (configparser.Error, ValueError):
        raise ConfigError("it is not a configuration of emailproxy that can be read") from None
    found = []
    for name in parser.sections():
        if "@" not in name or name.startswith("@"):
            continue
        found.append(_account(name, parser[name], password))
    return found


def _account(name: str, section: configparser.SectionProxy, password: Callable[[str], str]) -> ImportedToken:
    plain = ImportedToken(
        program=PROGRAM,
        address=name,
        scope=" ".join(section.get("oauth2_scope", "").split()),
        client_id=section.get("client_id", ""),
        token_endpoint=section.get("token_url", ""),
    )
    if not section.get("refresh_token"):
        flow = section.get("oauth2_flow", "")
        why = f"It signs in by {flow}, without a refresh token." if flow else "It has not signed in yet."
        return replace(plain, problem=why)
    try:
        decrypt = _decryption(section, password(name))
        encrypted = section.get("client_secret_encrypted", "")
        return replace(
            plain,
            refresh_token=decrypt(section["refresh_token"]),
            access_token=decrypt(section["access_token"]) if section.get("access_token") else "",
            expires_at=moment(section.get("access_token_expiry")),
            client_secret=section.get("client_secret", "") or (decrypt(encrypted) if encrypted else ""),
        )
    except ConfigError as error:
        return replace(plain, problem=f"{error}")


def _decryption(section: configparser.SectionProxy, password: str) -> Callable[[str], str]:
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError:
        raise ConfigError(
            "cryptography is needed to read emailproxy's tokens", hint="Run: pip install 'oauth2-pop3[jwt]'"
        ) from None
    rounds = moment(section.get("token_iterations", str(_ROUNDS)))
    if not 0 < rounds <= _MOST_ROUNDS:
        raise ConfigError("its token_iterations is not a usable number")
    try:
        salt = base64.b64decode(section.get("token_salt", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("its token_salt is damaged") from None
    fernets = [
        Fernet(
            base64.urlsafe_b64encode(
                hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "surrogateescape"), salt, number)
            )
        )
        for number in dict.fromkeys((rounds, _ROUNDS))
    ]

    def decrypt(value: str) -> str:
        for fernet in fernets:
            try:
                return fernet.decrypt(value.encode()).decode()
            except (InvalidToken, ValueError):
                continue
        raise ConfigError(
            "the password does not open its tokens",
            hint="It is the one that the mail program gives to emailproxy for this account.",
        )

    return decrypt
