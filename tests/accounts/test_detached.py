"""A refresh outlives its caller: whatever ends it, what the server has replaced is stored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oauth2_pop3.accounts import detached as module
from oauth2_pop3.accounts.detached import detached
from oauth2_pop3.errors import AuthorizationRequired, NetworkError, OAuth2Pop3Error, OAuthError, StateError
from servers.authorization_server import AuthorizationServer
from support.hosts import until
from support.product import ADDRESS, Product

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def signed_in(product: Product, authorization_server: AuthorizationServer) -> Product:
    product.use(authorization_server)
    product.login(authorization_server).check_returncode()
    authorization_server.reset()
    return product


def sign_in(product: Product, server: AuthorizationServer, addresses: list[str]) -> None:
    """Sign in many accounts, whose access tokens have ended, without a `login` for each."""
    record = product.stored() | {"expires_at": 1}
    with product.config_file.open("a") as config:
        for address in addresses:
            tokens = server.issue_tokens(address)
            file = product.state / "tokens" / f"{address}.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(record | {name: tokens[name] for name in ("access_token", "refresh_token")}))
            config.write(f'[accounts."{address}"]\nprovider = "example"\n')
    server.reset()


def test_no_signal_loses_what_the_server_has_replaced(
    signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    """To the process and to its group, while the server has replaced the refresh token and has not responded yet."""
    ends = {
        f"{number.name.lower()}-{whom}@example.org": (number, whom) for number in SIGNALS for whom in ("one", "group")
    }
    sign_in(signed_in, authorization_server, list(ends))
    before = {address: signed_in.stored(address)["refresh_token"] for address in ends}
    authorization_server.fault("late")
    running = {
        address: subprocess.Popen(
            [signed_in.command, "token", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for address in ends
    }
    until(lambda: len(authorization_server.token_requests()) == len(ends))
    for address, (number, whom) in ends.items():
        (os.kill if whom == "one" else os.killpg)(running[address].pid, number)
    for process in running.values():
        process.communicate(timeout=60)  # its pipes are closed: who reads from it need not wait for the server
    assert {address: signed_in.stored(address)["refresh_token"] for address in ends} == before
    # Another run waits for the refresh that is under way, and makes none of its own.
    another = subprocess.Popen([signed_in.command, "token", next(iter(ends))], stdout=subprocess.PIPE, text=True)
    authorization_server.fault(None)
    until(lambda: all(signed_in.stored(address)["refresh_token"] != token for address, token in before.items()))
    assert another.communicate(timeout=60)[0].strip() == signed_in.stored(next(iter(ends)))["access_token"]
    assert len(authorization_server.token_requests()) == len(ends)
    for address in ends:  # what was stored is what the server takes
        signed_in.run("token", address, "--min-validity", "99999999", check=True)


def test_the_end_of_the_terminal_loses_nothing(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    before = signed_in.stored()["refresh_token"]
    signed_in.expire()
    authorization_server.fault("late")
    ours, theirs = os.openpty()
    command = ["setsid", "--ctty", "--wait", signed_in.command, "token", ADDRESS]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        until(authorization_server.token_requests)
        os.close(ours)
        process.wait(60)
    authorization_server.fault(None)
    until(lambda: signed_in.stored()["refresh_token"] != before)


def test_logout_waits_for_a_refresh_that_is_under_way(
    signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    """It would revoke the refresh token that is being replaced, and delete the new one unrevoked."""
    signed_in.expire()
    authorization_server.fault("late")
    with subprocess.Popen([signed_in.command, "token", ADDRESS], stdout=subprocess.DEVNULL) as process:
        until(authorization_server.token_requests)
        process.kill()
    with subprocess.Popen([signed_in.command, "logout", ADDRESS], stdout=subprocess.PIPE, text=True) as logout:
        with pytest.raises(subprocess.TimeoutExpired):
            logout.wait(1)
        authorization_server.fault(None)
        assert "has revoked them" in logout.communicate(timeout=60)[0]
    assert not list(signed_in.state.glob("tokens/*"))


# -- the child process itself


def test_a_result_comes_back(lock: int) -> None:
    assert detached(lambda: {"token": "x" * 1_000_000}, lock=lock) == {"token": "x" * 1_000_000}


@pytest.mark.parametrize(
    "error",
    [
        AuthorizationRequired("sign in", code="invalid_grant", hint="Run: x"),
        NetworkError("later", retry_after=3.0, hint="wait"),
        StateError("disk"),
        OAuthError("refused", code="invalid_client"),
    ],
)
def test_an_error_comes_back_as_it_was(error: OAuth2Pop3Error, lock: int) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        detached(work, lock=lock)
    assert vars(caught.value) == vars(error)


class PluginError(OAuth2Pop3Error):
    """An error that cannot be made of its text alone, as a plugin's may be."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"{text} {number}", hint="Ask its author.")


def test_what_a_plugin_says_comes_back(lock: int) -> None:
    def work() -> None:
        raise PluginError(3, "store")

    with pytest.raises(OAuth2Pop3Error, match=r"store 3\. Ask its author\."):
        detached(work, lock=lock)


def test_a_bug_does_not_show_what_it_held(lock: int) -> None:
    def work() -> None:
        raise ValueError("a-refresh-token")

    with pytest.raises(OAuth2Pop3Error, match="unexpected ValueError") as caught:
        detached(work, lock=lock)
    assert "a-refresh-token" not in str(caught.value)


@pytest.mark.parametrize("how", ["killed", "too slow"])
def test_a_child_without_a_response_is_a_temporary_fault(how: str, lock: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()

    monkeypatch.setattr(module, "TIME_LIMIT", 1)
    with pytest.raises(NetworkError, match="before it could report"):
        detached(work, lock=lock)


def test_no_process_can_be_started(lock: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NetworkError, match="Resource temporarily unavailable"):
        detached(lambda: None, lock=lock)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_child_has_only_what_it_needs(lock: int) -> None:
    """No descriptor of the caller's but the lock, and a session of its own."""

    def work() -> tuple[set[int], int]:
        with os.scandir("/proc/self/fd") as entries:
            return {int(entry.name) for entry in entries if os.path.exists(entry.path)}, os.getsid(0)

    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    descriptors, session = detached(work, lock=lock)
    for descriptor in held:
        os.close(descriptor)
    assert descriptors >= {0, 1, 2, lock}
    assert len(descriptors) <= 6  # the pipe for the report, and what lists them
    assert session != os.getsid(0)


def test_threads_do_not_hinder_it() -> None:
    """As in the bridge and in `check`: many at once, in threads of one process."""
    code = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
from oauth2_pop3.accounts.detached import detached
lock = os.open(os.devnull, os.O_RDWR)
with ThreadPoolExecutor(20) as pool:
    print(sorted(pool.map(lambda n: detached(lambda: n * n, lock=lock), range(200))) == [n * n for n in range(200)])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (result.stdout, result.stderr) == ("True\n", "")
