"""End an account's sign-in: revoke its tokens at the provider, and delete them on this machine.

They are deleted in any case. Exit codes: 0 the tokens are revoked, or the provider cannot revoke tokens; 75, 76 or 78
revoking failed (75: a temporary problem).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """ACCOUNT."""
    parser.add_argument("account", metavar="ACCOUNT", help="the address that was signed in")


def run(options: Namespace) -> int:
    """Sign out, and say whether the tokens were revoked. The account's settings stay in config.toml."""
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.sign_in.sign_out import account_to_sign_out, sign_out

    account = account_to_sign_out(options.account, Config.load())
    outcome = sign_out(account)
    name = account.provider.display_name
    print(f"The tokens of {account.address} are deleted from this machine.")
    if outcome.revoked:
        print(f"{name} has revoked them.")
        return 0
    by_hand = f"To end the access there too, remove this client in the account's settings at {name}."
    if outcome.error is None:
        print(f"{name} cannot revoke tokens (RFC 7009). {by_hand}")
        return 0
    print(f"oauth2-pop3: {name} has not revoked them: {outcome.error.message}", file=sys.stderr)
    print(f"  {by_hand}", file=sys.stderr)
    return outcome.error.exit_code
