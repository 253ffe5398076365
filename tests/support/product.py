"""oauth2-pop3 and getmail as a user has them: installed commands, run in an empty home."""

from __future__ import annotations

import atexit
import json
import mailbox
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers.authorization_server import NATIVE_PUBLIC, SCOPE, AuthorizationServer, Client
from servers.dovecot import Dovecot

ADDRESS = "ann@example.org"
BUILT_IN = "fastmail"
"""The built-in provider whose row has the fewest keys of its own."""
Completed = subprocess.CompletedProcess[str]


class Product:
    """The installed `oauth2-pop3`, in the home directory that the fixture `home` made."""

    command = str(Path(sys.executable).with_name("oauth2-pop3"))

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config_file = home / ".config/oauth2-pop3/config.toml"
        self.state = home / ".local/state/oauth2-pop3"

    def configure(self, text: str) -> None:
        """Write config.toml."""
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(textwrap.dedent(text))
        self.config_file.chmod(0o600)

    def use(
        self,
        server: AuthorizationServer,
        pop3: Dovecot | None = None,
        *,
        client: Client = NATIVE_PUBLIC,
        more: str = "",
    ) -> None:
        """Describe the real servers as the provider of example.org."""
        where = f'pop3_host = "localhost"\npop3_port = {pop3.pop3s_port}' if pop3 else ""
        self.configure(f"""\
[providers.example]
issuer = "{server.issuer}"
scope = "{SCOPE}"
ca_certs = "{server.ca_file}"
client_id = "{client.client_id}"
domains = ["example.org"]
{where}
{more}
""")
        if client.client_secret:
            secret = self.home / "secret"
            secret.write_text(client.client_secret)
            self.configure(
                self.config_file.read_text().replace("domains =", f'client_secret_command = "cat {secret}"\ndomains =')
            )

    def use_built_in(self, server: AuthorizationServer, pop3: Dovecot, *addresses: str) -> None:
        """Write the config.toml that `login` with a built-in provider leaves: a table for each account and none else.

        Keys in the accounts' tables lead to the real servers.
        """
        self.configure(
            "".join(
                f'''\
[accounts."{address}"]
provider = "{BUILT_IN}"
issuer = "{server.issuer}"
authorization_endpoint = "{server.issuer}/auth"
token_endpoint = "{server.issuer}/token"
scope = "{SCOPE}"
ca_certs = "{server.ca_file}"
client_id = "{NATIVE_PUBLIC.client_id}"
pop3_host = "localhost"
pop3_port = {pop3.pop3s_port}
'''
                for address in addresses
            )
        )

    def run(self, *arguments: str, stdin: str | None = None, check: bool = False, timeout: float = 180) -> Completed:
        """Run `oauth2-pop3 ARGUMENTS` to its end."""
        return run(self.command, *arguments, stdin=stdin, check=check, timeout=timeout)

    def token(self, account: str = ADDRESS, *arguments: str) -> str:
        """The access token that `token` prints; fails if it prints none."""
        result = self.run("token", account, *arguments, check=True)
        assert result.stderr == ""
        assert result.stdout.count("\n") == 1
        return result.stdout.rstrip("\n")

    @contextmanager
    def login_process(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """`oauth2-pop3 login ARGUMENTS --no-browser`, and the authorization URL that it prints."""
        with subprocess.Popen(
            [self.command, "login", *arguments, "--no-browser"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            url = process.stdout.readline().strip()
            try:
                assert url.startswith("http"), process.stderr.read()
                yield process, url
            finally:
                process.kill()

    def login(
        self,
        server: AuthorizationServer,
        address: str = ADDRESS,
        *arguments: str,
        username: str = "",
        consent: bool = True,
    ) -> Completed:
        """Sign in with plain HTTP requests, as a person would in a browser on this machine."""
        with self.login_process(address, *arguments) as (process, url):
            server.sign_in(url, username or address, consent=consent)
            stdout, stderr = process.communicate(timeout=180)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def expire(self, account: str = ADDRESS, seconds: float = -1) -> None:
        """Make the access token look expired, on this machine only: the server still accepts it."""
        file = self.state / "tokens" / f"{account}.json"
        record = json.loads(file.read_text())
        record["expires_at"] = int(time.time() + seconds)
        file.write_text(json.dumps(record))
        cache = self.state / "access" / account
        if cache.exists():
            cache.write_text(f"{record['expires_at']}\n{record['access_token']}\n")

    def stored(self, account: str = ADDRESS) -> dict[str, Any]:
        """The token store's record."""
        record: dict[str, Any] = json.loads((self.state / "tokens" / f"{account}.json").read_text())
        return record


class Getmail:
    """The unmodified getmail, with its own directory in that home."""

    def __init__(self, home: Path, *command: str) -> None:
        self.command = command or (str(Path(sys.executable).with_name("getmail")),)
        self.directory = home / ".getmail"
        self.directory.mkdir(mode=0o700)
        self.maildir = home / "Maildir"
        if os.geteuid() == 0:
            # As root, getmail delivers as another user, who must be able to get here; but pytest closes its
            # directories to other users whenever another run of it begins.
            parent = Path(tempfile.mkdtemp(prefix="getmail-"))
            atexit.register(shutil.rmtree, parent, ignore_errors=True)
            parent.chmod(0o755)
            self.maildir = parent / "Maildir"
        for name in ("cur", "new", "tmp"):
            (self.maildir / name).mkdir(parents=True)
        self._rc_files: list[str] = []
        if os.geteuid() == 0:
            for path in (self.maildir, *self.maildir.iterdir()):
                os.chown(path, 65534, 65534)

    def configure(self, retriever: str, options: str = "", name: str = "getmailrc", destination: str = "") -> Path:
        """Write an rc file; `run` runs all that were written, in order."""
        rc = self.directory / name
        user = "user = nobody\n" if os.geteuid() == 0 else ""
        destination = destination or f"type = Maildir\npath = {self.maildir}/\n{user}"
        rc.write_text(
            f"[retriever]\n{retriever}\n[destination]\n{destination}\n"
            f"[options]\nverbose = 1\nread_all = false\n{options}\n"
        )
        rc.chmod(0o600)
        if name not in self._rc_files:
            self._rc_files.append(name)
        return rc

    def oauth2(self, pop3: Dovecot, address: str = ADDRESS, more: str = "", **where: Any) -> None:
        """Write an rc file with `type = oauth2-pop3`."""
        self.configure(self.retriever(pop3, address, more), **where)

    @staticmethod
    def retriever(pop3: Dovecot, address: str = ADDRESS, more: str = "", kind: str = "oauth2-pop3") -> str:
        """The lines of its [retriever] section."""
        return f"type = {kind}\nserver = localhost\nport = {pop3.pop3s_port}\nusername = {address}\n{more}"

    def run(self, *arguments: str, timeout: float = 180) -> Completed:
        """Run it with every rc file."""
        files = [word for name in self._rc_files for word in ("--rcfile", name)]
        return run(*self.command, "--getmaildir", str(self.directory), *files, *arguments, timeout=timeout)

    def subjects(self) -> list[str]:
        """The subjects of what was delivered, sorted."""
        return sorted(str(message["subject"]) for message in mailbox.Maildir(self.maildir, create=False))

    def message_ids(self) -> list[str]:
        """The Message-IDs of what was delivered; one that is listed twice was delivered twice."""
        return sorted(str(message["message-id"]) for message in mailbox.Maildir(self.maildir, create=False))

    def messages(self) -> list[bytes]:
        """What was delivered, as bytes."""
        return [path.read_bytes() for path in sorted((self.maildir / "new").iterdir())]

    def forget(self) -> None:
        """Delete what was delivered, and the memory of it."""
        for path in [*self.maildir.glob("*/*"), *self.directory.glob("*oldmail-*")]:
            path.unlink()

    def seen_files(self) -> list[str]:
        """The names of the files in which getmail remembers messages."""
        return sorted(path.name for path in self.directory.glob("oldmail-*"))


def run(*arguments: str, stdin: str | None = None, check: bool = False, timeout: float = 180) -> Completed:
    """Run a command to its end. With check, a command that fails is an AssertionError that shows its standard error."""
    result = subprocess.run(
        arguments,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check:
        assert result.returncode == 0, f"{arguments} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}"
    return result
