"""`oauth2-pop3 token`: cache, store, refresh, in many processes, and what happens when each goes wrong."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oauth2_pop3.access_token_cache import file_name
from servers.authorization_server import NATIVE_SHORT, AuthorizationServer
from support.hosts import connected, until
from support.product import ADDRESS, Product


@pytest.fixture
def signed_in(product: Product, authorization_server: AuthorizationServer) -> Product:
    """An account that has signed in; the token requests are counted from here."""
    product.use(authorization_server)
    product.login(authorization_server).check_returncode()
    authorization_server.reset()
    return product


def refreshes(server: AuthorizationServer) -> list[int]:
    """The status of each refresh since the account signed in."""
    requests = server.token_requests()
    assert all(request["grant_type"] == "refresh_token" for request in requests)
    return [request["status"] for request in requests]


def test_warm(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    first = signed_in.token()
    assert signed_in.token() == first == signed_in.stored()["access_token"]
    assert refreshes(authorization_server) == []


def test_the_warm_path_imports_nothing(signed_in: Product) -> None:
    """No module is loaded that a bare interpreter has not, except our two."""
    code = "import sys; before = set(sys.modules); {}; print(*sorted(set(sys.modules) - before))"
    run = (
        "import os; os.write = lambda fd, data: (print(*sorted(set(sys.modules) - before)), len(data))[1]; "
        "from oauth2_pop3.__main__ import main; main()"
    )
    arguments = [sys.executable, "-c", code.format(run), "token", ADDRESS]
    result = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert set(result.stdout.split()) <= {"oauth2_pop3", "oauth2_pop3.__main__", "oauth2_pop3.access_token_cache"}
    assert "oauth2_pop3.access_token_cache" in result.stdout


def test_expired(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    old = signed_in.token()
    signed_in.expire()
    new = signed_in.token()
    assert new != old
    assert signed_in.token() == new
    assert refreshes(authorization_server) == [200]


def test_min_validity(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    signed_in.expire(seconds=100)
    assert signed_in.token(ADDRESS, "--min-validity", "90")
    assert refreshes(authorization_server) == []
    assert signed_in.token(ADDRESS, "--min-validity", "120")
    assert refreshes(authorization_server) == [200]
    signed_in.expire(seconds=50)
    assert signed_in.token()  # less than the default of 60
    assert refreshes(authorization_server) == [200, 200]


def test_tokens_of_seconds(product: Product, authorization_server: AuthorizationServer) -> None:
    """A lifetime shorter than min_validity: each call refreshes, and none fails."""
    product.use(authorization_server, client=NATIVE_SHORT)
    product.login(authorization_server).check_returncode()
    assert len({product.token() for _ in range(3)}) == 3


def test_the_account_is_found_whatever_its_capitals(signed_in: Product) -> None:
    assert signed_in.token("Ann@Example.ORG") == signed_in.token()


def test_a_rotated_refresh_token_is_kept(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    seen = {signed_in.stored()["refresh_token"]}
    for _ in range(4):
        signed_in.expire()
        signed_in.token()
        seen.add(signed_in.stored()["refresh_token"])
    assert len(seen) == 5
    assert refreshes(authorization_server) == [200] * 4


def test_fifty_processes_make_one_request(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    old = signed_in.token()
    signed_in.expire()
    processes = [
        subprocess.Popen(
            [signed_in.command, "token", ADDRESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(50)
    ]
    results = [process.communicate(timeout=180) for process in processes]
    assert {process.returncode for process in processes} == {0}
    assert {stderr for _, stderr in results} == {""}
    assert len({stdout for stdout, _ in results}) == 1
    assert results[0][0].strip() not in ("", old)
    assert refreshes(authorization_server) == [200]


def test_the_cache_may_be_deleted(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    token = signed_in.token()
    (signed_in.state / "access" / ADDRESS).unlink()
    assert signed_in.token() == token
    assert (signed_in.state / "access" / ADDRESS).exists()
    assert refreshes(authorization_server) == []


@pytest.mark.parametrize("damage", ["readable by others", "a link", "cut short", "binary", "empty", "a directory"])
def test_a_cache_that_is_not_ours_alone_or_not_whole_is_not_used(damage: str, signed_in: Product) -> None:
    token = signed_in.token()
    cache = signed_in.state / "access" / file_name(ADDRESS)
    forged = f"{int(time.time()) + 3000}\nforged\n"
    if damage == "readable by others":
        cache.write_text(forged)
        cache.chmod(0o644)
    elif damage == "a link":
        (signed_in.home / "elsewhere").write_text(forged)
        (signed_in.home / "elsewhere").chmod(0o600)
        cache.unlink()
        cache.symlink_to(signed_in.home / "elsewhere")
    elif damage == "a directory":
        cache.unlink()
        cache.mkdir()
    else:
        cache.write_bytes({"cut short": b"1999999999\nforg", "binary": b"\xff\xfe\n\x00\n", "empty": b""}[damage])
    result = signed_in.run("token", ADDRESS)
    assert (result.returncode, result.stdout) == (0, token + "\n"), result.stderr  # a copy withholds no token
    if damage != "a directory":
        assert stat.S_IMODE(cache.lstat().st_mode) == 0o600
    assert "forged" not in result.stdout
    assert "Traceback" not in result.stderr


def test_a_token_store_that_others_can_read_is_refused(signed_in: Product) -> None:
    signed_in.expire()
    (signed_in.state / "tokens" / f"{ADDRESS}.json").chmod(0o640)
    result = signed_in.run("token", ADDRESS)
    assert (result.returncode, result.stdout) == (74, "")
    assert "chmod 600" in result.stderr


# -- temporary problems throw nothing away


@pytest.mark.parametrize("fault", ["429:7", "503", "drop", "stopped"])
def test_a_passing_fault(fault: str, signed_in: Product, authorization_server: AuthorizationServer) -> None:
    before = signed_in.stored()["refresh_token"]
    still_good = signed_in.token()
    _go_wrong(authorization_server, fault)
    signed_in.expire(seconds=30)  # less than min_validity, but not ended: better than nothing
    assert signed_in.token() == still_good
    signed_in.expire()
    result = signed_in.run("token", ADDRESS)
    assert (result.returncode, result.stdout) == (75, "")
    assert len(result.stderr.splitlines()) <= 2
    assert signed_in.stored()["refresh_token"] == before
    authorization_server.reset()
    if fault != "stopped":  # which forgets every token
        assert signed_in.token() != still_good


def _go_wrong(server: AuthorizationServer, fault: str) -> None:
    if fault == "stopped":
        server.stop()
    else:
        server.fault(fault)


def test_an_answer_that_is_lost_costs_a_sign_in_and_is_told(
    signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    """The server has replaced the refresh token, and the new one was lost: only a person can repair that."""
    authorization_server.fault("lost", times=1)
    signed_in.expire()
    assert signed_in.run("token", ADDRESS).returncode == 75
    result = signed_in.run("token", ADDRESS)
    assert result.returncode == 77
    assert f"oauth2-pop3 login {ADDRESS}" in result.stderr


# -- a person must act


def test_revoked(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    authorization_server.revoke(signed_in.stored()["refresh_token"])
    signed_in.expire()
    result = signed_in.run("token", ADDRESS)
    assert (result.returncode, result.stdout) == (77, "")
    assert f"oauth2-pop3 login {ADDRESS}" in result.stderr
    assert "invalid_grant" in result.stderr
    signed_in.login(authorization_server).check_returncode()
    assert signed_in.token()


def test_on_invalid_grant_the_store_is_read_again(
    signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    """Something that does not use our lock (another machine, a restored backup) has stored a newer refresh token.

    That is after the old one was read: the server is frozen until a connection to it shows that it was.
    """
    file = signed_in.state / "tokens" / f"{ADDRESS}.json"
    newer = authorization_server.issue_tokens(ADDRESS)["refresh_token"]
    authorization_server.revoke(signed_in.stored()["refresh_token"])
    signed_in.expire()
    authorization_server.reset()
    authorization_server.freeze()
    with subprocess.Popen([signed_in.command, "token", ADDRESS], stdout=subprocess.PIPE, text=True) as process:
        until(lambda: connected(process))
        file.write_text(json.dumps({**json.loads(file.read_text()), "refresh_token": newer}))
        authorization_server.thaw()
        stdout, _ = process.communicate(timeout=180)
    assert process.returncode == 0
    assert stdout.strip()
    assert refreshes(authorization_server) == [400, 200]


def test_a_client_secret_command_that_fails(signed_in: Product) -> None:
    signed_in.configure(
        signed_in.config_file.read_text().replace("domains =", 'client_secret_command = "false"\ndomains =')
    )
    signed_in.expire()
    result = signed_in.run("token", ADDRESS)
    assert result.returncode == 78
    assert "client_secret_command ended with exit code 1" in result.stderr


def test_never_a_prompt(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    authorization_server.revoke(signed_in.stored()["refresh_token"])
    signed_in.expire()
    result = signed_in.run("token", ADDRESS, stdin="y\n" * 100, timeout=20)
    assert result.returncode == 77


# -- the ways of standard output


def test_a_closed_or_full_standard_output_is_an_error(signed_in: Product) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [signed_in.command, "token", ADDRESS], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 74
    assert "standard output" in result.stderr
    closed = subprocess.run(
        ["sh", "-c", f"exec {signed_in.command} token {ADDRESS} >&-"], stderr=subprocess.PIPE, text=True, check=False
    )
    assert closed.returncode == 74
    signed_in.expire()
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [signed_in.command, "token", ADDRESS], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 74
    assert "Traceback" not in result.stderr


@pytest.fixture
def small_disk(signed_in: Product) -> Iterator[Path]:
    """The directory of tokens, on a disk of 512 KiB."""
    if os.geteuid():
        pytest.skip("only root can mount a file system")
    tokens = signed_in.state / "tokens"
    record = (tokens / f"{ADDRESS}.json").read_text()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", str(tokens)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("this machine mounts no tmpfs")
    file = tokens / f"{ADDRESS}.json"
    file.write_text(record)
    file.chmod(0o600)
    yield tokens
    subprocess.run(["umount", str(tokens)], check=True)


def fill(directory: Path) -> None:
    with suppress(OSError), (directory / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


def test_a_full_disk_shows_before_the_server_replaces_the_refresh_token(
    signed_in: Product, authorization_server: AuthorizationServer, small_disk: Path
) -> None:
    fill(small_disk)
    signed_in.expire(seconds=30)  # by writing in place
    good = signed_in.run("token", ADDRESS)
    assert (good.returncode, good.stdout.strip()) == (0, signed_in.stored()["access_token"])
    signed_in.expire()
    result = signed_in.run("token", ADDRESS)
    assert result.returncode == 74
    assert "No space left" in result.stderr
    assert refreshes(authorization_server) == []


def test_a_disk_that_fills_up_while_the_server_responds_loses_nothing(
    signed_in: Product, authorization_server: AuthorizationServer, small_disk: Path
) -> None:
    before = signed_in.stored()["refresh_token"]
    signed_in.expire()
    authorization_server.fault("late")
    with subprocess.Popen([signed_in.command, "token", ADDRESS], stdout=subprocess.PIPE, text=True) as process:
        until(authorization_server.token_requests)
        fill(small_disk)
        authorization_server.fault(None)
        assert process.communicate(timeout=60)[0].strip() == signed_in.stored()["access_token"]
    assert signed_in.stored()["refresh_token"] != before


def test_status(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    row = json.loads(signed_in.run("status", "--json", check=True).stdout)[0]
    assert (row["account"], row["provider"], row["state"], row["refreshable"]) == (ADDRESS, "example", "ready", True)
    assert abs(row["access_token_expires_at"] - time.time() - 3600) < 3600
    text = signed_in.run("status", check=True).stdout
    assert ADDRESS in text
    for secret in (signed_in.token(), signed_in.stored()["refresh_token"]):
        assert secret not in text + json.dumps(row)


def test_logout(signed_in: Product) -> None:
    assert signed_in.run("logout", ADDRESS).returncode == 0
    assert [path for path in signed_in.state.rglob("*") if path.is_file() and "locks" not in path.parts] == []
    assert signed_in.run("token", ADDRESS).returncode == 77
    assert json.loads(signed_in.run("status", "--json").stdout)[0]["state"] == "not signed in"


def test_providers(product: Product) -> None:
    rows = {row["name"]: row for row in json.loads(product.run("providers", "--json", check=True).stdout)}
    assert rows["google"]["pop3_host"] == "pop.gmail.com"
    assert rows["gmx"]["supported"] is False
    assert "pop.gmail.com:995" in product.run("providers", check=True).stdout


def test_no_secret_in_any_argument_list(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    """The arguments of every process of a refresh, read from /proc as any user could."""
    authorization_server.fault("slow:1", times=1)
    signed_in.expire()
    with subprocess.Popen([signed_in.command, "token", ADDRESS], stdout=subprocess.PIPE) as process:
        time.sleep(0.7)
        command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.communicate(timeout=180)
    assert b"oauth2-pop3" in command_line
    assert signed_in.stored()["refresh_token"].encode() not in command_line
