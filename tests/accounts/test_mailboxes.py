"""A shared mailbox and whose token opens it: `login`, `token` and the retriever take both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from oauth2_pop3.sandbox import DEMO_USER, Sandbox
from support.product import Completed, Getmail, Product

SHARED = "sales@" + DEMO_USER.partition("@")[2]
OPERATION_FAILED = 127


@pytest.fixture
def sandbox(tmp_path: Path, product: Product) -> Iterator[Sandbox]:
    """Its POP3 server has shared mailboxes, which Dovecot does not open with a token."""
    with Sandbox(tmp_path / "sandbox") as running:
        row = {**running.provider_row(), "client_id": running.client_id}
        product.configure(tomlkit.dumps({"providers": {"sandbox": row}}))
        running.deliver(3, to=SHARED)
        yield running


def login(product: Product, sandbox: Sandbox, *arguments: str) -> Completed:
    with product.login_process(DEMO_USER, *arguments) as (process, url):
        sandbox.sign_in(url)
        stdout, stderr = process.communicate(timeout=180)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def test_login_for_a_shared_mailbox(product: Product, sandbox: Sandbox, getmail: Getmail) -> None:
    sandbox.pop3_server.share(SHARED, DEMO_USER)
    result = login(product, sandbox, "--mailbox", SHARED)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{SHARED} is ready.\n"
    token = product.token(DEMO_USER)
    assert product.token(SHARED) == token
    assert product.token(DEMO_USER, "--mailbox", SHARED) == token
    getmail.configure(f"type = oauth2-pop3\nusername = {SHARED}\ntimeout = 5")
    assert getmail.run().returncode == 0
    assert len(getmail.messages()) == 3


def test_a_mailbox_of_an_account_that_is_signed_in_needs_no_browser(product: Product, sandbox: Sandbox) -> None:
    assert login(product, sandbox).returncode == 0
    sandbox.pop3_server.share(SHARED, DEMO_USER)
    result = product.run("login", DEMO_USER, "--mailbox", SHARED)
    assert result.returncode == 0, result.stderr
    assert SHARED in result.stdout
    assert product.token(SHARED) == product.token(DEMO_USER)


def test_the_check_says_that_it_was_the_mailbox(product: Product, sandbox: Sandbox) -> None:
    assert login(product, sandbox).returncode == 0
    result = product.run("login", DEMO_USER, "--mailbox", SHARED)
    assert result.returncode == 77
    assert f"the token of {DEMO_USER} is good, but it does not open the mailbox {SHARED}" in result.stderr
    assert SHARED not in product.config_file.read_text()


def test_the_check_says_that_it_was_the_token(product: Product, sandbox: Sandbox) -> None:
    assert login(product, sandbox).returncode == 0
    sandbox.pop3_server.share(SHARED, DEMO_USER)
    record = product.stored(DEMO_USER) | {"access_token": "not-one-of-the-server-s"}
    (product.state / "tokens" / f"{DEMO_USER}.json").write_text(json.dumps(record))
    (product.state / "access" / DEMO_USER).unlink()
    result = product.run("login", DEMO_USER, "--mailbox", SHARED)
    assert result.returncode == 77
    assert f"the token does not open the mailbox of {DEMO_USER} either" in result.stderr


def test_the_retriever_names_both(product: Product, sandbox: Sandbox, getmail: Getmail) -> None:
    assert login(product, sandbox).returncode == 0
    getmail.configure(f"type = oauth2-pop3\nusername = {SHARED}\naccount = {DEMO_USER}\ntimeout = 5")
    result = getmail.run()
    assert result.returncode == OPERATION_FAILED
    assert f"refused the access token for {SHARED}" in result.stderr
    assert f"It was the token of {DEMO_USER}" in result.stderr


def test_a_copy_of_the_token_goes_with_the_account(product: Product, sandbox: Sandbox) -> None:
    sandbox.pop3_server.share(SHARED, DEMO_USER)
    assert login(product, sandbox, "--mailbox", SHARED).returncode == 0
    product.token(SHARED)
    assert product.run("logout", DEMO_USER).returncode == 0
    assert not list((product.state / "access").iterdir())
    assert product.run("token", SHARED).returncode == 77


@pytest.mark.parametrize("person", ['""', "7", f'"{SHARED}"'])
def test_a_mailbox_whose_account_cannot_be(person: str, product: Product) -> None:
    product.configure(f'[accounts."{SHARED}"]\naccount = {person}\n')
    result = product.run("token", SHARED)
    assert result.returncode == 78
    assert "config.toml" in result.stderr
    assert "Traceback" not in result.stderr
