"""`oauth2-pop3 sandbox` as a user runs it, and quirks of Google and Microsoft that only the sandbox can imitate."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from oauth2_pop3.sandbox import DEMO_USER, Sandbox
from oauth2_pop3.sandbox.pop3_server.connection import Faults
from support.product import Completed, Getmail, Product
from support.sandbox import throttle

OPERATION_FAILED = 127


@pytest.mark.slow
@pytest.mark.parametrize("act", ["plain", "google", "microsoft"])
def test_the_demonstration(act: str, product: Product) -> None:
    result = product.run("sandbox", "--act", act, check=True)
    assert f"(act: {act})" in result.stdout
    assert f"{DEMO_USER} is ready." in result.stdout
    assert "5 messages" in result.stdout
    assert "[5] Lines that begin with a dot" in result.stdout
    assert not product.config_file.exists(), "it must not touch the user's own"
    assert not product.state.exists()


@pytest.mark.slow
def test_keep_leaves_it_running_to_play_with(product: Product, home: Path) -> None:
    with subprocess.Popen(
        [product.command, "sandbox", "--keep"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        settings, text = {}, ""
        for line in process.stdout:
            text += line
            if line.startswith("  export "):
                settings = dict(word.split("=") for word in line.split()[1:])
                settings["PATH"] = settings["PATH"].replace('"$PATH"', os.environ["PATH"])
            if "Ctrl-C" in line:
                break
        environment = {**os.environ, **settings}
        assert shutil.which("oauth2-pop3", path=settings["PATH"]) == product.command
        token = subprocess.run(["oauth2-pop3", "token", DEMO_USER], env=environment, capture_output=True, check=True)
        assert token.stdout.strip()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "A new message is on the server.\n"
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        assert process.wait(180) == 0
    assert not Path(settings["XDG_CONFIG_HOME"]).parent.exists(), "it must take its directory away"


def test_an_unknown_act(product: Product) -> None:
    result = product.run("sandbox", "--act", "hamlet")
    assert result.returncode in (64, 78)
    assert "microsoft" in result.stderr
    assert "Traceback" not in result.stderr


# -- acts


class Play:
    """The product beside a sandbox in this process, whose settings the test can change."""

    def __init__(self, product: Product, getmail: Getmail, sandbox: Sandbox) -> None:
        self.product = product
        self.getmail = getmail
        self.sandbox = sandbox
        self.configure()
        self.configure_getmail("timeout = 60")

    def configure_getmail(self, options: str) -> None:
        self.getmail.configure(f"type = oauth2-pop3\nusername = {DEMO_USER}\nreconnect_pauses = (0, 0, 0)\n{options}")

    def configure(self, **changes: Any) -> None:
        """Write config.toml; None takes a key out."""
        row = {**self.sandbox.provider_row(), "client_id": self.sandbox.client_id}
        if self.sandbox.client_secret:
            row["client_secret"] = self.sandbox.client_secret
        row.update(changes)
        row = {key: value for key, value in row.items() if value is not None}
        self.product.configure(tomlkit.dumps({"providers": {"sandbox": row}}))

    def login(self, *arguments: str, account: str | None = None) -> Completed:
        with self.product.login_process(DEMO_USER, *arguments) as (process, url):
            self.sandbox.sign_in(url, account=account)
            stdout, stderr = process.communicate(timeout=180)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def token(self) -> Completed:
        """After the access token has ended."""
        self.product.expire(DEMO_USER)
        return self.product.run("token", DEMO_USER)


@pytest.fixture
def play(product: Product, getmail: Getmail, tmp_path: Path) -> Iterator[Callable[..., Play]]:
    with contextlib.ExitStack() as stack:

        def begin(act: str = "plain", *, signed_in: bool = True) -> Play:
            begun = Play(product, getmail, stack.enter_context(Sandbox(tmp_path / "sandbox", act)))
            if signed_in:
                result = begun.login()
                assert result.returncode == 0, result.stderr
            return begun

        yield begin


def test_google_gives_no_refresh_token_without_its_parameters(play: Callable[..., Play]) -> None:
    begun = play("google", signed_in=False)
    begun.configure(authorization_parameters=None)
    result = begun.login()
    assert result.returncode == 77
    assert "no refresh token" in result.stderr
    assert "access_type=offline" in result.stderr
    assert "prompt=consent" in result.stderr


def test_googles_revoked_and_its_seven_days_of_testing(play: Callable[..., Play]) -> None:
    begun = play("google")
    begun.sandbox.authorization_server.issued.expire(DEMO_USER, access_tokens=True, refresh_tokens=True)
    result = begun.token()
    assert result.returncode == 77
    assert "Token has been expired or revoked" in result.stderr
    assert f"oauth2-pop3 login {DEMO_USER}" in result.stderr


def test_google_wants_the_secret_of_a_desktop_client(play: Callable[..., Play]) -> None:
    begun = play("google", signed_in=False)
    begun.configure(client_secret=None)
    result = begun.login()
    assert result.returncode == 76
    assert "client_secret" in result.stderr


def test_google_and_a_scope_that_was_cut(play: Callable[..., Play]) -> None:
    begun = play("google", signed_in=False)
    begun.sandbox.authorization_server.cut_scope("openid email")
    result = begun.login()
    assert result.returncode == 77
    assert "https://mail.google.com/ is missing" in result.stderr
    assert "ticked" in result.stderr


def test_expire_0_and_getmail_that_keeps(play: Callable[..., Play]) -> None:
    """Google's server may drop a message once it was retrieved, so every retrieved message must be delivered."""
    begun = play("google")
    begun.sandbox.deliver(7)
    result = begun.getmail.run()
    assert result.returncode == 0, result.stderr
    assert len(begun.getmail.subjects()) == 7


def test_microsoft_takes_two_steps_and_rotates(play: Callable[..., Play]) -> None:
    begun = play("microsoft")
    first = begun.product.stored(DEMO_USER)["refresh_token"]
    assert begun.token().returncode == 0
    assert begun.product.stored(DEMO_USER)["refresh_token"] != first
    begun.sandbox.deliver(3)
    assert begun.getmail.run().returncode == 0
    assert "AUTH XOAUTH2" in begun.sandbox.pop3_server.commands
    assert len(begun.getmail.subjects()) == 3


def test_microsoft_and_a_secret_of_a_public_client(play: Callable[..., Play]) -> None:
    begun = play("microsoft", signed_in=False)
    begun.configure(client_secret="should-not-be-here")
    result = begun.login()
    assert result.returncode in (76, 77)
    assert "AADSTS90023" in result.stderr
    assert "Remove client_secret" in result.stderr
    assert "should-not-be-here" not in result.stderr


def test_microsofts_expired_refresh_token(play: Callable[..., Play]) -> None:
    begun = play("microsoft")
    begun.sandbox.authorization_server.issued.expire(DEMO_USER, access_tokens=True, refresh_tokens=True)
    result = begun.token()
    assert result.returncode == 77
    assert "90 days" in result.stderr


@pytest.mark.parametrize(
    ("number", "error", "words", "code"),
    [
        (65001, "invalid_grant", "consent", 77),
        (70008, "invalid_grant", "expired", 77),
        (50076, "interaction_required", "second factor", 77),
        (53003, "interaction_required", "Conditional Access", 77),
        (50173, "invalid_grant", "password", 77),
        (7000222, "invalid_client", "expired", 76),
        (90033, "server_error", "", 75),
    ],
)
def test_microsofts_codes_become_sentences(
    number: int, error: str, words: str, code: int, play: Callable[..., Play]
) -> None:
    begun = play("microsoft")
    body = {"error": error, "error_description": f"AADSTS{number}: Trace ID: 1\r\nx", "error_codes": [number]}
    begun.sandbox.authorization_server.fail_token_endpoint(400, json.dumps(body))
    result = begun.token()
    assert result.returncode == code, result.stderr
    assert words.lower() in result.stderr.lower()
    assert f"AADSTS{number}" in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    begun.sandbox.authorization_server.faults.clear()
    assert begun.token().returncode == 0, "a refusal must not throw the refresh token away"


def test_throttling_is_a_passing_fault(play: Callable[..., Play]) -> None:
    begun = play("microsoft")
    throttle(begun.sandbox, retry_after=17)
    result = begun.token()
    assert result.returncode == 75
    assert "17" in result.stderr
    assert begun.token().returncode == 0


def test_pop_switched_off_at_login(play: Callable[..., Play]) -> None:
    begun = play("microsoft", signed_in=False)
    begun.configure(pop_switch="Settings > Mail > POP")
    begun.sandbox.pop3_server.maildrops[DEMO_USER].switched_off = True
    result = begun.login()
    assert result.returncode in (76, 77)
    assert "Settings > Mail > POP" in result.stderr


def test_a_shared_mailbox(play: Callable[..., Play]) -> None:
    begun = play("microsoft")
    shared = "office@sandbox.test"
    begun.sandbox.pop3_server.share(shared, DEMO_USER)
    begun.sandbox.deliver(2, to=shared)
    begun.getmail.configure(f"type = oauth2-pop3\nusername = {shared}\naccount = {DEMO_USER}")
    result = begun.getmail.run()
    assert result.returncode == 0, result.stderr
    assert len(begun.getmail.subjects()) == 2


# -- faults of the POP3 server, seen by getmail


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"close_on_connect": True}, "closed the connection"),
        ({"sign_in_response": "[SYS/TEMP] Try later"}, "temporary problem"),
        ({"sign_in_response": "[SYS/PERM] Never"}, "permanent problem"),
        ({"sign_in_response": "[IN-USE] Locked"}, "another session has the maildrop open"),
        ({"sign_in_response": "[LOGIN-DELAY] Slowly"}, "pause between sign-ins"),
        ({"uidl": "missing"}, "UIDL"),
        ({"uidl": "duplicate"}, "twice"),
        ({"refuse_tokens_from": 1}, "refused the access token"),
    ],
)
def test_a_fault_is_one_line(fault: dict[str, Any], words: str, play: Callable[..., Play]) -> None:
    begun = play()
    begun.sandbox.deliver(3)
    begun.sandbox.pop3_server.faults = Faults(**fault)
    result = begun.getmail.run()
    assert result.returncode == OPERATION_FAILED
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    begun.sandbox.pop3_server.faults = Faults()
    assert begun.getmail.run().returncode == 0
    assert len(begun.getmail.message_ids()) == len(set(begun.getmail.message_ids())) == 3


def test_a_connection_that_breaks_in_a_message(play: Callable[..., Play]) -> None:
    begun = play()
    begun.sandbox.deliver(5)
    begun.sandbox.pop3_server.faults = Faults(drop_in_retr=3)
    result = begun.getmail.run()
    assert result.returncode == OPERATION_FAILED
    assert len(begun.getmail.subjects()) == 4, "it costs one message"
    begun.sandbox.pop3_server.faults = Faults()
    assert begun.getmail.run().returncode == 0
    assert len(begun.getmail.message_ids()) == len(set(begun.getmail.message_ids())) == 5


def test_a_server_that_stalls_is_left_after_the_timeout(play: Callable[..., Play]) -> None:
    begun = play()
    begun.sandbox.deliver(2)
    begun.configure_getmail("timeout = 2")
    begun.sandbox.pop3_server.faults = Faults(stall_at="RETR", stall_seconds=600)
    result = begun.getmail.run()
    assert result.returncode == OPERATION_FAILED
    assert "silent for 2 seconds" in result.stderr
