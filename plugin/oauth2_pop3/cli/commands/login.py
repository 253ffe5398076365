"""Sign in to an account, so that mail can be fetched from then on without asking you again.

A browser opens, or the authorization URL is printed: open it in any browser and sign in. If the browser is on another
machine, paste the address of its last page here. Then the token is tried at the POP3 server.

Grants, for --grant: authorization_code (a browser, here or on another machine), device_code (a code to type on another
device), client_credentials (an app's own access to many mailboxes), jwt_bearer (a Google service account), password
(only if the provider's table in config.toml lists it).
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from oauth2_pop3.cli.arguments import absolute_path
from oauth2_pop3.providers.provider import GRANTS
from oauth2_pop3.providers.scopes import OTHER_PROTOCOLS

_SETTINGS = (
    "client_id",
    "client_secret_command",
    "redirect_uri",
    "tenant",
    "client_private_key",
    "client_private_key_password_command",
    "client_certificate",
    "service_account_file",
)


def add_arguments(parser: ArgumentParser) -> None:
    """ADDRESS, and what config.toml does not say yet."""
    parser.add_argument("address", metavar="ADDRESS", help="the mail address to sign in as")
    parser.add_argument("--provider", metavar="NAME", help="the provider (oauth2-pop3 providers lists them)")
    parser.add_argument("--client-id", metavar="ID", help="the client_id that you registered with the provider")
    parser.add_argument("--client-secret-command", metavar="CMD", help="a command that prints the client's secret")
    parser.add_argument("--redirect-uri", metavar="URI", help="the redirect URI that the client was registered with")
    parser.add_argument("--tenant", metavar="TENANT", help="at Microsoft: the tenant (directory)")
    parser.add_argument("--grant", choices=GRANTS, metavar="GRANT", help="how to sign in (see above)")
    parser.add_argument(
        "--also",
        metavar="PROTOCOLS",
        type=_protocols,
        help="also ask for imap, smtp or both (imap,smtp), now and at later sign-ins; none ends that",
    )
    parser.add_argument("--mailbox", metavar="MAILBOX", help="a shared mailbox that ADDRESS's token is to open")
    parser.add_argument(
        "--client-private-key",
        metavar="FILE",
        type=absolute_path,
        help="the client's private key, in place of a secret (PEM or PKCS#12)",
    )
    parser.add_argument(
        "--client-certificate", metavar="FILE", type=absolute_path, help="the certificate of that key (PEM)"
    )
    parser.add_argument(
        "--client-private-key-password-command",
        metavar="CMD",
        help="a command that prints the password of that key's file",
    )
    parser.add_argument(
        "--service-account-file", metavar="FILE", type=absolute_path, help="a Google service account's JSON key file"
    )
    parser.add_argument(
        "--password-command", metavar="CMD", help="for --grant password: a command that prints the password"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the authorization URL, and open no browser")
    parser.add_argument("--no-check", action="store_true", help="do not try the token at the POP3 server")


def run(options: Namespace) -> None:
    """Sign in, then say that the account is ready."""
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.cli.terminal_person import TerminalPerson
    from oauth2_pop3.pop3.sasl import too_long_remark
    from oauth2_pop3.sign_in.login import login
    from oauth2_pop3.sign_in.request import SignInRequest

    settings = {key: value for key in _SETTINGS if (value := getattr(options, key))}
    person = TerminalPerson(browser=not options.no_browser, password_command=options.password_command or "")
    request = SignInRequest(
        address=options.address,
        provider=options.provider or "",
        settings=settings,
        grant=options.grant or "",
        also=options.also,
        mailbox=options.mailbox or "",
        screen=person.has_screen,
        no_browser=options.no_browser,
        check=not options.no_check,
    )
    done = login(request, Config.load(), person)
    user = done.account.user
    if done.token is None:
        print(f"{user} is ready, with the token of {done.account.address}.")
        return
    if text := too_long_remark(user, done.token.access_token):
        person.say(f"Note: {text}.")
    print(f"{user} is ready.")


def _protocols(text: str) -> tuple[str, ...]:
    """Read --also; () for none."""
    names = tuple(name.strip() for name in text.lower().split(","))
    if names == ("none",):
        return ()
    if unknown := [name for name in names if name not in OTHER_PROTOCOLS]:
        raise ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(OTHER_PROTOCOLS)}, none")
    return names
