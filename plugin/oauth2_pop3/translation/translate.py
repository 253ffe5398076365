"""Moving a host's configuration file to OAuth 2.0: which of its accounts, by which provider, and what is left to do.

The dialects know their files and nothing of providers; here it is the other way round.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from oauth2_pop3.accounts import account as accounts
from oauth2_pop3.accounts import provider_registry
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.dialects import Dialect, DialectAccount, DialectFile, SignIn
from oauth2_pop3.dialects.source_text import SourceText, commented_passwords
from oauth2_pop3.errors import ConfigError, OAuth2Pop3Error, UsageError
from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.providers import provider as providers
from oauth2_pop3.translation.unified_diff import unified_diff
from oauth2_pop3_hooks import manager

_NAME = "oauth2-pop3"
_SHOWN = 5
"""Lines that one remark lists."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What becomes of one account of the file, and why.

    outcome: "translated" here; "already", by an earlier run; "left" as it is, every byte. why: a sentence or two, if
    it is left. remarks: what is to be known of the translation. todo: what is left for the person, a sentence each.
    """

    found: DialectAccount
    outcome: Literal["translated", "already", "left"]
    address: str = ""
    provider: str = ""
    why: str = ""
    remarks: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TranslatedFile:
    """A file, translated in memory.

    diff: unified, passwords masked; "" where nothing changes. remarks: on the whole file.
    """

    dialect: str
    content: bytes
    diff: str
    rows: tuple[Row, ...]
    holds_passwords: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the person asked for. only: the addresses to translate, all if it is empty. keep_type: see DialectFile."""

    dialect: str = ""
    only: Collection[str] = ()
    keep_type: bool = False
    config: Config = field(default_factory=Config.load)


def dialects() -> Mapping[str, Dialect]:
    """Every dialect there is, ours and plugins'."""
    return {name: kind() for name, kind in manager.dialects().items()}


def translate(name: str, content: bytes, wishes: Wishes) -> TranslatedFile:
    """Translate a file's content. name: for messages and for recognising it.

    Raises UsageError, ConfigError (DialectError where the file cannot be read wholly).
    """
    dialect = _dialect(name, content, wishes)
    file = dialect.read(name, content)
    decisions = _Decisions(wishes)
    rows = [decisions.row(account) for account in file.accounts]
    sign_ins = {number: decisions.sign_in(row) for number, row in enumerate(rows) if row.outcome == "translated"}
    translation = file.translate(sign_ins, keep_type=wishes.keep_type)
    after = file.source.edited(translation.edits)
    again = dialect.read(name, after)
    _require_same_accounts(name, file, again)
    for number, row in enumerate(rows):
        remarks = tuple(translation.remarks.get(number, ()))
        if row.outcome == "translated" and not again.accounts[number].uses_oauth2_pop3:
            why = " ".join(remarks) or "It cannot be translated."
            rows[number] = replace(row, outcome="left", why=why, remarks=(), todo=())
        elif remarks:
            rows[number] = replace(row, remarks=(*row.remarks, *remarks))
    commented = list(commented_passwords(file.source.text))
    return TranslatedFile(
        dialect=dialect.name,
        content=after,
        diff=unified_diff(file.source, translation.edits, [*file.secrets, *commented]),
        rows=tuple(rows),
        holds_passwords=bool(file.secrets),
        remarks=_remark_on_comments(file.source, commented) if translation.edits else (),
    )


def _remark_on_comments(source: SourceText, commented: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    lines = [str(source.line(start)) for start, _ in commented]
    if not lines:
        return ()
    where = ", ".join([*lines[:_SHOWN], *(["..."] if len(lines) > _SHOWN else [])])
    return (f"Comments stay as they are, and there may be an old password in one (line {where}): take it out by hand.",)


def _dialect(name: str, content: bytes, wishes: Wishes) -> Dialect:
    known = dialects()
    if wishes.dialect:
        if wishes.dialect not in known:
            raise UsageError(f"there is no dialect {wishes.dialect}", hint=f"There are {', '.join(sorted(known))}.")
        dialect = known[wishes.dialect]
    else:
        recognised = [dialect for dialect in known.values() if dialect.recognises(name, content)]
        if not recognised:
            raise ConfigError(
                f"{name} does not look like a file of {', '.join(sorted(known))}", hint="Name its kind with --dialect."
            )
        dialect = recognised[0]
    if wishes.keep_type and dialect.name != "getmailrc":
        raise UsageError(f"--keep-type is for getmailrc, and {name} is a {dialect.name}")
    return dialect


def _require_same_accounts(name: str, before: DialectFile, after: DialectFile) -> None:
    """Nothing that the host knows mail by may have changed: a fault of ours, and the file is not touched."""

    def identities(file: DialectFile) -> list[tuple[str, str, str]]:
        return [(account.protocol, account.server, account.username) for account in file.accounts]

    if identities(before) != identities(after):
        raise OAuth2Pop3Error(
            f"the translation of {name} would change what its accounts are, so it was not made",
            hint="This is a fault of oauth2-pop3: please report it, with the file's lines but without its passwords.",
        )


class _Decisions:
    """Decides about the accounts of a file, by what the config and the plugins know of providers."""

    def __init__(self, wishes: Wishes) -> None:
        self._config = config = wishes.config
        self._of: dict[str, Account] = {}
        self._signed_in: dict[str, Collection[str]] = {}
        self._by_server: dict[str, list[str]] = {}
        self._only = {address.lower() for address in wishes.only}
        self._rows = {
            name: provider_registry.row(name, config) or {} for name in {**manager.providers(), **config.providers}
        }

    def row(self, found: DialectAccount) -> Row:
        """Decide about one account."""
        left = partial(Row, found=found, outcome="left")
        if found.protocol != "pop3":
            return left(why=f"It is not POP3 but {found.protocol.upper()}.")
        if found.uses_oauth2_pop3:
            return Row(found=found, outcome="already", address=found.username, todo=self._todo_of(found.username))
        address = self._address(found)
        if self._only and address.lower() not in self._only:
            return left(address=address, why="It was not asked for with --only.")
        name, remark = self._provider(found, address)
        if not name:
            return left(address=address, why=remark)
        left = partial(left, address=address, provider=name)
        if "@" not in address:
            return left(
                why="Its user name has no domain, so nobody can tell whose token is meant. Sign in with the whole "
                f"address (oauth2-pop3 login {address}@...) and change the entry by hand."
            )
        account = self._account(address, name)
        if account.provider.unsupported:
            return left(why=account.provider.unsupported.strip())
        if found.obstacle:
            return left(why=found.obstacle)
        return Row(
            found=found,
            outcome="translated",
            address=address,
            provider=name,
            remarks=(remark,) if remark else (),
            todo=self._todo(account),
        )

    def sign_in(self, row: Row) -> SignIn:
        """What a dialect has to know of an account that it is to translate."""
        provider = self._account(row.address, row.provider).provider
        return SignIn(
            address=row.address,
            command=_command(),
            mechanisms=provider.mechanisms,
            ca_certs=provider.ca_certs,
            port=provider.pop3_port,
            starttls=provider.starttls,
        )

    def _account(self, address: str, provider: str) -> Account:
        row = self._config.accounts.get(address.lower(), {})
        if "provider" in row or "account" in row:
            return accounts.load(address, self._config)
        if row:
            return accounts.make(address, provider, self._config)
        if provider not in self._of:  # the same for each of them
            self._of[provider] = accounts.make(address, provider, self._config)
        return replace(self._of[provider], address=address)

    def _address(self, found: DialectAccount) -> str:
        """Whose account it is: the user name, or the one account of the config that has it for its local part."""
        if "@" in found.username:
            return found.username
        same = [address for address in self._config.accounts if address.partition("@")[0] == found.username.lower()]
        return same[0] if len(same) == 1 else found.username

    def _provider(self, found: DialectAccount, address: str) -> tuple[str, str]:
        """The provider's name, and a remark; or "" and why there is none. Nothing is asked of the network.

        By the server's name first: it is what a token would be sent to. Where only the address speaks for a
        provider, the server must at least be one that can have a certificate.
        """
        named = self._config.accounts.get(address.lower(), {}).get("provider")
        by_domain = providers.for_domain(self._rows, _domain(address))
        if found.server not in self._by_server:
            self._by_server[found.server] = providers.for_server(self._rows, found.server)
        by_server = self._by_server[found.server]
        for name in (named, by_domain):
            if isinstance(name, str) and name in by_server:
                return name, ""
        if by_server:
            return by_server[0], ""
        if isinstance(named, str) and named in self._rows:
            return named, ""
        if not by_domain:
            return "", (
                f"No provider is known for the server {found.server}. If it has OAuth 2.0, try: oauth2-pop3 discover "
                f"{address} --save"
            )
        usual = self._rows[by_domain].get("pop3_host")
        if not usual:
            return by_domain, ""
        if is_loopback(found.server) or "." not in found.server.strip("."):
            return "", (
                f"Its server {found.server} is not {usual}: a proxy, perhaps, that has tokens itself. No token of "
                f"{by_domain} is sent there."
            )
        return (
            by_domain,
            f"{found.server} is no name that {by_domain} is known by, which is usually {usual}: make sure.",
        )

    def _todo_of(self, address: str) -> tuple[str, ...]:
        """What is left to do for an account that was translated before."""
        try:
            return self._todo(accounts.load(address, self._config))
        except OAuth2Pop3Error:
            return (f"Run: oauth2-pop3 login {address}",) if "@" in address else ()

    def _todo(self, account: Account) -> tuple[str, ...]:
        if not account.provider.needs_person:
            return ()
        store = account.token_store_name
        if store not in self._signed_in:
            self._signed_in[store] = frozenset(account.store.accounts())
        if account.key in self._signed_in[store]:
            return ()
        by_domain = providers.for_domain(self._rows, _domain(account.address))
        known = account.address.lower() in self._config.accounts or by_domain == account.provider.name
        command = f"oauth2-pop3 login {account.address}" + ("" if known else f" --provider {account.provider.name}")
        switch = account.provider.pop_switch.strip()
        return (f"Run: {command}", *([switch] if switch else []))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


@cache
def _command() -> str:
    """What to call us by: cron's PATH is short, so by the whole path, unless we are where everybody looks."""
    if shutil.which(_NAME, path="/usr/bin:/bin"):
        return _NAME
    if Path(sys.argv[0]).name == _NAME:
        return os.path.abspath(sys.argv[0])  # noqa: PTH100 - a link stays one
    return shutil.which(_NAME) or _NAME
