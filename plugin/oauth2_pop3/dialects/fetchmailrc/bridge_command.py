"""The command line that fetchmail runs as its plugin: `oauth2-pop3 bridge`, with the TLS settings of the entry."""

from __future__ import annotations

import os
import re
from pathlib import Path

from oauth2_pop3.dialects import SignIn
from oauth2_pop3.dialects.fetchmailrc.records import Record, port
from oauth2_pop3.dialects.source_text import as_source, port_number, readable

BRIDGE_OPTIONS = {
    "sslcertpath": "--ca-certs",
    "sslcertfile": "--ca-certs",
    "sslcommonname": "--server-hostname",
    "sslfingerprint": "--fingerprint",
    "sslcert": "--certfile",
    "sslkey": "--keyfile",
}
"""fetchmail's TLS settings that have a value, and the bridge's option for each."""
_FILES = ("sslcertpath", "sslcertfile", "sslcert", "sslkey")


def command_line(record: Record, sign_in: SignIn, file: str) -> str:
    """The bridge's command line for one user of an entry. file: the name of the fetchmailrc."""
    number = port(record)
    arguments = [as_source(sign_in.command), "bridge", "%h", str(number)]
    if record.get("ssl") != "yes" and number != 995:
        arguments.append("--starttls")
    if sign_in.address.lower() != readable(record.get("user")).lower():
        arguments += ["--account", as_source(sign_in.address)]
    arguments += _tls_arguments(record, file)
    if sign_in.ca_certs and "--ca-certs" not in arguments:
        arguments += ["--ca-certs", as_source(sign_in.ca_certs)]
    return " ".join(arguments + _tls_version(record))


def _tls_arguments(record: Record, file: str) -> list[str]:
    arguments = []
    for name, option in BRIDGE_OPTIONS.items():
        if value := _value(record, name, file):
            # Without sslcert, fetchmail takes the certificate from the key's file.
            key_alone = name == "sslkey" and not record.get("sslcert")
            arguments += ["--certfile" if key_alone else option, value]
    return arguments


def _tls_version(record: Record) -> list[str]:
    """The options for an entry's TLS version. The bridge speaks TLS 1.2 or later in any case."""
    return ["--tls-min-version", "1.3"] if record.get("sslproto").lower().startswith("tls1.3") else []


def _value(record: Record, name: str, file: str) -> str:
    """A TLS setting as the bridge needs it: fetchmail looks for a relative path in the directory of its own file."""
    value = record.get(name)
    if name not in _FILES or not value or value.startswith(("/", "-")):
        return value
    return os.fsencode(Path(file).expanduser().absolute().parent).decode("iso-8859-1") + f"/{value}"


def obstacle_in_settings(record: Record, file: str) -> str:
    """Why fetchmail cannot give the entry's TLS settings to a plugin; "" if it can."""
    for name in BRIDGE_OPTIONS:
        value = record.get(name)
        if _is_unfit(_value(record, name, file)):
            return (
                f"{name} is {readable(value)!r}, and fetchmail cannot give that to a plugin: write an absolute path "
                "without white space, %h or %p, and translate again."
            )
    return ""


def obstacle_in_sign_in(sign_in: SignIn) -> str:
    """Why fetchmail cannot run the bridge for this account; "" if it can."""
    for what, value in (
        ("path of oauth2-pop3", sign_in.command),
        ("account", sign_in.address),
        ("provider's ca_certs", sign_in.ca_certs),
    ):
        if _is_unfit(value):
            return (
                f"The {what} is {value}, and fetchmail cannot give white space, %h or %p to a plugin: make a symbolic "
                "link without them, use that, and translate again."
            )
    return ""


def _is_unfit(argument: str) -> bool:
    """fetchmail splits a plugin's command line at white space, knows no quotes, and replaces %h and %p."""
    return re.search(r"\s|%[hp]", argument) is not None


def port_of(plugin: list[str]) -> int:
    """The port in a command line of the bridge, 0 if there is none."""
    return port_number(plugin[3]) if len(plugin) > 3 else 0
