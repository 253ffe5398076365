"""A home like that of a reader of the guides: old configuration files, and accounts at providers that are sandboxes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomlkit

from oauth2_pop3.sandbox import Sandbox
from servers import programs
from support.product import Product

ACCOUNTS = {
    "you@gmail.com": "google",
    "you@outlook.com": "microsoft",
    "you@example.org": "microsoft",
    "ann@example.org": "microsoft",
    "sales@example.org": "microsoft",
}
"""The addresses of the guides, and the provider whose part the sandbox plays for each."""
_MORE = {
    "google": {"providers": ["google"], "domains": ["gmail.com"]},
    "microsoft": {"providers": ["outlook", "microsoft"], "domains": ["example.org"]},
}
_OLD_FILES = {
    ".getmail/getmailrc": (
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = you@gmail.com\n"
        "password = secret\n[destination]\ntype = Maildir\npath = ~/Maildir/\n"
    ),
    ".fetchmailrc": 'poll pop.gmail.com proto pop3 user "you@gmail.com" password "secret" ssl\n',
    ".mpoprc": "account a\nhost pop.gmail.com\nuser you@gmail.com\npassword secret\ntls on\ntls_starttls off\n",
}


@dataclass(frozen=True)
class Playground:
    """Both sandboxes, and one user's home in which all ACCOUNTS have signed in. Copies of it share the servers."""

    sandboxes: dict[str, Sandbox]
    home: Path

    def sandbox(self, address: str) -> Sandbox:
        """The servers of an address of the guides."""
        return self.sandboxes[ACCOUNTS.get(address, "google")]


def login(product: Product, sandbox: Sandbox, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Sign in, and play the person at the browser."""
    with product.login_process(address, *options) as (process, url):
        sandbox.sign_in(url, account=address)
        stdout, stderr = process.communicate(timeout=180)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def configuration(sandboxes: dict[str, Sandbox]) -> str:
    """config.toml: the built-in providers of the guides, but at the sandbox's addresses."""
    tables = {}
    for act, sandbox in sandboxes.items():
        row = {**sandbox.provider_row(), "client_id": sandbox.client_id, "domains": _MORE[act]["domains"]}
        if act == "google":
            row["issuer"] = sandbox.issuer
        scope = str(row["scope"])
        row.update(imap_scope=scope.split()[0], smtp_scope=scope.split()[0])
        if sandbox.client_secret:
            row["client_secret"] = sandbox.client_secret
        for name in _MORE[act]["providers"]:
            tables[name] = row if name != "outlook" else {**row, "domains": ["outlook.com"]}
    return tomlkit.dumps({"providers": tables})


def fill(home: Path) -> None:
    """Put old configuration files into a home, and commands that print secrets onto its PATH."""
    for name, text in _OLD_FILES.items():
        path = home / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    for name in ("cur", "new", "tmp"):
        (home / "Maildir" / name).mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    programs.not_quick("the sandbox")
    directory = tmp_path_factory.mktemp("playground")
    home = directory / "home"
    product = Product(home)
    with (
        Sandbox(directory / "google", "google") as google,
        Sandbox(directory / "microsoft", "microsoft") as microsoft,
        pytest.MonkeyPatch.context() as environment,
    ):
        sandboxes = {"google": google, "microsoft": microsoft}
        microsoft.pop3_server.share("sales@example.org", "ann@example.org")
        microsoft.pop3_server.share("support@example.org", "sales@example.org")
        environment.setenv("HOME", str(home))
        for name in [name for name in os.environ if name.startswith("XDG_")]:
            environment.delenv(name)
        product.configure(configuration(sandboxes))
        fill(home)
        for address, act in ACCOUNTS.items():
            result = login(product, sandboxes[act], address)
            assert result.returncode == 0, result.stderr
        yield Playground(sandboxes, home)


@pytest.fixture
def lived_in(playground: Playground, product: Product) -> Product:
    """A copy of that home, for one test."""
    shutil.copytree(playground.home, product.home, dirs_exist_ok=True)
    return product
