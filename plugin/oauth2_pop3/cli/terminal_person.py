"""TerminalPerson: asks and shows at the terminal what a sign-in needs from the person."""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser
from typing import TYPE_CHECKING

from oauth2_pop3.errors import UsageError
from oauth2_pop3.sign_in.person import LoginPerson

if TYPE_CHECKING:
    from oauth2_pop3.discovery.finding import FoundProvider
    from oauth2_pop3.providers.provider import Provider


class TerminalPerson(LoginPerson):
    """The person at the terminal.

    browser: whether to open one, if there is a screen.
    password_command: prints the password; "" to ask for it.
    """

    def __init__(self, *, browser: bool = True, password_command: str = "") -> None:
        self.terminal = sys.stdin is not None and sys.stdin.isatty()
        # Without a screen, webbrowser may run a text browser on this very terminal.
        variables = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
        self.has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in variables)
        self._browser = browser
        self._password_command = password_command

    def say(self, text: str) -> None:
        """Print to standard error, because scripts read standard output."""
        print(text, file=sys.stderr, flush=True)

    def show_discovered(self, found: FoundProvider) -> None:
        """Print it as `discover` does."""
        from oauth2_pop3.cli.found_provider import lines

        self.say("\n".join(lines(found)))

    def show_url(self, url: str, listens: bool) -> None:
        """Print the URL to standard output, and open a browser if that is wanted and there is a screen."""
        opened = self._browser and self.has_screen and webbrowser.open(url)
        self.say(
            "A browser has been opened. If you do not see it, open this URL:"
            if opened
            else "Open this URL and sign in:"
        )
        print(url, flush=True)
        if not self.terminal:
            return
        if listens:
            self.say(
                "Waiting for the browser. If it is on another machine, its last page will fail to load there: "
                "paste its address here."
            )
        else:
            self.say("The browser's last page will fail to load: paste its address here.")

    def show_device(self, verification_uri: str, user_code: str, verification_uri_complete: str) -> None:
        """Print the URL and the code, and a QR code: of a URL with the code in it, if the server gives one."""
        from oauth2_pop3.cli.qr_code import qr_code

        self.say("On any device, open this URL:")
        print(verification_uri, flush=True)
        self.say(f"and enter the code  {user_code}")
        if sys.stderr.isatty() and (picture := qr_code(verification_uri_complete or verification_uri)):
            self.say(f"\nor scan this:\n{picture}")
        self.say("Check that the page shows the same code. Waiting ...")

    def client_id(self, provider: Provider) -> str:
        """Say how to register a client, and ask for its client_id."""
        if not self.terminal:
            raise UsageError(
                f"no client_id is known for {provider.display_name}",
                hint="Give --client-id, or set client_id in config.toml. If you have no client yet, run this in a "
                "terminal: it prints the steps to register one.",
            )
        self.say(f"{provider.display_name} serves only clients that are registered there. Register one, once:\n")
        self.say((provider.registration or "See the provider's documentation for developers.").strip() + "\n")
        client_id = input("client_id: ").strip()
        if not client_id:
            raise UsageError("nobody can sign in without a client_id")
        return client_id

    def client_secret(self, provider: Provider, *, required: bool) -> str:
        """Ask for it; if one is required, ask until one is typed."""
        if not self.terminal:
            if not required:
                return ""
            raise UsageError(
                f"{provider.display_name} wants the client's secret",
                hint="Give --client-secret-command, a command that prints it.",
            )
        prompt = "client_secret (not shown): " if required else "client_secret (not shown; empty for none): "
        while True:
            secret = getpass.getpass(prompt).strip()
            if secret or not required:
                return secret

    def password(self, address: str) -> str:
        """Run the command that prints it, or ask for it."""
        from oauth2_pop3.accounts.user_command import first_line

        if self._password_command:
            return first_line(self._password_command, what="--password-command")
        if not self.terminal:
            raise UsageError("there is no terminal to ask for the password", hint="Give --password-command.")
        return getpass.getpass(f"password of {address} (not shown, not kept): ")
