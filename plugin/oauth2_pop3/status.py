"""What is known of every account without asking anybody."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from oauth2_pop3 import accounts
from oauth2_pop3.config import Config
from oauth2_pop3.errors import OAuth2Pop3Error, TokenNotFound


@dataclass(frozen=True, kw_only=True)
class AccountStatus:
    """One account. state: ready, not signed in, needs sign-in, or fault (detail says which)."""

    account: str
    provider: str
    state: str
    scope: str = ""
    access_token_expires_at: int | None = None
    obtained_at: int | None = None
    signed_in_at: int | None = None
    refreshable: bool = False
    detail: str = ""

    def as_object(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def all_accounts() -> list[AccountStatus]:
    """Every account of the config, sorted. Raises ConfigError where the file cannot be read."""
    config = Config.load()
    return [_status(address, config) for address in sorted(config.accounts)]


def _status(address: str, config: Config) -> AccountStatus:
    provider = str(config.accounts[address].get("provider", ""))
    try:
        account = accounts.load(address, config)
        provider = account.provider.name
        token = account.store.load(account.key)
    except TokenNotFound as error:
        return AccountStatus(account=address, provider=provider, state="not signed in", detail=error.hint)
    except OAuth2Pop3Error as error:
        return AccountStatus(account=address, provider=provider, state="fault", detail=str(error))
    good = bool(token.refresh_token) or token.valid_for() > 0
    return AccountStatus(
        account=address,
        provider=provider,
        state="ready" if good else "needs sign-in",
        scope=token.scope,
        access_token_expires_at=token.expires_at,
        obtained_at=token.obtained_at,
        signed_in_at=token.signed_in_at,
        refreshable=bool(token.refresh_token),
    )
