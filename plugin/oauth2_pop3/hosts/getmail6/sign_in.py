"""Signing in to the maildrop of an rc file, with the token of the person whose account it names."""

from __future__ import annotations

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts.account import Account
from oauth2_pop3.errors import AuthenticationRejected
from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
from oauth2_pop3.pop3.session import Session


def sign_in(server: MaildropServer, account: Account, mailbox: str, *, account_name: str) -> Session:
    """Open a mailbox.

    account_name: of the account as the rc file names it. If it is not the mailbox, the token is of this mailbox only.
    Raises what open_maildrop() and access_token() raise. If another person's token was refused, the error says whose.
    """

    def access_token(refused: str) -> str:
        shared = "" if account_name == mailbox else mailbox
        return access.access_token(account, mailbox=shared, refused=refused)

    try:
        return open_maildrop(server, mailbox, access_token)
    except AuthenticationRejected as error:
        person = account.address
        if error.hint or person.lower() == mailbox.lower():
            raise
        raise AuthenticationRejected(
            error.message,
            hint=f"It was the token of {person}, who needs full access to {mailbox}. To see which of the two was "
            f"refused, run: oauth2-pop3 login {person} --mailbox {mailbox}",
        ) from error
