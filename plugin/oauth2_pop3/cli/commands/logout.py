"""End an account's sign-in: revoke its tokens at the provider, and forget them on this machine.

They are forgotten in any case. Exit codes: 0 when they are revoked, or the provider has no way to; 75, 76 or 78
when revoking failed (errors.py has their meaning).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """ACCOUNT."""
    parser.add_argument("account", metavar="ACCOUNT", help="the address that was signed in")


def run(options: Namespace) -> int:
    """Say which of the two happened; the account's settings stay in config.toml."""
    from oauth2_pop3.accounts import account as accounts
    from oauth2_pop3.errors import UsageError
    from oauth2_pop3.providers.provider import APP_GRANTS
    from oauth2_pop3.sign_in.sign_out import sign_out

    account = accounts.load(options.account)
    if account.mailbox and account.provider.grant not in APP_GRANTS:
        raise UsageError(
            f"{account.mailbox} has no sign-in of its own: the token of {account.address} opens it",
            hint=f"To end that one, run: oauth2-pop3 logout {account.address}. To close this mailbox alone, take "
            f'[accounts."{account.mailbox}"] out of config.toml.',
        )
    outcome = sign_out(account)
    name = account.provider.display_name
    print(f"The tokens of {account.address} are deleted from this machine.")
    if outcome.revoked:
        print(f"{name} has revoked them.")
        return 0
    by_hand = f"To end the access there too, remove this client in the account's settings at {name}."
    if outcome.fault is None:
        print(f"{name} has no way to revoke them (RFC 7009). {by_hand}")
        return 0
    print(f"oauth2-pop3: {name} has not revoked them: {outcome.fault.message}", file=sys.stderr)
    print(f"  {by_hand}", file=sys.stderr)
    return outcome.fault.exit_code
