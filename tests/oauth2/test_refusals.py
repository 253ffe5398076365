"""What an authorization server's refusal is turned into."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import AuthorizationRequired, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.oauth2 import refusals
from oauth2_pop3.providers.provider import built_in_rows

ROWS: list[dict[str, Any]] = tomllib.loads(resources.files("oauth2_pop3.oauth2").joinpath("refusals.toml").read_text())[
    "refusal"
]
CODES = {row["match"] for row in ROWS if re.fullmatch(r"AADSTS\d+", row["match"])}
ANN = "ann@example.org"


def explain(error: str, description: str = "", provider: str = "", **more: object) -> OAuth2Pop3Error:
    return refusals.explain({"error": error, "error_description": description, **more}, account=ANN, provider=provider)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["match"])[:40])
def test_a_row(row: dict[str, Any]) -> None:
    assert row.keys() <= {"match", "error", "provider", "meaning", "remedy", "permanent"}
    assert isinstance(row["permanent"], bool)
    assert row["match"].strip() == row["match"] != ""
    assert not row["meaning"].endswith(".")
    assert row["meaning"][0].islower() or row["meaning"].startswith(("Google", "Microsoft", "POP"))
    command = row["remedy"].rpartition("run: ")[2] if "run: " in row["remedy"] else ""
    if command:
        assert re.fullmatch(r"oauth2-pop3 login \{account\}( --[a-z-]+( [A-Za-z]+)?)?", command), "typed as it stands"
    else:
        assert row["remedy"].endswith(".") or row["remedy"].startswith("Run: ")
    assert row.get("provider", "google") in built_in_rows()
    assert row["permanent"] or "login" not in row["remedy"]


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: str(ROWS[number]["match"])[:40])
def test_every_row_is_reached(number: int) -> None:
    """By a response with nothing but what the row asks for: no earlier row takes it."""
    row = ROWS[number]
    error = explain(row.get("error", "some_error"), row["match"], row.get("provider", ""))
    assert row["meaning"] in error.message
    assert row["remedy"].replace("{account}", ANN) == error.hint
    assert isinstance(error, NetworkError) is not row["permanent"]


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_no_prefix_of_another(code: str) -> None:
    meaning = next(row["meaning"] for row in ROWS if row["match"] == code)
    for longer in (code + "0", code + "99"):
        if longer not in CODES:
            assert meaning not in explain("invalid_grant", f"{longer}: Something else.").message
    numbers = [int(code.removeprefix("AADSTS"))]
    assert meaning in explain("invalid_grant", "", error_codes=numbers).message
    assert meaning in explain("invalid_grant", f"{code}: Trace ID: {code[6:]}999").message


# Regression: only the first place is looked at, and that is a longer code's
@pytest.mark.parametrize(("longer", "code"), [("AADSTS500059", "AADSTS50005"), ("AADSTS530001", "AADSTS53000")])
def test_a_code_behind_a_longer_one(longer: str, code: str) -> None:
    meaning = next(row["meaning"] for row in ROWS if row["match"] == code)
    assert meaning in explain("invalid_grant", f"{longer} and {code}: x").message


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        ({"error": "invalid_grant"}, AuthorizationRequired, ["oauth2-pop3 login ann@example.org"]),
        ({"error": "invalid_grant", "error_description": "AADSTS700082: x"}, AuthorizationRequired, ["90 days"]),
        ({"error": "invalid_grant", "error_description": "AADSTS50076: x"}, AuthorizationRequired, ["second factor"]),
        ({"error": "invalid_grant", "error_description": "AADSTS53003: x"}, AuthorizationRequired, ["Conditional"]),
        ({"error": "invalid_grant", "error_description": "AADSTS65001: x"}, AuthorizationRequired, ["consent"]),
        (
            {
                "error": "invalid_request",
                "error_description": "AADSTS90023: Public clients can't send a client secret.",
            },
            OAuthError,
            ["client_secret"],
        ),
        ({"error": "admin_policy_enforced"}, AuthorizationRequired, ["administrator"]),
        ({"error": "org_internal"}, AuthorizationRequired, ["organisation"]),
        ({"error": "invalid_client"}, OAuthError, ["client_id"]),
        ({"error": "access_denied"}, AuthorizationRequired, ["login"]),
        ({"error": "server_error"}, NetworkError, []),
        ({"error": "temporarily_unavailable"}, NetworkError, []),
        ({"error": "unheard_of"}, OAuthError, ["unheard_of"]),
        ({}, OAuthError, ["without a code"]),
    ],
)
def test_what_is_made_of_it(response: dict[str, object], kind: type[OAuth2Pop3Error], words: list[str]) -> None:
    error = refusals.explain(response, account=ANN)
    assert type(error) is kind
    for word in words:
        assert word in str(error)
    if isinstance(error, OAuthError) and "error" in response:
        assert error.code == response["error"]


def test_what_was_sent_is_not_shown_though_the_server_says_it_back() -> None:
    secret = "s" * 400
    response = {"error": f"no {secret}", "error_description": f"{'x' * 200} {secret} is not known, nor {secret}"}
    error = refusals.explain(response, account=ANN, secrets=[secret, "rt", ""])
    assert "sss" not in error.message
    assert "is not known" in error.message
    pending = refusals.explain({"error": "slow_down"}, account=ANN, secrets=["slow_down"])
    assert isinstance(pending, OAuthError)
    assert pending.code == "slow_down"


HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\r\n\x00\ud800"


def test_hostile_text() -> None:
    for error in (
        explain(HOSTILE, HOSTILE),
        explain("invalid_grant", HOSTILE * 1000, suberror=HOSTILE, error_codes=[HOSTILE, [HOSTILE]]),
        explain("x" * 100_000, "y" * 100_000),
    ):
        assert str(error).isprintable()
        assert len(str(error)) < 1000
        assert getattr(error, "code", "").isprintable()


def test_what_the_server_says_of_the_account_is_not_filled_in() -> None:
    assert "{account}" in explain("invalid_grant", "{account} {0} %s").message


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
members = st.sampled_from(["error", "error_description", "suberror", "error_codes", "error_subtype", "error_uri"])


@given(st.dictionaries(members, json))
def test_no_answer_raises(response: dict[str, object]) -> None:
    error = refusals.explain(response, account=ANN)
    assert isinstance(error, OAuthError | NetworkError)
    assert str(error).isprintable()
