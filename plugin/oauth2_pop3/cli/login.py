"""Sign in to an account, so that mail can be fetched from then on without a person.

A browser opens, or the authorization URL is printed: open it anywhere, sign in, and if that was on another machine,
paste the address that the browser shows in the end here. Then the POP3 server is asked whether it takes the token.
"""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from oauth2_pop3.errors import ConfigError, TokenStoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from oauth2_pop3.accounts import Account
    from oauth2_pop3.config import Config


def add_arguments(parser: ArgumentParser) -> None:
    """ADDRESS and what is not in config.toml yet."""
    parser.add_argument("address", metavar="ADDRESS", help="the mail address to sign in as")
    parser.add_argument("--provider", metavar="NAME", help="the provider (oauth2-pop3 providers lists them)")
    parser.add_argument("--client-id", metavar="ID", help="the client_id that you registered with the provider")
    parser.add_argument("--client-secret-command", metavar="CMD", help="a command that prints the client's secret")
    parser.add_argument("--redirect-uri", metavar="URI", help="the redirect URI that the client was registered with")
    parser.add_argument("--tenant", metavar="TENANT", help="the directory, at Microsoft")
    parser.add_argument("--no-browser", action="store_true", help="print the authorization URL and open nothing")
    parser.add_argument("--no-check", action="store_true", help="do not try the token at the POP3 server")


def run(options: Namespace) -> None:
    """Sign in, then write the account into config.toml."""
    from oauth2_pop3 import accounts
    from oauth2_pop3.config import Config
    from oauth2_pop3.sign_in import Person, sign_in

    config = Config.load()
    terminal = sys.stdin.isatty()
    account, settings = _account(options, config)
    if account.provider.unsupported:
        raise ConfigError(account.provider.unsupported.strip().rstrip("."))
    secret = ""
    if not account.provider.client_id:
        settings["client_id"] = _ask_client_id(account, terminal=terminal)
        account = accounts.of(account.address, account.provider.name, config, settings)
        secret = _ask_secret(account, terminal=terminal)
    elif not _changes_client(options, config):
        secret = _stored_secret(account)
    if account.provider.client_secret_policy == "required" and not account.client_secret(secret):
        secret = _ask_secret(account, terminal=terminal)
    if account.provider.note:
        _say(f"Note: {account.provider.note}")
    config.require_writable()
    person = Person(show_url=_show_url(options), say=_say, terminal=terminal)
    sign_in(account, person, client_secret=secret, check=not options.no_check)
    config.save_account(account.address, settings)
    print(f"{account.address} is ready.")


def _account(options: Namespace, config: Config) -> tuple[Account, dict[str, str]]:
    """The account as options and config say, and the settings to write down once it has signed in."""
    from oauth2_pop3 import accounts
    from oauth2_pop3.providers import domain_of

    domain_of(options.address)
    own = config.accounts.get(options.address.lower(), {})
    provider = options.provider or own.get("provider") or accounts.provider_name(options.address, config)
    settings = {"provider": str(provider)}
    for key in ("client_id", "client_secret_command", "redirect_uri", "tenant"):
        if getattr(options, key):
            settings[key] = getattr(options, key)
    return accounts.of(options.address, str(provider), config, settings), settings


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


def _ask_secret(account: Account, *, terminal: bool) -> str:
    policy = account.provider.client_secret_policy
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


def _has_screen() -> bool:
    """Without one, webbrowser may put a text browser onto this very terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
