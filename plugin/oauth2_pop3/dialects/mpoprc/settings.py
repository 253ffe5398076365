"""The settings by which an mpop account signs in: what a translation makes of them, and how they are written."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from oauth2_pop3.dialects import SignIn, is_our_command
from oauth2_pop3.dialects.mpoprc.installed import Version
from oauth2_pop3.dialects.mpoprc.syntax import LINE_LIMIT
from oauth2_pop3.dialects.source_text import MASK, as_source

SIGN_IN = ("auth", "password", "passwordeval")
"""The settings that a translation changes, in the order in which they are written."""

Values = dict[str, str]

_SINCE: Mapping[str, Version] = {"xoauth2": (1, 4, 11), "oauthbearer": (1, 4, 5)}
"""The first mpop that has a mechanism (its NEWS)."""
_LONG_TOKENS_SINCE = (1, 4, 22)


def wanted(sign_in: SignIn, version: Version) -> tuple[Values, list[str]]:
    """What the settings of a translated account are, and remarks; no settings if this mpop cannot do it."""
    name = ".".join(map(str, version))
    mechanisms = sign_in.mechanisms or tuple(_SINCE)
    mechanism = next((m for m in mechanisms if m in _SINCE and version >= _SINCE[m]), "")
    if not mechanism:
        return {}, [f"mpop {name} does not have {' or '.join(mechanisms)}: install a later version."]
    command = f"{shlex.quote(sign_in.command)} token {shlex.quote(sign_in.address)}"
    if len(command) + len("passwordeval  ") + 40 > LINE_LIMIT or any(ord(c) < 32 for c in command):
        return {}, ["The command does not fit into a line of mpop's configuration."]
    remarks = []
    if version < _LONG_TOKENS_SINCE:
        remarks.append(f"mpop {name} cannot send an access token of more than about 3,000 characters; 1.4.22 can.")
    return {"auth": mechanism, "passwordeval": as_source(command)}, remarks


def needed(inherited: Values, target: Values, own: Values) -> Values:
    """The settings that a section must have itself so that, with those that it inherits, it comes to target."""
    result = {}
    for key in SIGN_IN:
        value = target.get(key, "")
        if inherited.get(key, "") != value or (key in own and own[key] == value):
            result[key] = value
    return result


def written(key: str, value: str) -> str:
    """The argument of a setting, with quotation marks if it needs them."""
    if key == "auth" and not value:
        return "on"  # means the same, and is easier to read
    return f'"{value}"' if value and (" " in value or "\t" in value or value[0] == '"') else value


def shown(key: str, value: str) -> str:
    """The argument as the diff shows it: without a password, which may move from one account to another."""
    secret = value and (key == "password" or (key == "passwordeval" and not _is_our_helper(value)))
    return MASK if secret else written(key, value)


def uses_our_helper(settings: Mapping[str, str]) -> bool:
    """Tell whether an account with these settings signs in with a token of oauth2-pop3."""
    if settings.get("password") or settings.get("auth") not in _SINCE:
        return False
    return _is_our_helper(settings.get("passwordeval", ""))


def _is_our_helper(command: str) -> bool:
    if "oauth2-pop3" not in command:
        return False
    try:  # shlex is slow, and seldom needed
        words = shlex.split(command) if set(command) & set("\"'\\") else command.split()
    except ValueError:
        return False
    return is_our_command(words, "token")
