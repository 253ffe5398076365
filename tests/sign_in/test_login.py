"""`oauth2-pop3 login`: a person signs in at the certified authorization server, and Dovecot takes the token."""

from __future__ import annotations

import itertools
import os
import pty
import re
import select
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
import requests

from servers.authorization_server import (
    NATIVE_BASIC,
    NATIVE_CONFIDENTIAL,
    SCOPE,
    AuthorizationServer,
    Client,
)
from servers.browser import Browser
from servers.dovecot import Dovecot
from support.product import ADDRESS, Product

_users = itertools.count(1)
Stack = tuple[Product, AuthorizationServer, Dovecot]


@pytest.fixture
def stack(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> Stack:
    product.use(authorization_server, dovecot)
    return product, authorization_server, dovecot


def _endpoints(server: AuthorizationServer) -> str:
    """A row that names these needs no metadata, and no registration either."""
    return f'authorization_endpoint = "{server.issuer}/auth"\ntoken_endpoint = "{server.issuer}/token"\n'


def test_in_a_browser(stack: Stack, browser: Browser) -> None:
    product, _, _ = stack
    with product.login_process(ADDRESS) as (process, url):
        page = browser.sign_in(url, ADDRESS)
        stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    assert stdout == f"{ADDRESS} is ready.\n"
    assert "Signed in" in page.text
    assert f"{ADDRESS} is ready" in page.text
    assert urlsplit(page.url).hostname == "127.0.0.1"
    assert page.screenshot.stat().st_size > 1000
    assert product.token()


def test_a_refusal_in_the_browser_is_shown_there_and_at_the_terminal(stack: Stack, browser: Browser) -> None:
    product, _, _ = stack
    with product.login_process(ADDRESS) as (process, url):
        page = browser.sign_in(url, ADDRESS, consent=False)
        _, stderr = process.communicate(timeout=180)
    assert process.returncode == 77
    assert "Not signed in" in page.text
    assert "access_denied" in stderr
    assert product.run("token", ADDRESS).returncode == 77


def test_the_authorization_request_is_what_the_rfcs_ask_for(stack: Stack) -> None:
    product, server, _ = stack
    with product.login_process(ADDRESS) as (_, url):
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(server.issuer + "/auth?")
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert len(query["state"]) >= 32
    assert query["scope"] == SCOPE
    assert query["login_hint"] == ADDRESS
    redirect = urlsplit(query["redirect_uri"])
    assert (redirect.scheme, redirect.hostname, redirect.path) == ("http", "127.0.0.1", "/callback")
    with product.login_process(ADDRESS) as (_, second):
        other = {key: values[0] for key, values in parse_qs(urlsplit(second).query).items()}
    assert other["state"] != query["state"]
    assert other["code_challenge"] != query["code_challenge"]


def test_what_is_left_behind_is_private_and_complete(stack: Stack) -> None:
    product, server, _ = stack
    product.login(server).check_returncode()
    for file in [*product.state.rglob("*"), product.state]:
        mode = stat.S_IMODE(file.stat().st_mode)
        assert mode == (0o700 if file.is_dir() else 0o600), file
    config = product.config_file.read_text()
    assert f'[accounts."{ADDRESS}"]\nprovider = "example"' in config
    assert product.stored()["refresh_token"] not in config
    assert product.stored()["scope"] == SCOPE


@pytest.mark.parametrize("client", [NATIVE_CONFIDENTIAL, NATIVE_BASIC], ids=["post", "basic"])
def test_a_confidential_client(
    client: Client, product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    method = "client_secret_basic" if client is NATIVE_BASIC else "client_secret_post"
    more = f'token_endpoint_auth_method = "{method}"'
    product.use(authorization_server, dovecot, client=client, more=more)
    result = product.login(authorization_server)
    assert result.returncode == 0, result.stderr
    product.expire()
    assert product.token()
    assert client.client_secret not in "".join(file.read_text() for file in product.state.rglob("*") if file.is_file())


def test_client_and_secret_command_from_options_are_kept(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot, home: Path
) -> None:
    product.use(authorization_server, dovecot)
    text = product.config_file.read_text()
    product.configure("# a comment of the user's\n" + re.sub("client_id.*\n", "", text))
    secret = home / "secret"
    secret.write_text(NATIVE_CONFIDENTIAL.client_secret + "\n")
    options = ["--client-id", NATIVE_CONFIDENTIAL.client_id, "--client-secret-command", f"cat {secret}"]
    result = product.login(authorization_server, ADDRESS, *options)
    assert result.returncode == 0, result.stderr
    config = product.config_file.read_text()
    assert config.startswith("# a comment of the user's\n")
    assert f'client_id = "{NATIVE_CONFIDENTIAL.client_id}"' in config
    product.expire()
    assert product.token()


def test_without_a_client_id_and_a_terminal_it_says_what_to_give(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    product.use(authorization_server, dovecot, more=_endpoints(authorization_server))
    product.configure(re.sub("client_id.*\n", "", product.config_file.read_text()))
    result = product.run("login", ADDRESS)
    assert result.returncode == 64
    assert "--client-id" in result.stderr


# -- at the terminal


def test_the_redirect_pasted_at_the_terminal(stack: Stack) -> None:
    product, server, _ = stack
    with Terminal(product, ADDRESS) as terminal:
        redirect = server.sign_in(terminal.url(), ADDRESS, follow_redirect=False)
        terminal.type(redirect + "\n")
        assert terminal.ends() == 0, terminal.text
    assert product.token()


def test_the_bare_code_pasted_at_the_terminal(stack: Stack) -> None:
    product, server, _ = stack
    with Terminal(product, ADDRESS) as terminal:
        redirect = server.sign_in(terminal.url(), ADDRESS, follow_redirect=False)
        terminal.type(parse_qs(urlsplit(redirect).query)["code"][0] + "\n")
        assert terminal.ends() == 0, terminal.text
    assert product.token()


def test_with_a_terminal_the_browser_may_still_be_first(stack: Stack) -> None:
    product, server, _ = stack
    with Terminal(product, ADDRESS) as terminal:
        server.sign_in(terminal.url(), ADDRESS)
        assert terminal.ends() == 0, terminal.text


def test_a_line_longer_than_a_terminals_own_limit(stack: Stack) -> None:
    """A terminal that edits lines itself hands over no more than 4,095 octets of a line."""
    product, server, _ = stack
    with Terminal(product, ADDRESS) as terminal:
        redirect = server.sign_in(terminal.url(), ADDRESS, follow_redirect=False)
        terminal.type(redirect + "&padding=" + "x" * 6000 + "\n")
        assert terminal.ends() == 0, terminal.text[-500:]


def test_the_terminal_is_as_it_was_afterwards(stack: Stack) -> None:
    product, _, _ = stack
    with Terminal(product, ADDRESS) as terminal:
        terminal.url()
        before = terminal.settings_at_start
        terminal.type("\x03")
        assert terminal.ends() == 130
        assert terminal.settings() == before
        assert "Traceback" not in terminal.text


def test_something_else_pasted_is_told_and_the_wait_goes_on(stack: Stack) -> None:
    product, server, _ = stack
    with Terminal(product, ADDRESS) as terminal:
        url = terminal.url()
        terminal.type("http://127.0.0.1:1/callback?code=abc&state=not-ours\n")
        terminal.shows("belongs to another sign-in")
        terminal.type("http://127.0.0.1:1/callback?code=abc\n")
        terminal.shows("not the address of the last page of this sign-in")
        terminal.type(server.sign_in(url, ADDRESS, follow_redirect=False) + "\n")
        assert terminal.ends() == 0, terminal.text


def test_the_client_is_asked_for_with_the_way_to_register_one(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    more = _endpoints(authorization_server) + 'registration = "Go to the console."'
    product.use(authorization_server, dovecot, more=more)
    product.configure(re.sub("client_id.*\n", "", product.config_file.read_text()))
    with Terminal(product, ADDRESS) as terminal:
        terminal.shows("Go to the console.")
        terminal.shows("client_id: ")
        terminal.type(NATIVE_CONFIDENTIAL.client_id + "\n")
        terminal.shows("client_secret (not shown; empty for none): ")
        terminal.type(NATIVE_CONFIDENTIAL.client_secret + "\n")
        authorization_server.sign_in(terminal.url(), ADDRESS)
        assert terminal.ends() == 0, terminal.text
        assert NATIVE_CONFIDENTIAL.client_secret not in terminal.text
    assert NATIVE_CONFIDENTIAL.client_secret not in product.config_file.read_text()
    product.expire()
    assert product.token(), "the secret that was typed serves the refresh"


# -- whatever may be wrong is reported at once


def test_no_refresh_token(product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot) -> None:
    product.use(authorization_server, dovecot)
    product.configure(product.config_file.read_text().replace("openid email offline_access mail", "openid email mail"))
    result = product.login(authorization_server)
    assert result.returncode == 77
    assert "no refresh token" in result.stderr
    assert "offline_access" in result.stderr
    assert not (product.state / "tokens").exists()


def test_somebody_else_signed_in(stack: Stack) -> None:
    product, server, _ = stack
    result = product.login(server, ADDRESS, username="bob@example.org")
    assert result.returncode == 77
    assert f"signed in as bob@example.org, not as {ADDRESS}" in result.stderr
    result = product.login(server, ADDRESS, "--no-check", username="bob@example.org")
    assert result.returncode == 77
    assert not (product.state / "tokens").exists()


def test_the_pop3_server_refuses_the_token(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    """Dovecot wants the scope mail; without openid nobody can say who signed in."""
    product.use(authorization_server, dovecot)
    product.configure(
        product.config_file.read_text().replace("openid email offline_access mail", "openid offline_access")
        + 'pop_switch = "Settings > POP"\n'
    )
    result = product.login(authorization_server)
    assert result.returncode == 77
    assert "refused the access token" in result.stderr
    assert "Settings > POP" in result.stderr
    assert not (product.state / "tokens").exists()
    assert product.login(authorization_server, ADDRESS, "--no-check").returncode == 0


def test_a_pop3_server_that_cannot_be_reached_loses_no_token(
    product: Product, authorization_server: AuthorizationServer
) -> None:
    product.use(authorization_server, more='pop3_host = "localhost"\npop3_port = 1')
    result = product.login(authorization_server)
    assert result.returncode == 75
    assert "the token is kept" in result.stderr
    assert product.token()
    product.expire()
    assert product.token(), "the account is in config.toml, so that the token can be renewed"
    assert ADDRESS in product.run("status", check=True).stdout


def test_an_earlier_token_survives_a_sign_in_that_fails(stack: Stack) -> None:
    product, server, _ = stack
    product.login(server).check_returncode()
    kept = product.stored()
    assert product.login(server, username="bob@example.org").returncode == 77
    assert product.login(server, consent=False).returncode == 77
    assert product.stored() == kept


# -- attacks on the redirect

TAB = {"Sec-Fetch-Mode": "navigate"}
"""What a browser says of a page that a person sees: anything else may have fetched it ahead of the person."""


def redirected(url: str, **changes: str | None) -> str:
    """A redirect's URL with parameters changed, or taken out (None)."""
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    query.update({key: value for key, value in changes.items() if value is not None})
    for key in [key for key, value in changes.items() if value is None]:
        del query[key]
    return urlunsplit(parts._replace(query=urlencode(query)))


def test_a_wrong_state_is_ignored_and_the_right_one_still_taken(stack: Stack) -> None:
    product, server, _ = stack
    with product.login_process(ADDRESS) as (process, url):
        redirect = server.sign_in(url, ADDRESS, follow_redirect=False)
        for forged in (redirected(redirect, state="x"), redirected(redirect, state=None)):
            response = requests.get(forged, timeout=60)
            assert response.status_code == 400
            assert "another sign-in" in response.text
        assert process.poll() is None
        pages = [requests.get(redirect, headers=headers, timeout=60) for headers in ({}, TAB)]
        assert [page.status_code for page in pages] == [200, 200], "fetched by something else, and then by the browser"
        assert "is ready" in pages[1].text
        assert process.wait(180) == 0


@pytest.mark.parametrize("iss", ["https://evil.example", None], ids=["another", "missing"])
def test_a_wrong_or_missing_iss_ends_it(iss: str | None, stack: Stack) -> None:
    """RFC 9207 section 2.4; the server's metadata announces that it sends iss."""
    product, server, _ = stack
    with product.login_process(ADDRESS) as (process, url):
        redirect = server.sign_in(url, ADDRESS, follow_redirect=False)
        requests.get(redirected(redirect, iss=iss), headers=TAB, timeout=60)
        _, stderr = process.communicate(timeout=180)
    assert process.returncode == 76
    assert "RFC 9207" in stderr
    assert [entry for entry in server.token_requests() if entry["status"] == 200] == []


def test_the_listener_is_on_loopback_and_answers_nobody_else(stack: Stack) -> None:
    product, _, _ = stack
    with product.login_process(ADDRESS) as (_, url):
        redirect = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0])
        assert redirect.port
        listening = Path("/proc/net/tcp").read_text()
        assert f" 0100007F:{redirect.port:04X} " in listening
        assert f" 00000000:{redirect.port:04X} " not in listening
        base = f"http://127.0.0.1:{redirect.port}"
        assert requests.get(f"{base}/favicon.ico", timeout=60).status_code == 404
        assert requests.get(f"{base}/callback", timeout=60).status_code == 400
        rebound = requests.get(f"{base}/callback?code=x", headers={"Host": "evil.example"}, timeout=60)
        assert rebound.status_code == 404


def test_a_redirect_uri_with_a_fixed_port(product: Product, authorization_server: AuthorizationServer) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        port = busy.getsockname()[1]
        busy.listen()
        product.use(authorization_server, more=f'redirect_uri = "http://127.0.0.1:{port}/callback"')
        result = product.run("login", ADDRESS, "--no-browser")
        assert result.returncode == 78
        assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    result = product.login(authorization_server)
    assert result.returncode == 0, result.stderr


def test_a_redirect_uri_that_cannot_be_listened_to_needs_a_terminal(
    product: Product, authorization_server: AuthorizationServer
) -> None:
    product.use(authorization_server, more='redirect_uri = "https://127.0.0.1/"')
    result = product.run("login", ADDRESS, "--grant", "authorization_code")
    assert result.returncode == 64
    assert "terminal" in result.stderr


# -- providers


@pytest.mark.parametrize("address", ["ann@gmx.de", "ann@icloud.com", "ann@yandex.ru"])
def test_a_provider_without_oauth_for_pop3_is_refused_with_the_way_that_works(address: str, product: Product) -> None:
    result = product.run("login", address)
    assert result.returncode == 78
    assert "Traceback" not in result.stderr
    assert re.search("password|IMAP", result.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["login", "ann"], 78, "is not a mail address"),
        (["login", ADDRESS, "--provider", "nowhere"], 78, "there is no provider nowhere"),
        (["login"], 64, "ADDRESS"),
        (["token"], 64, "ACCOUNT"),
        (["token", ADDRESS, "--min-validity", "soon"], 64, "whole number"),
        (["token", ADDRESS], 77, f"oauth2-pop3 login {ADDRESS}"),
        (["logout", ADDRESS], 77, f"oauth2-pop3 login {ADDRESS}"),
        (["frobnicate"], 64, "frobnicate"),
        ([], 64, "COMMAND"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], code: int, words: str, product: Product) -> None:
    result = product.run(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


class Terminal:
    """`oauth2-pop3 login` with a pseudo-terminal on all three, and a person who reads and types."""

    def __init__(self, product: Product, *arguments: str) -> None:
        self.text = ""
        self._fd, child = pty.openpty()
        self.settings_at_start = self.settings()
        self._process = subprocess.Popen(
            [product.command, "login", *arguments, "--no-browser"],
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        self._child = child

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._child)
        os.close(self._fd)

    def settings(self) -> list[object]:
        import termios

        return list(termios.tcgetattr(self._fd))

    def _read(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while not enough():
            assert time.monotonic() < deadline, f"in vain; the terminal shows:\n{self.text}"
            if select.select([self._fd], [], [], 0.05)[0]:
                self.text += os.read(self._fd, 65536).decode()

    def shows(self, words: str) -> None:
        self._read(lambda: words in self.text)

    def url(self) -> str:
        self.shows("paste its address")
        found = re.search(r"^(https://\S+)\r?$", self.text, re.MULTILINE)
        assert found, self.text
        return found[1]

    def type(self, keys: str) -> None:
        data = keys.encode()
        while data:  # a terminal takes only a limited amount at once
            select.select([], [self._fd], [], 10)
            data = data[os.write(self._fd, data[:512]) :]
            time.sleep(0.01)

    def ends(self) -> int:
        self._read(lambda: self._process.poll() is not None)
        if select.select([self._fd], [], [], 0.2)[0]:
            self.text += os.read(self._fd, 65536).decode()
        return self._process.returncode


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
