"""An access token that is too long for a mail program, or for the POP3 server, is said to be so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit

from oauth2_pop3 import __main__
from oauth2_pop3.pop3 import sasl
from oauth2_pop3.sandbox import DEMO_USER, Sandbox
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.hosts import Mpop
from support.product import ADDRESS, Completed, Product, run
from support.terminal import on_a_terminal

REMARK = "mpop before 1.4.22 and msmtp 1.8.23 send no more than 4093"
JWT_LIKE = "eyJ0eXAiOiJKV1QiLCJub25jZSI6Ik" * 120
"""3,600 characters."""


@pytest.fixture
def long_token(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> Product:
    """An account whose token is long. No server has issued it, but the programs find that out later."""
    product.use(authorization_server, dovecot)
    assert product.login(authorization_server).returncode == 0
    cache = product.state / "access" / ADDRESS
    cache.write_text(f"{product.stored()['expires_at']}\n{JWT_LIKE}\n")
    return product


@contextmanager
def sandbox(directory: Path, product: Product, act: str, length: int) -> Iterator[Sandbox]:
    """A sandbox whose access tokens have this many characters."""
    servers = Sandbox(directory, act)
    servers.act = replace(servers.act, access_token_length=length)
    with servers:
        row = {**servers.provider_row(), "client_id": servers.client_id, "longest_access_token": 4096}
        product.configure(tomlkit.dumps({"providers": {"sandbox": row}}))
        yield servers


def login(product: Product, servers: Sandbox) -> Completed:
    with product.login_process(DEMO_USER) as (process, url):
        servers.sign_in(url)
        stdout, stderr = process.communicate(timeout=180)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def configure(mpop: Mpop, dovecot: Dovecot, authorization_server: AuthorizationServer, passwordeval: str) -> None:
    mpop.configure(f"""\
account default
host localhost
port {dovecot.pop3s_port}
user {ADDRESS}
tls on
tls_starttls off
tls_trust_file {authorization_server.ca_file}
auth xoauth2
passwordeval "{passwordeval}"
{{delivery}}
""")


def test_mpop_at_a_terminal_and_in_the_night(
    long_token: Product, home: Path, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    mpop = Mpop(home)
    version = tuple(int(part) for part in run(mpop.command, "--version").stdout.split()[2].split("."))
    if version >= (1, 4, 22):
        pytest.skip("this mpop sends long tokens")
    configure(mpop, dovecot, authorization_server, f"oauth2-pop3 token {ADDRESS}")
    # A person is told before mpop says it in its own words.
    shown = on_a_terminal(mpop.command, "-q", "-a")
    assert REMARK in shown
    assert "longer than 4093 characters" in shown.partition(REMARK)[2]
    # cron gets only what mpop says: other hosts would take a remark for an error.
    result = mpop.run()
    assert result.returncode == 65
    assert "longer than 4093 characters" in result.stderr
    assert REMARK not in result.stderr


def test_the_longest_that_mpop_sends(
    long_token: Product, home: Path, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """If there is no remark, mpop gets as far as the server's refusal."""
    mpop = Mpop(home)
    configure(mpop, dovecot, authorization_server, f"cat {home}/token")
    length = next(n for n in range(4000, 2000, -1) if not sasl.too_long_remark(ADDRESS, "x" * n))
    assert length > __main__._LONG == sasl.MAY_BE_TOO_LONG
    (home / "token").write_text("x" * length + "\n")
    result = mpop.run()
    assert result.returncode == 77
    assert "Authentication failed" in result.stderr
    (home / "token").write_text("x" * (length + 1) + "\n")
    assert mpop.run().returncode in (65, 77), "from 1.4.22 on it is sent"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], True),
        (["--format", "json"], True),
        (["--for", "pop3"], True),
        (["--for", "imap"], False),  # neither mpop nor msmtp
    ],
)
def test_a_person_is_told(arguments: list[str], told: bool, long_token: Product) -> None:
    text = long_token.config_file.read_text()
    long_token.configure(text.replace("domains =", 'imap_scope = "mail"\ndomains ='))
    shown = on_a_terminal(long_token.command, "token", ADDRESS, *arguments)
    assert (REMARK in shown) == told
    assert JWT_LIKE in shown
    result = long_token.run("token", ADDRESS, *arguments, check=True)
    assert result.stderr == ""
    assert JWT_LIKE in result.stdout


def test_the_forms_of_sasl_are_told_everywhere(long_token: Product) -> None:
    """These forms are for people who write a client, or try one."""
    for form in ("xoauth2", "oauthbearer"):
        result = long_token.run("token", ADDRESS, "--format", form, check=True)
        assert REMARK in result.stderr
        assert JWT_LIKE[:50] not in result.stderr


def test_login_status_and_refresh(tmp_path: Path, product: Product) -> None:
    with sandbox(tmp_path / "sandbox", product, "plain", 3500) as servers:
        result = login(product, servers)
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{DEMO_USER} is ready.\n"
        assert f"Note: the access token has 3500 characters, 4716 when encoded; {REMARK}" in result.stderr
        (row,) = json.loads(product.run("status", "--json", check=True).stdout)
        assert row["access_token_length"] == 3500
        product.expire(DEMO_USER)
        assert product.run("token", DEMO_USER, check=True).stderr == ""
        product.expire(DEMO_USER)
        assert REMARK in on_a_terminal(product.command, "token", DEMO_USER)


@pytest.mark.parametrize("command", ["login", "check"])
def test_what_the_pop3_server_does_not_take(command: str, tmp_path: Path, product: Product) -> None:
    """Microsoft's calls it a protocol error, at which nobody thinks of the token (jstedfast/MailKit#1948)."""
    with sandbox(tmp_path / "sandbox", product, "microsoft", 4500 if command == "login" else 1800) as servers:
        result = login(product, servers)
        if command == "check":
            assert result.returncode == 0, result.stderr
            assert "Note: the access token" not in result.stderr
            servers.authorization_server.issued.act = replace(servers.act, access_token_length=4500)
            product.expire(DEMO_USER)
            result = product.run("check", DEMO_USER)
        assert result.returncode == 77
        assert "the access token has 4500 characters, and this server takes 4096" in result.stderr
        assert f"oauth2-pop3 login {DEMO_USER} --also imap" in result.stderr


def test_a_short_one_is_looked_at_by_nobody(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, program: Callable[..., str]
) -> None:
    product.use(authorization_server, dovecot)
    product.login(authorization_server).check_returncode()
    shown = on_a_terminal(product.command, "token", ADDRESS)
    assert shown.strip() == product.token()
