"""Trying accounts before somebody misses their mail, and keeping those alive that are hardly used."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts import account as accounts
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.accounts.checks import check_maildrop
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.accounts.forecast import forecast
from oauth2_pop3.errors import AuthorizationRequired, ConfigError, OAuth2Pop3Error
from oauth2_pop3.oauth2.client_assertion import warning


@dataclass(frozen=True)
class Finding:
    """What is wrong with an account; error is None where nothing is."""

    account: str
    error: OAuth2Pop3Error | None = None

    @property
    def exit_code(self) -> int:
        """0, or the error's."""
        return self.error.exit_code if self.error else 0


def check(address: str, *, days: float, connect: bool) -> Finding:
    """Get a token, sign in to the mailbox, and look how long that will go on.

    days: an end that is forecast within so many is a finding. connect: whether the POP3 server is asked.
    """
    try:
        account = accounts.load(address)
        token = access.access_token(address)
    except OAuth2Pop3Error as error:  # whoever needs to know has been told by now
        return Finding(address, error)
    try:
        if connect and account.provider.pop3_host:
            check_maildrop(account, token)
        _require_time_left(account, days)
    except OAuth2Pop3Error as error:
        if error.exit_code == AuthorizationRequired.exit_code:
            access.tell_person(account, error.message)
        return Finding(address, error)
    return Finding(address)


def _require_time_left(account: Account, days: float) -> None:
    """Raise AuthorizationRequired where a certificate or the sign-in ends soon."""
    if ends_soon := warning(account.provider, account.key_password()):
        raise AuthorizationRequired(ends_soon)
    end = forecast(account.provider, account.store.load(account.key))
    if end.at is not None and end.at - time.time() < days * 86400:
        left = max(0.0, (end.at - time.time()) / 86400)
        raise AuthorizationRequired(
            f"the sign-in of {account.address} is expected to end in {left:.1f} days: {end.why}",
            hint=f"Run: oauth2-pop3 login {account.address}",
        )


def refresh(address: str, *, jitter: float) -> Finding:
    """Use the refresh token, after a pause of up to jitter seconds: what was used is not ended for want of use."""
    time.sleep(random.uniform(0, jitter))  # noqa: S311 - spreads load, hides nothing
    try:
        access.renew(address)
    except OAuth2Pop3Error as error:
        return Finding(address, error)
    return Finding(address)


def each(addresses: Iterable[str], act: Callable[[str], Finding], *, at_once: int) -> list[Finding]:
    """Do it with every account, so many at once; what was found, in their order."""
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return list(pool.map(act, addresses))


def chosen(named: Sequence[str], config: Config, *, mailboxes: bool = True) -> list[str]:
    """The accounts that were named, or all; without mailboxes, not those that another account's token opens.

    Raises ConfigError where there are none: to cron a config that got lost must not look as if all were well.
    """
    if not named and not config.accounts:
        raise ConfigError(f"there is no account in {config.path}", hint="Run: oauth2-pop3 login ADDRESS")
    return list(named) or [row for row in sorted(config.accounts) if mailboxes or "account" not in config.accounts[row]]


def exit_code(findings: Iterable[Finding]) -> int:
    """The one for cron: 77 where a person must act, else what is not passing, else 75, else 0."""
    codes = {finding.exit_code for finding in findings} - {0}
    for code in (77, *sorted(codes - {75, 77}), 75):
        if code in codes:
            return code
    return 0
