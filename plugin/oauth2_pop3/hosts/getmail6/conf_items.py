"""The options of options.py in the form in which getmail wants them declared."""

from __future__ import annotations

from typing import Any

from getmailcore.baseclasses import ConfDirectory, ConfInstance, ConfItem, ConfPassword

from oauth2_pop3.hosts.getmail6.options import Options

CONF_ITEMS: tuple[Any, ...] = (
    ConfInstance(name="configparser", required=False),
    ConfDirectory(name="getmaildir", required=False, default="~/.getmail/"),
    # Not used here, but known, so that getmail does not print its value.
    ConfPassword(name="password", required=False, default=None),
    # As the user wrote them: getmail's ConfInt and ConfBool would eval() them, which could end getmail.
    *(ConfItem(name, str, default=None, required=False) for name in Options.names()),
)
