"""What is known of every account without asking a server."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from oauth2_pop3.accounts.account import load_account
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.accounts.forecast import forecast
from oauth2_pop3.accounts.last_fault import last_fault
from oauth2_pop3.errors import AuthorizationRequired, OAuth2Pop3Error, TokenNotFound
from oauth2_pop3.providers import scopes


@dataclass(frozen=True, kw_only=True)
class AccountStatus:
    """The state of one account. Times are seconds since the epoch, None if they are not known.

    state: ready, not signed in, needs sign-in, or fault (detail says which).
    uses: the address whose token opens this mailbox.
    protocols: those that the granted scope is known to open.
    access_token_length: in characters.
    """

    account: str
    provider: str
    state: str
    grant: str = ""
    uses: str = ""
    scope: str = ""
    protocols: list[str] = field(default_factory=list)
    access_token_expires_at: int | None = None
    access_token_length: int = 0
    obtained_at: int | None = None
    signed_in_at: int | None = None
    refreshable: bool = False
    refresh_token_expires_at: int | None = None
    refresh_token_expires_why: str = ""
    last_fault_at: int | None = None
    last_fault: str = ""
    detail: str = ""

    def as_object(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def all_accounts() -> list[AccountStatus]:
    """Every account of the config, sorted. Raises ConfigError if the file cannot be read."""
    config = Config.load()
    return [status(address, config) for address in sorted(config.accounts)]


def status(address: str, config: Config) -> AccountStatus:
    """The state of one account, from the config, the store and the last fault."""
    provider = str(config.accounts.get(address.lower(), {}).get("provider", ""))
    try:
        account = load_account(address, config)
        provider = account.provider.name
        token = account.store.load(account.key)
    except TokenNotFound as error:
        return AccountStatus(account=address, provider=provider, state="not signed in", detail=error.hint)
    except OAuth2Pop3Error as error:
        return AccountStatus(account=address, provider=provider, state="fault", detail=str(error))
    refreshable = bool(token.refresh_token) or not account.provider.needs_person
    fault = last_fault(account.key)
    needs_person = (
        fault is not None and fault.exit_code == AuthorizationRequired.exit_code and fault.at >= token.obtained_at
    )
    end = forecast(account.provider, token)
    good = (refreshable or token.valid_for() > 0) and not needs_person
    return AccountStatus(
        account=address,
        provider=provider,
        state="ready" if good else "needs sign-in",
        grant=account.provider.grant or "authorization_code",
        uses=account.address if account.mailbox else "",
        scope=token.scope,
        protocols=scopes.opened(account.provider, token.scope),
        access_token_expires_at=token.expires_at,
        access_token_length=len(token.access_token),
        obtained_at=token.obtained_at,
        signed_in_at=token.signed_in_at,
        refreshable=refreshable,
        refresh_token_expires_at=end.at,
        refresh_token_expires_why=end.why,
        last_fault_at=fault.at if fault else None,
        last_fault=fault.message if fault else "",
        detail=fault.message if fault and needs_person else "",
    )
