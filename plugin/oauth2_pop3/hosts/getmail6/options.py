"""The options that a getmailrc's ``[retriever]`` section may have with ``type = oauth2-pop3``.

Options that getmail's own classes have too are named and written as there. True is true, yes, on or 1; a list of
strings is ``('a', 'b')``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.pop3.dialogue import WINDOW
from oauth2_pop3.pop3.maildrop import MaildropServer
from oauth2_pop3.pop3.read_ahead import ReadAheadLimits
from oauth2_pop3.providers.provider import MECHANISMS, Provider
from oauth2_pop3.retrieval.reconnection import PAUSES

_LONGEST_PAUSE = 3600
_SUPERFLUOUS = ("password_command", "use_xoauth2", "use_apop", "ssl_version")
_NOT_THE_ENVELOPE = ("to", "cc", "bcc", "received", "resent-to", "resent-cc", "resent-bcc")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options as values.

    username: the mailbox.
    account: whose token signs in, if not the mailbox's own (a shared mailbox).
    server, port, starttls: if not set, the provider's.
    timeout: seconds the server may stay silent.
    mechanism: auto, xoauth2 or oauthbearer.
    read_ahead: how many messages are requested before getmail asks for them; 0 turns reading ahead off.
    reconnect_pauses: seconds to wait before each attempt to continue after the connection dropped; () for none.
    unique_ids: set to false if the server's UIDL is not reliable. Then every message is new.
    envelope_recipient: FIELD[:NUMBER], the header field that names the recipient of a message (multidrop).
    allow_insecure_loopback: do without TLS; only to a server on this machine.
    superfluous: options in the file that have no effect here.
    """

    username: str
    account: str
    server: str = ""
    port: int = 0
    timeout: int = 180
    mechanism: str = "auto"
    starttls: bool | None = None
    read_ahead: int = ReadAheadLimits.messages
    reconnect_pauses: tuple[float, ...] = PAUSES
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
        """Every option's name, including those of getmail's own classes that have no effect here."""
        return [f.name for f in fields(cls) if f.name != "superfluous"] + list(_SUPERFLUOUS)

    @property
    def envelope_field(self) -> tuple[str, int]:
        """The field's name in small letters, and which of several such fields, counted from 1."""
        name, _, number = self.envelope_recipient.partition(":")
        return name.strip().lower(), int(number or 1)

    def maildrop_server(self, provider: Provider) -> MaildropServer:
        """The server to connect to; what is not set here is the provider's. Raises ConfigError."""
        host = self.server or provider.pop3_host
        if not host:
            raise ConfigError(
                f"server is not set, and the provider {provider.name} does not name a POP3 server", hint="Set server."
            )
        return MaildropServer(
            host=host,
            port=self.port or (110 if self.starttls else provider.pop3_port),
            starttls=provider.starttls if self.starttls is None else self.starttls,
            timeout=self.timeout,
            mechanism=self.mechanism,
            preferred=provider.mechanisms,
            initial_response=provider.initial_response,
            ca_certs=self.ca_certs or provider.ca_certs,
            certfile=self.certfile,
            keyfile=self.keyfile,
            ciphers=self.ssl_ciphers,
            fingerprints=self.ssl_fingerprints,
            server_hostname=self.ssl_cert_hostname,
            allow_insecure_loopback=self.allow_insecure_loopback,
        )


def read_options(conf: Mapping[str, Any]) -> Options:
    """Read the options as getmail hands them over: text or None. Raises a ConfigError that names the option."""
    text = {name: str(conf[name]).strip() for name in Options.names() if str(conf.get(name) or "").strip()}
    if "username" not in text:
        raise ConfigError("username is missing", hint="Set it to the mailbox's address.")
    read: dict[str, Any] = {"account": text["username"]}
    for name, kind in get_type_hints(Options).items():
        if name in text:
            convert = _OWN_CONVERTERS.get(name) or _CONVERTERS[kind]
            read[name] = convert(name, text[name])
    read["superfluous"] = tuple(name for name in ("password", *_SUPERFLUOUS) if conf.get(name) not in (None, ""))
    return Options(**read)


def _number(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ConfigError(f"{name} = {text} is not a whole number from 1 to 65535")
    return int(text)


def _number_of_messages(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > WINDOW:
        raise ConfigError(f"{name} = {text} is not a number of messages from 0 to {WINDOW}")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text.lower() in ("true", "yes", "on", "1"):
        return True
    if text.lower() in ("false", "no", "off", "0"):
        return False
    raise ConfigError(f"{name} = {text} is neither true nor false")


def _pauses(name: str, text: str) -> tuple[float, ...]:
    pauses = _literal(text)
    if not isinstance(pauses, tuple | list) or not all(_is_pause(item) for item in pauses):
        hint = "Write it as (1, 5, 15), or as () for no attempt to connect again."
        raise ConfigError(f"{name} = {text} is not a list of seconds, each from 0 to {_LONGEST_PAUSE}", hint=hint)
    return tuple(pauses)


def _is_pause(item: object) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool) and 0 <= item <= _LONGEST_PAUSE


def _literal(text: str) -> object:
    """The value of a Python literal; None if the text is not one."""
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value


def _strings(name: str, text: str) -> tuple[str, ...]:
    strings = _literal(text)
    if not isinstance(strings, tuple | list) or not all(isinstance(item, str) for item in strings):
        raise ConfigError(f"{name} = {text} is not a list of strings", hint="Write it as ('a', 'b') or ('a',).")
    return tuple(strings)


def _mechanism(name: str, text: str) -> str:
    mechanism = text.lower()
    if mechanism not in ("auto", *MECHANISMS):
        raise ConfigError(f"{name} = {mechanism} is unknown", hint=f"Use auto, {' or '.join(MECHANISMS)}.")
    return mechanism


def _file(name: str, text: str) -> str:
    if not _is_file(text):
        raise ConfigError(f"{name} = {text}: there is no such file")
    return text


def _envelope(name: str, text: str) -> str:
    if not re.fullmatch(r"[!-9;-~]+\s*(:\s*0*[1-9][0-9]{0,3})?", text):
        raise ConfigError(f"{name} = {text} is not FIELD or FIELD:NUMBER")
    if text.partition(":")[0].strip().lower() in _NOT_THE_ENVELOPE:
        raise ConfigError(
            f"{name} = {text}: that field does not record the envelope",
            hint="Use the field that the server writes at delivery, often Delivered-To or X-Envelope-To.",
        )
    return text


_CONVERTERS: Mapping[object, Callable[[str, str], object]] = {
    int: _number,
    bool: _boolean,
    bool | None: _boolean,
    tuple[str, ...]: _strings,
    tuple[float, ...]: _pauses,
    str: lambda _, text: text,
}
"""How an option of each type is read from its name and its text."""
_OWN_CONVERTERS: Mapping[str, Callable[[str, str], object]] = {
    "read_ahead": _number_of_messages,
    "mechanism": _mechanism,
    "envelope_recipient": _envelope,
    **dict.fromkeys(("ca_certs", "certfile", "keyfile"), _file),
}
"""Options that take less than their type would."""


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False
