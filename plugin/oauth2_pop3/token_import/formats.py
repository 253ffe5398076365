"""Which files can be imported: one module for each format."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from oauth2_pop3.accounts.user_command import whole_output
from oauth2_pop3.errors import ConfigError
from oauth2_pop3.files.host_file import HostFile
from oauth2_pop3.token_import import (
    emailproxy,
    fetchmail_oauth2,
    getmail_gmail_xoauth_tokens,
    mutt_oauth2,
    sasl_xoauth2,
)
from oauth2_pop3.token_import.imported_token import SIZE_LIMIT, ImportedToken


class Format(Protocol):
    """What a module of a format has. PROGRAM: the name of the program that writes such files."""

    PROGRAM: str

    def recognises(self, content: bytes, /) -> bool:
        """Whether the program has written this."""

    def read(self, content: bytes, password: Callable[[str], str], /) -> list[ImportedToken]:
        """The accounts in it. password: asks for the password of an address, if that is needed. Raises ConfigError."""


FORMATS: tuple[Format, ...] = (
    getmail_gmail_xoauth_tokens,
    mutt_oauth2,
    sasl_xoauth2,
    fetchmail_oauth2,
    emailproxy,
)


def read_tokens(name: str, *, decryption_command: str = "", password: Callable[[str], str]) -> list[ImportedToken]:
    """The tokens in a file.

    name: the file's; "-" is standard input.
    decryption_command: reads the file and prints what is in it.
    password: asks for the password of an address, if the file is encrypted with it.

    Raises ConfigError if the file cannot be read, or if no program that is known here has written it.
    """
    content = sys.stdin.buffer.read(SIZE_LIMIT + 1) if name == "-" else HostFile.read(name).content
    if decryption_command and len(content) <= SIZE_LIMIT:
        content = whole_output(decryption_command, what="the decryption command", stdin=content)
    if len(content) > SIZE_LIMIT:
        raise ConfigError(f"{name} is larger than 1 MiB: it is not a file of tokens")
    try:
        for form in FORMATS:
            if form.recognises(content):
                return form.read(content, password)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.message}", hint=error.hint) from error
    known = ", ".join(form.PROGRAM for form in FORMATS)
    hint = "If it is encrypted, give --decryption-command, such as 'gpg --decrypt'."
    raise ConfigError(f"{name} is not a file of {known}", hint=hint)
