"""What oauth2-pop3 itself plugs in: the composition root.

A new store or dialect is one file in the plugin and one line here; a new provider is a row of providers.toml. Imports
are inside the functions, so that asking for one thing does not load the others. The retriever type for getmail6 is
plugged in by oauth2_pop3/hosts/getmail6/hookimpl.py, because it needs accounts, which need these hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3_hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oauth2_pop3.dialects import Dialect
    from oauth2_pop3.stores import TokenStore


@hookimpl
def providers() -> Mapping[str, Mapping[str, object]]:
    """The rows of providers.toml."""
    from oauth2_pop3.providers.provider import built_in_rows

    return built_in_rows()


@hookimpl
def token_stores() -> Mapping[str, type[TokenStore]]:
    """Files under $XDG_STATE_HOME."""
    from oauth2_pop3.stores.file import FileStore

    return {FileStore.name: FileStore}


@hookimpl
def dialects() -> Mapping[str, type[Dialect]]:
    """The configuration files of getmail, fetchmail and mpop."""
    from oauth2_pop3.dialects.fetchmailrc import FetchmailRc
    from oauth2_pop3.dialects.getmailrc import GetmailRc
    from oauth2_pop3.dialects.mpoprc import MpopRc

    return {dialect.name: dialect for dialect in (GetmailRc, FetchmailRc, MpopRc)}
