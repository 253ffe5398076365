"""Trying accounts before mail is missed, and refreshing tokens that would end because nobody uses them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts.account import Account, load_account
from oauth2_pop3.accounts.checks import check_maildrop
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.accounts.forecast import forecast
from oauth2_pop3.errors import AuthorizationRequired, ConfigError, OAuth2Pop3Error
from oauth2_pop3.oauth2.client_assertion import warning


@dataclass(frozen=True)
class AccountResult:
    """What is wrong with an account; error is None if nothing is."""

    account: str
    error: OAuth2Pop3Error | None = None

    @property
    def exit_code(self) -> int:
        """0, or the error's."""
        return self.error.exit_code if self.error else 0


def check_account(address: str, config: Config, *, days: float, connect: bool) -> AccountResult:
    """Get a token, sign in to the mailbox, and look how long the sign-in will last.

    days: a sign-in that is expected to end within this many days is a finding.
    connect: whether to sign in to the POP3 server.
    """
    try:
        account = load_account(address, config)
        token = access.access_token(account)
    except OAuth2Pop3Error as error:  # access_token has told the person already
        return AccountResult(address, error)
    try:
        if connect and account.provider.pop3_host:
            check_maildrop(account, token)
        _require_time_left(account, days)
    except OAuth2Pop3Error as error:
        if error.exit_code == AuthorizationRequired.exit_code:
            access.tell_person(account, error.message)
        return AccountResult(address, error)
    return AccountResult(address)


def _require_time_left(account: Account, days: float) -> None:
    """Raise AuthorizationRequired if the client's certificate or the sign-in ends soon."""
    if ends_soon := warning(account.provider, account.key_password()):
        raise AuthorizationRequired(ends_soon)
    end = forecast(account.provider, account.store.load(account.key))
    if end.at is not None and end.at - time.time() < days * 86400:
        left = max(0.0, (end.at - time.time()) / 86400)
        raise AuthorizationRequired(
            f"the sign-in of {account.address} is expected to end in {left:.1f} days: {end.why}",
            hint=f"Run: oauth2-pop3 login {account.address}",
        )


def refresh_account(address: str, config: Config, *, jitter: float) -> AccountResult:
    """Use the refresh token, after a random pause of up to `jitter` seconds, so that it does not end unused."""
    time.sleep(random.uniform(0, jitter))  # noqa: S311 - it spreads load and hides nothing
    try:
        access.renew(load_account(address, config))
    except OAuth2Pop3Error as error:
        return AccountResult(address, error)
    return AccountResult(address)


def for_each_account(
    addresses: Iterable[str], act: Callable[[str], AccountResult], *, at_once: int
) -> list[AccountResult]:
    """Call `act` with every address, at most `at_once` at the same time. The results are in the order of addresses."""
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return list(pool.map(act, addresses))


def selected_accounts(named: Sequence[str], config: Config, *, mailboxes: bool = True) -> list[str]:
    """The addresses that were named, or all of the config's if none was.

    mailboxes: whether "all" includes mailboxes that another account's token opens.

    Raises ConfigError if the config has no account: if a config got lost, cron must not report that all is well.
    """
    if not named and not config.accounts:
        raise ConfigError(
            f"no account has signed in yet: there is none in {config.path}",
            hint="Run: oauth2-pop3 login you@example.org",
        )
    return list(named) or [row for row in sorted(config.accounts) if mailboxes or "account" not in config.accounts[row]]


def exit_code(findings: Iterable[AccountResult]) -> int:
    """The exit code for cron: 77 if a person must act, else one that is not temporary, else 75, else 0."""
    codes = {finding.exit_code for finding in findings} - {0}
    for code in (77, *sorted(codes - {75, 77}), 75):
        if code in codes:
            return code
    return 0
