"""The contract: every hook there is, when it is called, what it is given and what it may return.

The types are for readers and type checkers and cost nothing at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauth2_pop3_hooks import hookspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oauth2_pop3.dialects import Dialect
    from oauth2_pop3.stores import TokenStore


@hookspec
def retriever_types() -> Mapping[str, type]:
    """Retriever types for getmail, by the name that ``type = NAME`` gives them.

    Called in a getmail process when an rc file names a type that neither getmail nor oauth2-pop3 has. The classes
    derive from getmail's. If two plugins give the same name, the first one wins.
    """
    raise NotImplementedError


@hookspec
def providers() -> Mapping[str, Mapping[str, object]]:
    """Providers, by name: rows with the keys of oauth2_pop3.providers.provider.Provider, as in config.toml.

    Called when a name or domain is looked up that neither the user's config nor oauth2-pop3 has, and by `login`,
    `discover`, `translate` and `providers`. A row that is wrong becomes a ConfigError that names the plugin.
    """
    raise NotImplementedError


@hookspec
def token_stores() -> Mapping[str, type[TokenStore]]:
    """Token stores, by the name that ``token_store = "NAME"`` gives them; each is called with no arguments.

    Called for each account whose token is needed, unless its store is a built-in one. oauth2_pop3.stores says what a
    store must do.
    """
    raise NotImplementedError


@hookspec
def dialects() -> Mapping[str, type[Dialect]]:
    """Configuration dialects of mail retrievers, by name. oauth2_pop3.dialects says what a dialect must do."""
    raise NotImplementedError


@hookspec
def token_refreshed(account: str, expires_at: int) -> None:
    """Be told that an account has a new access token, valid until expires_at (seconds since the epoch).

    Called under the account's lock, after the token has been stored: do not ask for a token here.
    """


@hookspec
def authorization_required(account: str, reason: str, command: str) -> None:
    """Be told that a person must sign in again.

    reason: a sentence.
    command: what to type.

    It is called each time a token was asked for and could not be got for this reason: a cron job may call it often.
    """
