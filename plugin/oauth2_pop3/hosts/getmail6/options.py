"""The options that a getmailrc's ``[retriever]`` section may have with ``type = oauth2-pop3``.

Named and written as those of getmail's own classes where these have them: true is true, yes, on or 1, a list of
strings is ``('a', 'b')``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.pop3.dialogue import WINDOW
from oauth2_pop3.providers.provider import MECHANISMS

_SUPERFLUOUS = ("password_command", "use_xoauth2", "use_apop", "ssl_version")
_FILES = ("ca_certs", "certfile", "keyfile")
_NOT_THE_ENVELOPE = ("to", "cc", "bcc", "received", "resent-to", "resent-cc", "resent-bcc")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the file says, read.

    username: the mailbox. account: whose token signs in, if not the mailbox's own (a shared mailbox). server, port,
    starttls: default from the provider. timeout: seconds of silence that are borne. mechanism: auto, xoauth2 or
    oauthbearer. read_ahead: messages on their way before getmail asks for them; 0: none. unique_ids = false: for
    servers whose UIDL cannot be relied on; every message is new then.
    envelope_recipient: FIELD[:NUMBER] that names whom a message of a multidrop maildrop is for.
    allow_insecure_loopback: no TLS, to a server on this machine alone.
    """

    username: str
    account: str
    server: str = ""
    port: int = 0
    timeout: int = 180
    mechanism: str = "auto"
    starttls: bool | None = None
    read_ahead: int = 128
    unique_ids: bool = True
    delete_dup_msgids: bool = False
    envelope_recipient: str = ""
    ca_certs: str = ""
    certfile: str = ""
    keyfile: str = ""
    ssl_fingerprints: tuple[str, ...] = ()
    ssl_ciphers: str = ""
    ssl_cert_hostname: str = ""
    allow_insecure_loopback: bool = False
    superfluous: tuple[str, ...] = ()

    @classmethod
    def names(cls) -> list[str]:
        """Every option's name, those of the stock classes that say nothing here included."""
        return [f.name for f in fields(cls) if f.name != "superfluous"] + list(_SUPERFLUOUS)

    @property
    def envelope_field(self) -> tuple[str, int]:
        """The field's name in small letters, and which of several, counted from 1."""
        name, _, number = self.envelope_recipient.partition(":")
        return name.strip().lower(), int(number or 1)


def read_options(conf: Mapping[str, Any]) -> Options:
    """Read what getmail hands over, where everything is text or None. Raises ConfigError that names the option."""
    text = {name: str(conf[name]).strip() for name in Options.names() if str(conf.get(name) or "").strip()}
    if "username" not in text:
        raise ConfigError("username is missing", hint="Set it to the mailbox's address.")
    read: dict[str, Any] = {"account": text["username"]}
    for option in fields(Options):
        if option.name in text:
            read[option.name] = _value(option.name, str(option.type), text[option.name])
    read["superfluous"] = tuple(name for name in ("password", *_SUPERFLUOUS) if conf.get(name) not in (None, ""))
    options = Options(**read)
    _check(options)
    return options


def _value(name: str, kind: str, text: str) -> object:
    if name == "read_ahead":
        if not re.fullmatch("[0-9]{1,3}", text) or int(text) > WINDOW:
            raise ConfigError(f"{name} = {text} is not a number of messages from 0 to {WINDOW}")
        return int(text)
    if kind == "int":
        if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
            raise ConfigError(f"{name} = {text} is not a whole number from 1 to 65535")
        return int(text)
    if kind.startswith("bool"):
        if text.lower() in ("true", "yes", "on", "1"):
            return True
        if text.lower() in ("false", "no", "off", "0"):
            return False
        raise ConfigError(f"{name} = {text} is neither true nor false")
    if kind.startswith("tuple"):
        try:
            strings = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            strings = None
        if not isinstance(strings, tuple | list) or not all(isinstance(item, str) for item in strings):
            raise ConfigError(f"{name} = {text} is not a list of strings", hint="Write it as ('a', 'b') or ('a',).")
        return tuple(strings)
    if name == "mechanism":
        return text.lower()
    if name in _FILES and not _is_file(text):
        raise ConfigError(f"{name} = {text}: there is no such file")
    return text


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _check(options: Options) -> None:
    if options.mechanism not in ("auto", *MECHANISMS):
        raise ConfigError(f"mechanism = {options.mechanism} is unknown", hint=f"Use auto, {' or '.join(MECHANISMS)}.")
    if options.envelope_recipient:
        if not re.fullmatch(r"[!-9;-~]+\s*(:\s*0*[1-9][0-9]{0,3})?", options.envelope_recipient.strip()):
            raise ConfigError(f"envelope_recipient = {options.envelope_recipient} is not FIELD or FIELD:NUMBER")
        if options.envelope_field[0] in _NOT_THE_ENVELOPE:
            raise ConfigError(
                f"envelope_recipient = {options.envelope_recipient}: that field does not record the envelope",
                hint="Use the field that the server writes at delivery, often Delivered-To or X-Envelope-To.",
            )
