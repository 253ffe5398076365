"""What `status` makes of odd stores, clocks and histories; forecasts that must not mislead."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace

import pytest

from oauth2_pop3.accounts import last_fault
from oauth2_pop3.accounts.forecast import forecast
from oauth2_pop3.errors import AuthorizationRequired
from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider
from servers.authorization_server import AuthorizationServer
from support.product import ADDRESS, Product

DAY = 86400


def known(product: Product, row: str = "", **changes: object) -> None:
    """An account with a stored token, of a server that is never asked."""
    product.configure(f"""\
[providers.example]
issuer = "https://auth.example.org"
client_id = "x"
{row}
[accounts."{ADDRESS}"]
provider = "example"
""")
    now = int(time.time())
    token = Token("an-access-token", now + 60, "a-refresh-token", "mail", obtained_at=now, signed_in_at=now)
    tokens = product.state / "tokens"
    for directory in (product.state, tokens):
        directory.mkdir(mode=0o700, exist_ok=True)
    file = tokens / f"{ADDRESS}.json"
    file.write_text(json.dumps({**json.loads(token.to_json()), **changes}))
    file.chmod(0o600)


def status(product: Product) -> dict[str, object]:
    [row] = json.loads(product.run("status", "--json", check=True).stdout)
    assert isinstance(row, dict)
    return row


# Regression: "the server gave it 3 days", which were what was left of 7 at the last refresh
def test_the_server_s_word_does_not_change_with_a_refresh() -> None:
    now = int(time.time())
    response = {"access_token": "a", "refresh_token": "r", "refresh_token_expires_in": 7 * DAY}
    first = replace(Token.from_response(response, scope=""), obtained_at=now - 4 * DAY, signed_in_at=now - 4 * DAY)
    refreshed = Token.from_response({"access_token": "b"}, scope="", previous=first)
    assert refreshed.obtained_at > first.obtained_at
    assert forecast(Provider(name="x"), refreshed) == forecast(Provider(name="x"), first)


# Regression: ends in 1970, so that `check` wanted a person
def test_nothing_is_forecast_from_a_moment_that_is_not_known() -> None:
    row = Provider(name="x", refresh_token_lifetime=30 * DAY, refresh_token_idle_lifetime=90 * DAY)
    assert forecast(row, Token("a", 50, "r")).at is None
    assert forecast(row, Token("a", 50, "r", signed_in_at=1000)).at == 1000 + 30 * DAY
    assert forecast(row, Token("a", 50, "r", obtained_at=1000)).at == 1000 + 90 * DAY


def test_a_lifetime_below_nothing_is_none() -> None:
    row = Provider(name="x", refresh_token_lifetime=-5, refresh_token_idle_lifetime=-5)
    assert forecast(row, Token("a", 50, "r", obtained_at=1000, signed_in_at=1000)).at is None


def test_the_row_s_forecast_and_why(product: Product) -> None:
    known(product, 'refresh_token_idle_lifetime = 864000\nrefresh_token_note = "ten days unused"')
    row = status(product)
    assert row["refresh_token_expires_at"] == product.stored()["obtained_at"] + 864000
    assert row["refresh_token_expires_why"] == "ten days unused"
    assert "(ten days unused)" in product.run("status", check=True).stdout


def test_a_token_stored_before_these_keys_were(product: Product) -> None:
    known(product)
    record = product.stored()
    del record["refresh_token_expires_at"]
    (product.state / "tokens" / f"{ADDRESS}.json").write_text(json.dumps(record))
    assert status(product)["state"] == "ready"


# Regression: a traceback, OverflowError or ValueError
@pytest.mark.parametrize("lifetime", [10**12, 10**18])
def test_an_end_beyond_the_calendar(lifetime: int, product: Product) -> None:
    known(product, f"refresh_token_lifetime = {lifetime}")
    result = product.run("status")
    assert result.returncode == 0, result.stderr
    assert "end of the sign-in: too far in the future for a date" in result.stdout


# Regression: the token of a machine that had started with a wrong clock was given out until the day the clock had shown
@pytest.mark.parametrize("ahead", [3600, 400 * DAY])
def test_a_clock_that_was_ahead_when_the_token_was_issued(
    ahead: int, product: Product, authorization_server: AuthorizationServer
) -> None:
    product.use(authorization_server)
    assert product.login(authorization_server).returncode == 0
    wrong = product.token()
    record = product.stored()
    later = {key: record[key] + ahead for key in ("expires_at", "obtained_at", "signed_in_at")}
    (product.state / "tokens" / f"{ADDRESS}.json").write_text(json.dumps(record | later))
    cache = product.state / "access" / ADDRESS
    cache.write_text(f"{later['expires_at']}\n{wrong}\n")
    os.utime(cache, (later["obtained_at"], later["obtained_at"]))
    right = product.token()
    assert right != wrong
    assert product.token() == right, "once is enough"
    assert product.stored()["obtained_at"] <= time.time()


# Regression: AttributeError for every command but the plain `token`, since sys.stdin is None then
@pytest.mark.parametrize("command", [("status",), ("token", ADDRESS, "--min-validity", "1"), ("refresh", "--help")])
def test_standard_input_is_closed(command: tuple[str, ...], product: Product) -> None:
    known(product)
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", product.command, *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.usefixtures("home")
def test_a_fault_is_kept_and_forgotten() -> None:
    assert last_fault.last_fault(ADDRESS) is None
    before = int(time.time())
    last_fault.record_fault(ADDRESS, AuthorizationRequired("it ended", hint="Sign in."))
    fault = last_fault.last_fault(ADDRESS)
    assert fault is not None
    assert (fault.message, fault.exit_code) == ("it ended. Sign in.", 77)
    assert before <= fault.at <= int(time.time())
    last_fault.forget(ADDRESS)
    last_fault.forget(ADDRESS)
    assert last_fault.last_fault(ADDRESS) is None


# Regression: OverflowError for Infinity
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"at": 1}',
        '{"at": Infinity, "message": "x", "exit_code": 77}',
        '{"at": NaN, "message": "x", "exit_code": 77}',
        '{"at": "x", "message": "x", "exit_code": 77}',
        "[" * 60000,
    ],
)
def test_a_history_that_is_damaged(text: str, product: Product) -> None:
    last_fault.record_fault(ADDRESS, AuthorizationRequired("it ended"))
    file = product.state / "faults" / ADDRESS
    assert file.exists()
    file.write_text(text)
    assert last_fault.last_fault(ADDRESS) is None


def test_a_fault_that_cannot_be_written_down_is_no_fault_more(product: Product) -> None:
    product.state.mkdir(mode=0o700)
    (product.state / "faults").write_text("a file")
    last_fault.record_fault(ADDRESS, AuthorizationRequired("it ended"))
    assert last_fault.last_fault(ADDRESS) is None
