"""`status`, `check` and `refresh`: how long it will last, and what cron is told."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
import time
from pathlib import Path

import pytest

from oauth2_pop3.accounts import upkeep
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.accounts.forecast import forecast
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support import CONTRIB
from support.product import ADDRESS, Product

OTHER = "bob@example.org"
DAY = 86400


def edit(product: Product, **changes: object) -> None:
    """Change the stored token, and remove the cached copy."""
    path = product.state / "tokens" / f"{ADDRESS}.json"
    path.write_text(json.dumps(product.stored() | changes))
    (product.state / "access" / ADDRESS).unlink(missing_ok=True)


def status(product: Product) -> dict[str, object]:
    [row] = json.loads(product.run("status", "--json", check=True).stdout)
    assert isinstance(row, dict)
    return row


# -- forecast


def provider(**keys: object) -> Provider:
    return Provider(name="x", **keys)  # type: ignore[arg-type]


def token(**keys: object) -> Token:
    values = {"access_token": "a", "expires_at": 50, "refresh_token": "r", "obtained_at": 1000, "signed_in_at": 500}
    return Token(**(values | keys))  # type: ignore[arg-type]


def test_nobody_knows() -> None:
    assert forecast(provider(), token()).at is None


def test_the_earliest_end_counts() -> None:
    row = provider(refresh_token_lifetime=2000, refresh_token_idle_lifetime=700, refresh_token_note="the note")
    assert forecast(row, token()).at == 1700
    assert forecast(row, token(obtained_at=2400)).at == 2500
    assert forecast(row, token()).why == "the note"
    said = forecast(row, token(refresh_token_expires_at=1600))
    assert said.at == 1600
    assert "refresh_token_expires_in" in said.why


def test_without_a_refresh_token_it_ends_with_the_access_token() -> None:
    assert forecast(provider(), token(refresh_token="")).at == 50


def test_an_app_s_access_does_not_end() -> None:
    assert forecast(provider(grant="client_credentials"), token(refresh_token="")).at is None


@pytest.mark.parametrize(
    ("lifetime", "expected"), [(604799, 604799), ("604799", 604799), (0, 0), ("soon", 0), (True, 0), (-5, 0)]
)
def test_what_the_server_says_of_the_refresh_token(lifetime: object, expected: int) -> None:
    response = {"access_token": "a", "refresh_token": "r", "refresh_token_expires_in": lifetime}
    made = Token.from_response(response, scope="")
    assert made.refresh_token_expires_at == (made.obtained_at + expected if expected else 0)
    silent = {"access_token": "b"}
    assert Token.from_response(silent, scope="", previous=made).refresh_token_expires_at == (
        made.refresh_token_expires_at
    )
    rotated = {"access_token": "b", "refresh_token": "other"}
    assert Token.from_response(rotated, scope="", previous=made).refresh_token_expires_at == 0


# -- status


def test_status_has_a_stable_form(signed_in: Product) -> None:
    product = signed_in
    row = status(product)
    assert row.keys() == {
        *("account", "provider", "state", "grant", "uses"),
        *("scope", "protocols", "access_token_expires_at", "access_token_length", "obtained_at"),
        *("signed_in_at", "refreshable", "refresh_token_expires_at", "refresh_token_expires_why", "last_fault_at"),
        *("last_fault", "detail"),
    }, "keys may be added here and in the help; none is taken away or renamed"
    assert row["state"] == "ready"
    assert row["refresh_token_expires_at"] is None
    shown = product.run("status", check=True).stdout
    assert "end of the sign-in: unknown" in shown
    assert product.stored()["access_token"] not in shown
    assert product.stored()["refresh_token"] not in shown


def test_status_tells_of_the_last_fault(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    product, server = signed_in, authorization_server
    server.fault("503")
    product.expire()
    assert product.run("token", ADDRESS).returncode == 75
    row = status(product)
    assert "503" in str(row["last_fault"])
    assert row["state"] == "ready"
    assert stat.S_IMODE((product.state / "faults" / ADDRESS).stat().st_mode) == 0o600
    server.fault(None)
    server.revoke(product.stored()["refresh_token"])
    assert product.run("token", ADDRESS).returncode == 77
    row = status(product)
    assert row["state"] == "needs sign-in"
    assert row["detail"]
    assert product.login(server).returncode == 0
    assert status(product)["state"] == "ready"


# -- check


def test_all_is_well(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    product, server = signed_in, authorization_server
    for arguments in ((), ("--all",), (ADDRESS,), ("--no-connect",)):
        result = product.run("check", *arguments)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert server.token_requests() == []


def test_a_line_for_each_that_is_not(signed_in: Product) -> None:
    product = signed_in
    with product.config_file.open("a") as file:
        file.write(f'\n[accounts."{OTHER}"]\nprovider = "example"\n')
    result = product.run("check")
    assert result.returncode == 77
    assert re.fullmatch(rf"oauth2-pop3: nobody .* {OTHER} yet\. .*oauth2-pop3 login {OTHER}\n", result.stderr)
    result = product.run("check", "--json")
    assert result.returncode == 77, result.stderr
    rows = json.loads(result.stdout)
    assert [(row["account"], row["exit_code"]) for row in rows] == [(ADDRESS, 0), (OTHER, 77)]


@pytest.mark.parametrize("command", [("check",), ("check", "--all"), ("refresh", "--all", "--jitter", "0")])
def test_a_config_that_got_lost_is_not_well(command: tuple[str, ...], signed_in: Product) -> None:
    """Once, it stayed silent and ended with 0, for ever."""
    product = signed_in
    product.config_file.unlink()
    result = product.run(*command)
    assert result.returncode == 78
    assert str(product.config_file) in result.stderr


def test_a_passing_fault(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    product, server = signed_in, authorization_server
    server.fault("503")
    product.expire()
    result = product.run("check")
    assert result.returncode == 75
    assert result.stderr.count("\n") == 1


def test_the_mailbox_is_tried(signed_in: Product, authorization_server: AuthorizationServer) -> None:
    product, server = signed_in, authorization_server
    server.revoke(product.stored()["refresh_token"])
    assert product.run("check", "--no-connect").returncode == 0, "nothing can be seen of it here"
    result = product.run("check")
    assert result.returncode == 77
    assert "refused the access token" in result.stderr


def test_an_end_that_is_near(signed_in: Product) -> None:
    product = signed_in
    edit(product, refresh_token_expires_at=int(time.time()) + 2 * DAY)
    result = product.run("check")
    assert result.returncode == 77
    assert "expected to end in 2.0 days" in result.stderr
    assert product.run("check", "--days", "1").returncode == 0
    assert product.run("check", "--days", "soon").returncode == 64


@pytest.mark.parametrize("command", ["status", "check", "discover", "providers", "token"])
def test_the_help_has_every_key_of_the_json(command: str, signed_in: Product) -> None:
    product = signed_in
    arguments = {"token": [ADDRESS, "--format", "json"], "discover": [ADDRESS, "--json"]}.get(command, ["--json"])
    printed = json.loads(product.run(command, *arguments, check=True).stdout)
    row = printed[0] if isinstance(printed, list) else printed
    words = re.findall(r"\w+", product.run(command, "--help", check=True).stdout)
    assert row.keys() <= set(words)


def test_a_person_is_told_of_an_end_that_is_near(signed_in: Product, home: Path) -> None:
    """Once, they were told only by what `check` printed, which nobody reads if cron sends no mail."""
    product = signed_in
    notifying(product, f"sh -c 'echo \"$OAUTH2_POP3_COMMAND: $OAUTH2_POP3_REASON\" >> {home}/told'")
    edit(product, refresh_token_expires_at=int(time.time()) + 2 * DAY)
    for _ in range(2):
        assert product.run("check").returncode == 77
    told = (home / "told").read_text()
    assert told.startswith(f"oauth2-pop3 login {ADDRESS}: the sign-in of {ADDRESS} is expected to end in 2.0 days")
    assert told.count("\n") == 1


def test_a_person_is_told_where_the_mailbox_is_closed(
    signed_in: Product, authorization_server: AuthorizationServer, home: Path
) -> None:
    product, server = signed_in, authorization_server
    notifying(product, f"sh -c 'echo \"$OAUTH2_POP3_REASON\" >> {home}/told'")
    server.revoke(product.stored()["refresh_token"])
    assert product.run("check").returncode == 77
    assert "refused the access token" in (home / "told").read_text()


# -- refresh


def test_so_many_at_once_and_no_more() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def act(address: str) -> upkeep.AccountResult:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.01)
        with lock:
            at_work -= 1
        return upkeep.AccountResult(address)

    addresses = [f"{number}@example.org" for number in range(30)]
    assert [finding.account for finding in upkeep.for_each_account(addresses, act, at_once=3)] == addresses
    assert most == 3


def test_the_jitter_is_another_each_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    for _ in range(50):
        assert upkeep.refresh_account("nobody@example.org", Config(home / "config.toml"), jitter=60).exit_code == 77
    assert len(set(pauses)) > 40
    assert 0 <= min(pauses) < 20 < 40 < max(pauses) <= 60


def test_refresh_uses_a_refresh_token_that_is_hardly_used(
    signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    product, server = signed_in, authorization_server
    before = product.stored()
    result = product.run("refresh", "--all", "--jitter", "0")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert [request["grant_type"] for request in server.token_requests()] == ["refresh_token"]
    assert product.stored()["access_token"] != before["access_token"]
    assert product.token() == product.stored()["access_token"]


def test_refresh_wants_to_be_told_which(signed_in: Product) -> None:
    product = signed_in
    assert product.run("refresh").returncode == 64
    assert product.run("refresh", OTHER, "--jitter", "0").returncode == 77


# -- notify_command


def notifying(product: Product, command: str, every: int = DAY) -> None:
    settings = f"notify_command = {json.dumps(command)}\nnotify_every = {every}\n"
    product.configure(settings + product.config_file.read_text())


def test_a_person_is_told_once(signed_in: Product, authorization_server: AuthorizationServer, home: Path) -> None:
    product, server = signed_in, authorization_server
    script, told = home / "tell", home / "told"
    script.write_text(
        f'#!/bin/sh\necho "$OAUTH2_POP3_ACCOUNT|$OAUTH2_POP3_COMMAND|$OAUTH2_POP3_REASON" >> {told}\necho seen\n'
    )
    script.chmod(0o755)
    notifying(product, str(script))
    server.revoke(product.stored()["refresh_token"])
    for _ in range(3):
        product.expire()
        result = product.run("token", ADDRESS)
        assert result.returncode == 77
        assert result.stdout == "", "standard output belongs to the token"
    [line] = told.read_text().splitlines()
    account, command, reason = line.split("|")
    assert (account, command) == (ADDRESS, f"oauth2-pop3 login {ADDRESS}")
    assert reason
    assert product.login(server).returncode == 0
    server.revoke(product.stored()["refresh_token"])
    product.expire()
    assert product.run("token", ADDRESS).returncode == 77
    assert len(told.read_text().splitlines()) == 2, "a new sign-in starts again"


@pytest.mark.parametrize("command", ["false", "/nowhere/notify", "'"])
def test_a_notify_command_that_fails(
    command: str, signed_in: Product, authorization_server: AuthorizationServer
) -> None:
    product, server = signed_in, authorization_server
    notifying(product, command)
    server.revoke(product.stored()["refresh_token"])
    product.expire()
    result = product.run("token", ADDRESS)
    assert result.returncode == 77
    assert "notify_command" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("script", "program"), [("mail.sh", "mail"), ("desktop.sh", "notify-send"), ("syslog.sh", "logger")]
)
def test_the_ready_made_ones(
    script: str, program: str, signed_in: Product, authorization_server: AuthorizationServer, home: Path
) -> None:
    product, server = signed_in, authorization_server
    programs, got = home / "bin", home / "got"
    programs.mkdir()
    fake = programs / program
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {got}\ntest {program} != mail || cat >> {got}\n')
    fake.chmod(0o755)
    notifying(product, f"env PATH={programs}:{os.environ['PATH']} {CONTRIB / 'notify' / script}")
    server.revoke(product.stored()["refresh_token"])
    product.expire()
    result = product.run("token", ADDRESS)
    assert "notify_command" not in result.stderr
    assert ADDRESS in got.read_text()
    assert f"oauth2-pop3 login {ADDRESS}" in got.read_text()


def test_nothing_prints_a_token_but_token(
    product: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    product.use(authorization_server, dovecot)
    login = product.login(authorization_server)
    said = login.stdout + login.stderr
    secrets = {product.stored()[key] for key in ("access_token", "refresh_token")}
    commands = (
        *(("status",), ("status", "--json"), ("check", "--all"), ("check", "--json")),
        *(("refresh", "--all", "--jitter", "0"), ("providers",), ("discover", ADDRESS)),
        *(("login", ADDRESS, "--mailbox", "shared@example.org"), ("token", "nobody@example.org")),
        *(("import", str(product.home / "tokens")), ("import", str(product.home / "tokens"), "--replace")),
        *(("translate", str(product.home / ".getmailrc")), ("refresh", ADDRESS, "--jitter", "0"), ("status", "--json")),
        *(("check",), ("logout", ADDRESS), ("logout", ADDRESS), ("check",)),
    )
    other = authorization_server.issue_tokens(ADDRESS)
    secrets |= {other["access_token"], other["refresh_token"]}
    (product.home / "tokens").write_text(
        json.dumps(
            {"token_uri": f"{authorization_server.issuer}/token", "user": ADDRESS, "client_id": "native-public"} | other
        )
    )
    (product.home / ".getmailrc").write_text(
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\n"
        f"username = {ADDRESS}\npassword = hush-hush-hush\n"
    )
    secrets.add("hush-hush-hush")
    for command in commands:
        if command[0] == "refresh" and "--all" not in command:
            authorization_server.revoke(product.stored()["refresh_token"])  # from here on all are errors
        result = product.run(*command)
        said += result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        if (product.state / "tokens" / f"{ADDRESS}.json").exists():
            secrets |= {product.stored()[key] for key in ("access_token", "refresh_token")}
    assert len(secrets) > 2, "it was refreshed in between"
    assert not [secret for secret in secrets if secret in said]
