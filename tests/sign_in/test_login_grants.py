"""`oauth2-pop3 login --grant ...`: the ways to sign in that need no browser here, and those that need no person."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servers.authorization_server import (
    NATIVE_PASSWORD,
    PASSWORD,
    SERVICE_ACCOUNT,
    SERVICE_JWT,
    SERVICE_SECRET,
    SERVICE_USERNAME,
    AuthorizationServer,
)
from servers.browser import Browser
from servers.dovecot import Dovecot
from support.product import ADDRESS, Getmail, Product

Stack = tuple[Product, AuthorizationServer, Dovecot]
APP = 'app_scope = "mail"\n'


@pytest.fixture
def stack(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> Stack:
    product.use(authorization_server, dovecot)
    return product, authorization_server, dovecot


@contextmanager
def device_login(product: Product, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`login` by the device authorization grant, the URL to open with its code in it, and the code."""
    command = [product.command, "login", ADDRESS, *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore Ctrl-C, the tests too if it runs them so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("https://"), process.stderr.read()
            code = ""
            while not code:
                line = process.stderr.readline()
                assert line, "no code was shown"
                match = re.search(r"enter the code  (\S+)", line)
                code = match[1] if match else ""
            yield process, f"{url}?user_code={code}", code
        finally:
            process.kill()


def test_device_code(stack: Stack, browser: Browser) -> None:
    product, _, _ = stack
    with device_login(product, "--grant", "device_code") as (process, url, code):
        page = browser.sign_in(url, ADDRESS)
        stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    assert stdout == f"{ADDRESS} is ready.\n"
    assert code
    assert page.text
    assert 'grant = "device_code"' in product.config_file.read_text()
    token = product.token()
    product.expire()
    assert product.token() != token


def test_the_picture_on_the_terminal_is_what_a_scanner_reads(stack: Stack) -> None:
    """A real terminal's lines, drawn as a picture; the URL that is read from the picture leads to the sign-in."""
    zxingcpp = pytest.importorskip("zxingcpp")
    product, server, _ = stack
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    with subprocess.Popen(
        [product.command, "login", ADDRESS, "--grant", "device_code"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=its_end,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ) as process:
        os.close(its_end)
        shown = b""
        while b"Waiting" not in shown:
            shown += os.read(terminal, 65536)
        blocks = [line for line in shown.decode().splitlines() if line and set(line) <= set(" ▀▄█")]
        scale = 4
        rows: list[bytes] = []
        for line in blocks:
            for inks in ("▀█", "▄█"):  # the two halves of a character
                row = b"".join((b"\xff" if character in inks else b"\0") * scale for character in line)
                rows += [row] * scale
        picture = memoryview(b"".join(rows)).cast("B", (len(rows), len(rows[0])))
        [code] = zxingcpp.read_barcodes(picture)
        assert code.text.startswith(f"{server.issuer}/device?user_code=")
        server.approve_device(code.text, ADDRESS)
        stdout, _ = process.communicate(timeout=180)
    os.close(terminal)
    assert process.returncode == 0
    assert stdout.decode().endswith(f"{ADDRESS} is ready.\n")


@pytest.mark.parametrize("by", ["row", "metadata"])
def test_device_code_is_chosen_where_there_is_no_screen(by: str, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    product, server, dovecot = stack
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if by == "row":
        endpoints = ("authorization_endpoint", "auth"), ("device_authorization_endpoint", "device/auth")
        row = "".join(f'{name} = "{server.issuer}/{path}"\n' for name, path in endpoints)
        product.use(server, dovecot, more=f'{row}token_endpoint = "{server.issuer}/token"')
    with device_login(product) as (process, url, _):
        server.approve_device(url, ADDRESS)
        _, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr


def test_a_denied_device(stack: Stack) -> None:
    product, server, _ = stack
    with device_login(product, "--grant", "device_code") as (process, url, _):
        server.approve_device(url, ADDRESS, consent=False)
        _, stderr = process.communicate(timeout=180)
    assert process.returncode == 77
    assert "Traceback" not in stderr
    assert not list(product.state.glob("tokens/*"))


def test_ctrl_c_leaves_nothing_behind(stack: Stack) -> None:
    product, _, _ = stack
    before = product.config_file.read_text()
    with device_login(product, "--grant", "device_code") as (process, _, _code):
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert product.config_file.read_text() == before
    assert not list(product.state.glob("tokens/*"))
    assert not list(product.state.glob("access/*"))


def test_google_says_before_trying_that_its_device_grant_takes_no_mail(product: Product) -> None:
    product.configure("")
    arguments = ("--grant", "device_code", "--client-id", "x", "--client-secret-command", "echo y")
    result = product.run("login", "ann@gmail.com", *arguments)
    assert result.returncode in (76, 78)
    assert "no scope that opens a mailbox" in result.stderr
    assert "oauth2-pop3 login ann@gmail.com --no-browser" in result.stderr


@pytest.mark.parametrize("with_key", [False, True])
def test_client_credentials(
    with_key: bool,
    product: Product,
    authorization_server: AuthorizationServer,
    dovecot: Dovecot,
    getmail: Getmail,
) -> None:
    dovecot.clear(SERVICE_USERNAME)
    dovecot.add_messages(SERVICE_USERNAME, 2)
    client = SERVICE_JWT if with_key else SERVICE_SECRET
    product.use(authorization_server, dovecot, client=client, more=APP)
    key = ("--client-private-key", str(authorization_server.private_key_file)) if with_key else ()
    result = product.run("login", SERVICE_USERNAME, "--grant", "client_credentials", *key)
    assert result.returncode == 0, result.stderr
    requests = authorization_server.token_requests()
    assert [request["grant_type"] for request in requests] == ["client_credentials"]
    getmail.oauth2(dovecot, SERVICE_USERNAME)
    assert getmail.run().returncode == 0
    assert len(getmail.messages()) == 2


def test_one_token_for_many_mailboxes(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    product.use(authorization_server, dovecot, client=SERVICE_SECRET, more=APP + 'grant = "client_credentials"')
    with product.config_file.open("a") as file:
        file.writelines(f'[accounts."box{number}@example.org"]\nprovider = "example"\n' for number in range(20))
    processes = [
        subprocess.Popen(
            [product.command, "token", f"box{number}@example.org"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(20)
    ]
    outputs = [process.communicate(timeout=180) for process in processes]
    assert {errors for _, errors in outputs} == {b""}
    assert len({output for output, _ in outputs}) == 1
    assert len(authorization_server.token_requests()) == 1


def test_a_service_account_that_is_none(product: Product, home: object) -> None:
    product.configure("")
    result = product.run("login", "ann@example.org", "--provider", "google", "--service-account-file", "/nowhere.json")
    assert result.returncode == 78
    assert "/nowhere.json" in result.stderr


def test_a_service_account_opens_each_mailbox_with_a_token_of_its_own(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, getmail: Getmail
) -> None:
    """RFC 7523, from the JSON key file to mail in a maildir: `sub` is the mailbox."""
    product.use(authorization_server, dovecot, more=APP)
    product.configure(re.sub("client_id.*\n", "", product.config_file.read_text()))
    key = {
        "type": "service_account",
        "private_key": authorization_server.private_key_file.read_text(),
        "client_email": SERVICE_ACCOUNT,
        "token_uri": f"{authorization_server.issuer}/token",
    }
    key_file = product.home / "service-account.json"
    key_file.write_text(json.dumps(key))
    key_file.chmod(0o600)
    mailboxes = ("ida@example.org", "kim@example.org")
    for mailbox in mailboxes:
        dovecot.add_messages(mailbox, 1)
        result = product.run("login", mailbox, "--service-account-file", str(key_file))
        assert result.returncode == 0, result.stderr
    assert len({product.token(mailbox) for mailbox in mailboxes}) == 2
    assert product.run("check", "--all").returncode == 0
    getmail.oauth2(dovecot, mailboxes[1])
    assert getmail.run().returncode == 0
    assert len(getmail.messages()) == 1
    key_file.write_text(json.dumps(key | {"client_email": "another@a-project.iam.gserviceaccount.com"}))
    strange = product.run("login", "lou@example.org", "--service-account-file", str(key_file))
    assert strange.returncode == 76, "the server does verify it"
    assert "may not read lou@example.org" in strange.stderr
    assert {request["client_id"] for request in authorization_server.token_requests()} == {"service-account"}


def test_the_password_grant_where_the_row_allows_it(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, getmail: Getmail
) -> None:
    address = "pat@example.org"
    dovecot.add_messages(address, 1)
    product.use(authorization_server, dovecot, client=NATIVE_PASSWORD, more='grants = ["password"]')
    password = product.home / "password"
    for word, code in (("a-wrong-word", 77), (PASSWORD, 0)):
        password.write_text(word)
        result = product.run("login", address, "--grant", "password", "--password-command", f"cat {password}")
        assert result.returncode == code, result.stderr
        assert "RFC 9700" in result.stderr
        assert word not in result.stdout + result.stderr, "nor where the server says it back"
    password.unlink()
    product.expire(address)
    getmail.oauth2(dovecot, address)
    assert getmail.run().returncode == 0
    assert len(getmail.messages()) == 1
    grants = [request["grant_type"] for request in authorization_server.token_requests()]
    assert grants == ["password", "password", "refresh_token"]
    assert not [file for file in product.home.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]


def test_password_is_not_allowed_unless_the_row_says_so(stack: Stack) -> None:
    product, server, _ = stack
    result = product.run("login", ADDRESS, "--grant", "password", "--password-command", "echo hush-hush")
    assert result.returncode == 78
    assert "9700" in result.stderr
    assert "hush-hush" not in result.stderr
    assert server.token_requests() == []


def test_a_grant_that_the_row_does_not_take(stack: Stack) -> None:
    product, server, dovecot = stack
    product.use(server, dovecot, more='grants = ["authorization_code"]')
    result = product.run("login", ADDRESS, "--grant", "device_code")
    assert result.returncode == 78
    assert "does not take the grant device_code" in result.stderr


def test_status_knows_the_app_s_account(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    product.use(authorization_server, dovecot, client=SERVICE_SECRET, more=APP)
    arguments = ("--grant", "client_credentials", "--no-check")
    assert product.run("login", SERVICE_USERNAME, *arguments).returncode == 0
    [row] = json.loads(product.run("status", "--json", check=True).stdout)
    assert row["account"] == SERVICE_USERNAME
    assert row["state"] == "ready"
    assert os.listdir(product.state / "tokens")


# -- registration (RFC 7591)


@pytest.fixture
def without_client(stack: Stack) -> Stack:
    product, _, _ = stack
    product.configure(re.sub("client_id.*\n", "", product.config_file.read_text()))
    return stack


def kept_registration(product: Product) -> Path:
    [file] = (product.state / "registrations").iterdir()
    return file


def test_no_client_id_is_needed_where_the_server_registers_clients(without_client: Stack) -> None:
    product, server, _ = without_client
    result = product.login(server)
    assert result.returncode == 0, result.stderr
    assert "no client_id is needed" in result.stderr
    assert "client_id" not in product.config_file.read_text()
    token = product.token()
    product.expire()
    assert product.token() != token
    file = kept_registration(product)
    client_id = json.loads(file.read_text())["client_id"]
    assert {request["client_id"] for request in server.token_requests()} == {client_id}
    assert file.stat().st_mode & 0o777 == 0o600
    assert product.login(server, "bob@example.org").returncode == 0
    assert json.loads(file.read_text())["client_id"] == client_id, "it is used again"


def test_a_registration_that_the_server_forgot(without_client: Stack) -> None:
    product, server, _ = without_client
    assert product.login(server).returncode == 0
    file = kept_registration(product)
    client_id = json.loads(file.read_text())["client_id"]
    server.forget_client(client_id)
    result = product.login(server)
    assert result.returncode == 0, result.stderr
    assert json.loads(file.read_text())["client_id"] != client_id
    product.expire()
    assert product.token()


def test_a_row_s_new_scope_has_effect_though_a_client_is_kept(without_client: Stack) -> None:
    product, server, _ = without_client
    assert product.login(server).returncode == 0
    text = product.config_file.read_text()
    product.configure(text.replace("openid email offline_access mail", "openid offline_access mail"))
    assert product.login(server).returncode == 0
    assert "email" not in product.stored()["scope"].split()
