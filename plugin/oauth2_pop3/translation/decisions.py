"""What becomes of each account of a host's file: whether it is translated, as whom, and what is left to do."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from oauth2_pop3.accounts.account import Account, load_account, make_account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.dialects import DialectAccount, SignIn
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.translation.provider_choice import ProviderChoice

_NAME = "oauth2-pop3"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of one account of the file, and why.

    outcome: "translated" now, "already" translated by an earlier run, or "left" as it is.
    sign_in: how it signs in from now on, if it is translated.
    why: why it is left as it is, a sentence or two.
    remarks: what the user should know about the translation.
    todo: what is left for the user to do, a sentence each.
    """

    found: DialectAccount
    outcome: Literal["translated", "already", "left"]
    sign_in: SignIn | None = None
    address: str = ""
    provider: str = ""
    why: str = ""
    remarks: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


class Decider:
    """Decides about accounts; what it has loaded for one account serves the next. only: the addresses to translate."""

    def __init__(self, config: Config, only: Collection[str] = ()) -> None:
        self._config = config
        self._only = {address.lower() for address in only}
        self._choice = ProviderChoice(config)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._signed_in: dict[str, Collection[str]] = {}

    def decide(self, found: DialectAccount) -> Decision:
        """Decide about one account."""
        left = partial(Decision, found=found, outcome="left")
        if found.protocol != "pop3":
            return left(why=f"It is not POP3 but {found.protocol.upper()}.")
        if found.uses_oauth2_pop3:
            todo = self._todo_of_translated(found)
            return Decision(found=found, outcome="already", address=found.username, todo=todo)
        address = self._address(found)
        if self._only and address.lower() not in self._only:
            return left(address=address, why="It is not among the accounts of --only.")
        name, remark = self._choice.choose(found, address)
        if not name:
            return left(address=address, why=remark)
        left = partial(left, address=address, provider=name)
        if "@" not in address:
            return left(
                why="Its user name has no domain, so it is not known whose token it needs. Sign in with the whole "
                f"address (oauth2-pop3 login {address}@...) and change the entry by hand."
            )
        account = self._account(address, name)
        if account.provider.unsupported:
            return left(why=account.provider.unsupported.strip())
        if found.obstacle:
            return left(why=found.obstacle)
        return Decision(
            found=found,
            outcome="translated",
            sign_in=_sign_in(account),
            address=address,
            provider=name,
            remarks=(remark,) if remark else (),
            todo=self._todo(account),
        )

    def _address(self, found: DialectAccount) -> str:
        """The user name, or the only address in the config of which it is the local part."""
        if "@" in found.username:
            return found.username
        same = [address for address in self._config.accounts if address.partition("@")[0] == found.username.lower()]
        return same[0] if len(same) == 1 else found.username

    def _account(self, address: str, provider: str) -> Account:
        """The account of this address. provider: the one to use if the config does not name the account's provider."""
        row = self._config.accounts.get(address.lower())
        key = (address.lower() if row else "", provider)  # without a table, all accounts of a provider are alike
        if key not in self._accounts:
            named = row and ("provider" in row or "account" in row)
            self._accounts[key] = (
                load_account(address, self._config) if named else make_account(address, provider, self._config)
            )
        return self._accounts[key] if row else replace(self._accounts[key], address=address)

    def _todo_of_translated(self, found: DialectAccount) -> tuple[str, ...]:
        """What is left to do for an account that was translated before."""
        address = found.username
        row = self._config.accounts.get(address.lower())
        if row is not None:
            name, _ = self._choice.choose(found, address)
            with suppress(OAuth2Pop3Error):
                if name or "account" in row:
                    return self._todo(self._account(address, name))
        return (f"Run: {_login(address)}",) if "@" in address else ()

    def _todo(self, account: Account) -> tuple[str, ...]:
        if not account.provider.needs_person or self._has_signed_in(account):
            return ()
        provider = account.provider
        known = account.address.lower() in self._config.accounts
        known = known or self._choice.by_domain(account.address) == provider.name
        switch = provider.pop_switch.strip()
        return (f"Run: {_login(account.address, '' if known else provider.name)}", *([switch] if switch else []))

    def _has_signed_in(self, account: Account) -> bool:
        store = account.token_store_name
        if store not in self._signed_in:
            self._signed_in[store] = frozenset(account.store.accounts())
        return account.key in self._signed_in[store]


def _login(address: str, provider: str = "") -> str:
    """The command that signs an account in, for a shell."""
    return shlex.join(["oauth2-pop3", "login", address, *(["--provider", provider] if provider else [])])


def _sign_in(account: Account) -> SignIn:
    provider = account.provider
    return SignIn(
        address=account.address,
        command=_command(),
        mechanisms=provider.mechanisms,
        ca_certs=provider.ca_certs,
        port=provider.pop3_port,
        starttls=provider.starttls,
    )


@cache
def _command() -> str:
    """The command that runs oauth2-pop3, with its whole path unless it is in a directory of cron's short PATH."""
    if shutil.which(_NAME, path="/usr/bin:/bin"):
        return _NAME
    if Path(sys.argv[0]).name == _NAME:
        return os.path.abspath(sys.argv[0])  # noqa: PTH100 - a link stays one
    return shutil.which(_NAME) or _NAME
