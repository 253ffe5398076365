"""Sign in to an account, so that mail can be fetched from then on without a person.

A browser opens, or the authorization URL is printed: open it anywhere, sign in, and if that was on another machine,
paste the address that the browser shows in the end here. Then the POP3 server is asked whether it takes the token.

Grants, for --grant: authorization_code (a browser, here or elsewhere), device_code (a code to type on another device),
client_credentials (an app's own access to many mailboxes), jwt_bearer (a Google service account), password (only where
the provider's row allows it).
"""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from oauth2_pop3.errors import AuthorizationRequired, ConfigError, TokenNotFound, TokenStoreError, UsageError
from oauth2_pop3.pop3.sasl import remark_on_length
from oauth2_pop3.providers.provider import APP_GRANTS, GRANTS
from oauth2_pop3.providers.scopes import OTHER_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oauth2_pop3.accounts.account import Account
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.oauth2.grants.device_authorization import DeviceAuthorization

_SETTINGS = ("client_id", "client_secret_command", "redirect_uri", "tenant")
_FILES = ("client_private_key", "client_certificate", "service_account_file")


def add_arguments(parser: ArgumentParser) -> None:
    """ADDRESS and what is not in config.toml yet."""
    parser.add_argument("address", metavar="ADDRESS", help="the mail address to sign in as")
    parser.add_argument("--provider", metavar="NAME", help="the provider (oauth2-pop3 providers lists them)")
    parser.add_argument("--client-id", metavar="ID", help="the client_id that you registered with the provider")
    parser.add_argument("--client-secret-command", metavar="CMD", help="a command that prints the client's secret")
    parser.add_argument("--redirect-uri", metavar="URI", help="the redirect URI that the client was registered with")
    parser.add_argument("--tenant", metavar="TENANT", help="the directory, at Microsoft")
    parser.add_argument("--grant", choices=GRANTS, metavar="GRANT", help="how to sign in (see above)")
    parser.add_argument(
        "--also",
        metavar="PROTOCOLS",
        type=_protocols,
        help="beside POP3, ask for imap, smtp or both (imap,smtp), now and at later sign-ins; none ends that",
    )
    parser.add_argument("--mailbox", metavar="MAILBOX", help="a shared mailbox that ADDRESS's token is to open")
    parser.add_argument(
        "--client-private-key", metavar="FILE", help="the client's key instead of a secret: PEM, PKCS#12"
    )
    parser.add_argument("--client-certificate", metavar="FILE", help="the certificate of that key: PEM")
    parser.add_argument(
        "--client-private-key-password-command",
        metavar="CMD",
        help="a command that prints what the key is encrypted with",
    )
    parser.add_argument("--service-account-file", metavar="FILE", help="a Google service account's JSON key file")
    parser.add_argument("--password-command", metavar="CMD", help="a command that prints the password, for that grant")
    parser.add_argument("--no-browser", action="store_true", help="print the authorization URL and open nothing")
    parser.add_argument("--no-check", action="store_true", help="do not try the token at the POP3 server")


def run(options: Namespace) -> None:
    """Sign in, then write the account into config.toml."""
    from oauth2_pop3.accounts import account as accounts
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.sign_in.sign_in import Person, register, sign_in

    config = Config.load()
    terminal = sys.stdin.isatty()
    if options.mailbox and _opens_mailbox(options, config):
        return
    account, settings = _account(options, config)
    if account.provider.unsupported:
        raise ConfigError(account.provider.unsupported.strip().rstrip("."))
    secret = ""
    registered = register(account)
    if registered:
        account = registered
        _say(f"{account.provider.display_name} has registered this program by itself: no client_id is needed.")
    elif not account.provider.client_id and account.provider.grant != "jwt_bearer":
        settings["client_id"] = _ask_client_id(account, terminal=terminal)
        account = accounts.of(account.address, account.provider.name, config, settings)
        secret = _ask_secret(account, terminal=terminal)
    elif not _changes_client(options, config):
        secret = _stored_secret(account)
    if _needs_secret(account) and not account.client_secret(secret):
        secret = _ask_secret(account, terminal=terminal)
    if account.provider.note and account.provider.grant not in APP_GRANTS:
        _say(f"Note: {account.provider.note}")
    config.require_writable()
    person = Person(
        show_url=_show_url(options),
        show_device=_show_device,
        say=_say,
        password=lambda: _password(options, account, terminal=terminal),
        terminal=terminal,
    )
    account = replace(account, mailbox=options.mailbox or "")
    token = sign_in(account, person, client_secret=secret, check=not options.no_check)
    if text := remark_on_length(account.user, token.access_token):
        _say(f"Note: {text}.")
    config.save_account(account.address, settings)
    _save_mailbox(options, config)
    print(f"{account.user} is ready.")


def _opens_mailbox(options: Namespace, config: Config) -> bool:
    """Add a mailbox to an account that has signed in already: nobody has to do so again."""
    from oauth2_pop3.accounts import access
    from oauth2_pop3.accounts import account as accounts
    from oauth2_pop3.accounts.checks import check_maildrop
    from oauth2_pop3.providers.provider import domain_of

    domain_of(options.mailbox)
    if options.grant or options.client_id or options.also is not None:
        return False
    try:
        account = replace(accounts.load(options.address, config), mailbox=options.mailbox)
        token = access.access_token(options.address)
    except (TokenNotFound, AuthorizationRequired):
        return False
    config.require_writable()
    if account.provider.pop3_host and not options.no_check:
        check_maildrop(account, token)
    _save_mailbox(options, config)
    print(f"{options.mailbox} is ready, by the token of {account.address}.")
    return True


def _save_mailbox(options: Namespace, config: Config) -> None:
    if options.mailbox and options.mailbox.lower() != options.address.lower():
        config.save_account(options.mailbox, {"account": options.address})


def _discover(address: str, config: Config) -> tuple[str, Config]:
    """Find the provider; one that was not known is shown before anything is sent to it, and written down."""
    from oauth2_pop3.accounts.config import Config
    from oauth2_pop3.cli.commands.discover import lines
    from oauth2_pop3.discovery.ladder import discover

    found = discover(address, config)
    if not found.known:
        _say("\n".join(lines(found)))
        config.save_provider(found.provider.name, found.values)
        config = Config.load()
    return found.provider.name, config


def _account(options: Namespace, config: Config) -> tuple[Account, dict[str, object]]:
    """The account as options and config say, and the settings to write down once it has signed in."""
    from oauth2_pop3.accounts import account as accounts
    from oauth2_pop3.providers.provider import domain_of
    from oauth2_pop3.sign_in.sign_in import choose_grant

    domain_of(options.address)
    own = config.accounts.get(options.address.lower(), {})
    provider = options.provider or own.get("provider")
    if not provider:
        provider, config = _discover(options.address, config)
    settings: dict[str, object] = {"provider": str(provider)}
    for key in (*_SETTINGS, "client_private_key_password_command"):
        if getattr(options, key):
            settings[key] = getattr(options, key)
    for key in _FILES:
        if getattr(options, key):
            settings[key] = str(Path(getattr(options, key)).expanduser().absolute())
    account = accounts.of(options.address, str(provider), config, settings)
    wanted = options.grant or _remembered_grant(options, own)
    grant = choose_grant(account.provider, wanted=wanted, screen=options.no_browser or _has_screen())
    settings["grant"] = "" if grant == "authorization_code" else grant
    if options.also is not None:
        if options.also and grant in APP_GRANTS:
            raise UsageError(
                f"--also is for the sign-in of a person, and {grant} is an app's own",
                hint="What an app may do, its administrator says.",
            )
        before = account.also if options.also else ()
        settings["also"] = [protocol for protocol in OTHER_PROTOCOLS if protocol in {*before, *options.also}]
    return accounts.of(options.address, str(provider), config, settings), settings


def _remembered_grant(options: Namespace, own: Mapping[str, object]) -> str:
    """How this account signed in before; without a browser is another wish."""
    return "authorization_code" if options.no_browser and own.get("grant") == "device_code" else ""


def _changes_client(options: Namespace, config: Config) -> bool:
    own = config.accounts.get(options.address.lower(), {})
    return bool(options.client_id) and options.client_id != own.get("client_id")


def _ask_client_id(account: Account, *, terminal: bool) -> str:
    provider = account.provider
    if not terminal:
        raise UsageError(
            f"no client_id is known for {provider.display_name}",
            hint="Give --client-id, or put client_id into config.toml. The README says how to register a client.",
        )
    _say(f"{provider.display_name} wants to know which client asks. Register one once:\n")
    _say((provider.registration or "See the provider's documentation for developers.").strip() + "\n")
    client_id = input("client_id: ").strip()
    if not client_id:
        raise UsageError("without a client_id nobody can sign in")
    return client_id


def _needs_secret(account: Account) -> bool:
    """Whether this grant cannot do without one."""
    provider = account.provider
    if provider.client_private_key or provider.grant == "jwt_bearer":
        return False
    return provider.grant == "client_credentials" or provider.client_secret_policy == "required"


def _ask_secret(account: Account, *, terminal: bool) -> str:
    policy = "required" if _needs_secret(account) else account.provider.client_secret_policy
    if account.provider.client_private_key:
        return ""
    if policy == "forbidden" or account.client_secret():
        return ""
    if not terminal:
        if policy == "optional":
            return ""
        raise UsageError(
            f"{account.provider.display_name} wants the client's secret",
            hint="Give --client-secret-command, a command that prints it.",
        )
    while True:
        secret = getpass.getpass(
            "client_secret (not shown): " if policy == "required" else "client_secret (not shown; empty for none): "
        ).strip()
        if secret or policy != "required":
            return secret


def _stored_secret(account: Account) -> str:
    try:
        return account.store.load(account.key).client_secret
    except TokenStoreError:
        return ""


def _show_url(options: Namespace) -> Callable[[str, bool], None]:
    def show(url: str, listens: bool) -> None:
        opened = not options.no_browser and _has_screen() and webbrowser.open(url)
        _say("A browser has been opened. If it has not, open this:" if opened else "Open this URL and sign in:")
        print(url, flush=True)
        if sys.stdin.isatty():
            _say(
                "Waiting for the browser. If it is on another machine, its last page cannot be shown: "
                "paste the address of that page here."
                if listens
                else "In the end the browser shows a page that cannot be loaded: paste the address of that page here."
            )

    return show


def _protocols(text: str) -> tuple[str, ...]:
    """Read --also; () for none."""
    names = tuple(name.strip() for name in text.lower().split(","))
    if names == ("none",):
        return ()
    if unknown := [name for name in names if name not in OTHER_PROTOCOLS]:
        raise ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(OTHER_PROTOCOLS)}, none")
    return names


def _show_device(authorization: DeviceAuthorization) -> None:
    """Section 3.3 of RFC 8628: the URL and the code to a person, and a picture of both, or of the URL alone."""
    from oauth2_pop3.cli.qr_code import qr_code

    _say("On any device, open this URL:")
    print(authorization.verification_uri, flush=True)
    _say(f"and enter the code  {authorization.user_code}")
    url = authorization.verification_uri_complete or authorization.verification_uri
    if sys.stderr.isatty() and (picture := qr_code(url)):
        _say(f"\nor scan this:\n{picture}")
    _say("Check that the page shows the same code. Waiting ...")


def _password(options: Namespace, account: Account, *, terminal: bool) -> str:
    from oauth2_pop3.accounts.account import run_command
    from oauth2_pop3.oauth2.grants.password import WARNING

    _say(WARNING)
    if options.password_command:
        return run_command(options.password_command, what="--password-command")
    if not terminal:
        raise UsageError("there is no terminal to ask for the password", hint="Give --password-command.")
    return getpass.getpass(f"password of {account.address} (not shown, not kept): ")


def _has_screen() -> bool:
    """Without one, webbrowser may put a text browser onto this very terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
