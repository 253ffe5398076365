"""Token: what is read of a token endpoint's response, and of a store's file."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oauth2_pop3.errors import OAuthError, TokenStoreError
from oauth2_pop3.oauth2.token import ASSUMED_LIFETIME, LONGEST_LIFETIME, Token, UnusableResponse

TOKEN = Token("access", 1_800_000_000, "refresh", "mail", "secret", 1, 2)


def read(previous: Token | None = None, scope: Any = "asked", **response: Any) -> Token:
    return Token.from_response({"access_token": "at", **response}, scope=scope, previous=previous)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (" 3600 ", 3600),
        (3599.9, 3599),
        ("3599.9", 3599),
        (0, 0),
        (None, ASSUMED_LIFETIME),
        ("", ASSUMED_LIFETIME),
        ("soon", ASSUMED_LIFETIME),
        ([], ASSUMED_LIFETIME),
        ({}, ASSUMED_LIFETIME),
        (-1, ASSUMED_LIFETIME),
        ("-3600", ASSUMED_LIFETIME),
        (math.nan, ASSUMED_LIFETIME),
        (math.inf, ASSUMED_LIFETIME),
        ("Infinity", ASSUMED_LIFETIME),
        # Regression: bool is an int: good for one second
        (True, ASSUMED_LIFETIME),
    ],
)
def test_expires_in(expires_in: object, seconds: int) -> None:
    before = int(time.time())
    token = read(expires_in=expires_in)
    assert before + seconds <= token.expires_at <= int(time.time()) + seconds
    assert token.obtained_at == token.expires_at - seconds


def test_expires_in_is_missing() -> None:
    assert read().valid_for() == pytest.approx(ASSUMED_LIFETIME, abs=2)


# Regression: 10**400 is an OverflowError at once, 1e300 one in `status`, which makes a date of it.
@pytest.mark.parametrize("expires_in", [10**400, 1e300, 1e18, "1" * 400, 10**12])
def test_expires_in_is_huge(expires_in: object) -> None:
    token = read(expires_in=expires_in)
    assert token.valid_for() >= 0
    time.gmtime(token.expires_at)
    assert time.gmtime(token.expires_at).tm_year < 9999


@pytest.mark.parametrize(
    "access_token", [None, "", 7, ["x"], "a b", "a\nb", "a\x00", "a\x1b[2J", "é", " a", "a ", "\t", True]
)
def test_an_access_token_that_is_none(access_token: object) -> None:
    with pytest.raises(OAuthError, match="access_token") as caught:
        read(access_token=access_token)
    assert str(caught.value).isprintable()
    with pytest.raises(OAuthError):
        Token.from_response({}, scope="")


@pytest.mark.parametrize("token_type", ["mac", "DPoP", "N_A", 7, "\x1b[2J", ["bearer"], {"a": 1}, True])
def test_a_token_type_that_is_not_bearer(token_type: object) -> None:
    with pytest.raises(OAuthError, match="type") as caught:
        read(token_type=token_type)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER", "Bearer ", "", None, [], False])
def test_a_token_type_that_is_bearer_or_nothing(token_type: object) -> None:
    assert read(token_type=token_type).access_token == "at"


def test_what_a_first_answer_leaves_out() -> None:
    token = read()
    assert (token.refresh_token, token.scope, token.client_secret) == ("", "asked", "")
    assert token.signed_in_at == token.obtained_at > 0


@pytest.mark.parametrize("refresh_token", [None, "", 7, []])
def test_what_a_refresh_leaves_out_goes_on_to_hold(refresh_token: object) -> None:
    token = read(TOKEN, refresh_token=refresh_token)
    assert (token.refresh_token, token.scope, token.client_secret) == ("refresh", "mail", "secret")
    assert token.signed_in_at == 2
    assert token.access_token == "at"
    assert read(TOKEN).refresh_token == "refresh"


def test_what_a_refresh_replaces() -> None:
    token = read(TOKEN, refresh_token="new", scope="less")
    assert token.refresh_token == "new"
    response = {"access_token": "at", "refresh_token": "new", "scope": "less"}
    assert Token.from_response(response, scope="asked", previous=TOKEN).scope == "less"


def test_no_secret_in_its_repr() -> None:
    assert not any(secret in repr(TOKEN) for secret in ("'access'", "'refresh'", "'secret'"))


texts = st.text(max_size=20)
access_tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
moments = st.integers(0, 2**36)
tokens = st.builds(Token, access_tokens, moments, texts, texts, texts, moments, moments, moments)


@given(tokens)
def test_round_trip(token: Token) -> None:
    text = token.to_json()
    assert text.isascii()
    assert Token.from_json(text, where="x") == token


strangers = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too
numbers = st.integers() | st.floats() | st.sampled_from(["3600", "9" * 400, None])
responses = st.fixed_dictionaries(
    {},
    optional={
        "access_token": access_tokens | strangers,
        "refresh_token": strangers | st.none(),
        "scope": strangers | st.lists(strangers | st.none(), max_size=3) | st.integers(),
        "token_type": st.sampled_from(["Bearer", "mac"]),
        "expires_in": numbers,
        "refresh_token_expires_in": numbers,
        "error": st.sampled_from([None, "server_error"]),
    },
)
previous = st.builds(Token, access_tokens, moments, texts, texts, strangers.filter(str.isascii), moments, moments)


# Regression: a NUL in the refresh token or the scope was stored, and the file was "damaged" from then on
@given(responses, st.none() | previous)
@example({"access_token": "a", "refresh_token": "NEW\0x", "scope": "mail\0x"}, None)
@example({"access_token": "a", "refresh_token": "new", "scope": "mail\ud83d\ude00"}, TOKEN)
@example({"refresh_token": "NEW\0x"}, replace(TOKEN, client_secret="typed\0"))
def test_whatever_is_stored_can_be_read_again(response: dict[str, object], before: Token | None) -> None:
    try:
        token = Token.from_response(response, scope="mail", previous=before)
    except UnusableResponse as error:
        if error.token is None:
            return
        token = error.token
    assert Token.from_json(token.to_json(), where="x") == token


@pytest.mark.parametrize("scope", ["mail\0", "\0mail", "mail\ud800", "mail\n", ["mail", "\x1b"], "mail\u202e"])
def test_an_odd_scope_costs_no_token(scope: Any) -> None:
    token = read(TOKEN, refresh_token="new", scope=scope)
    assert (token.access_token, token.refresh_token, token.scope.split()) == ("at", "new", ["mail"])


@pytest.mark.parametrize("refresh_token", ["NEW\0x", "\x01", " new ", "n\new", "é", "new\u2028"])
def test_a_refresh_token_that_can_be_sent_is_kept_as_it_is(refresh_token: str) -> None:
    assert read(TOKEN, refresh_token=refresh_token).refresh_token == refresh_token


def test_a_file_of_before_refresh_token_expires_at() -> None:
    record = json.loads(TOKEN.to_json())
    del record["refresh_token_expires_at"]
    assert Token.from_json(json.dumps(record), where="x") == TOKEN


@pytest.mark.parametrize("refresh_token_expires_in", [10**400, 1e300, "1" * 300, 10**12])
def test_refresh_token_expires_in_is_huge(refresh_token_expires_in: object) -> None:
    token = read(refresh_token="r", refresh_token_expires_in=refresh_token_expires_in)
    assert token.refresh_token_expires_at == token.obtained_at + LONGEST_LIFETIME
    assert Token.from_json(token.to_json(), where="x") == token


@pytest.mark.parametrize("refresh_token_expires_in", [math.nan, math.inf, "", [], {}, "-1", False])
def test_refresh_token_expires_in_is_nonsense(refresh_token_expires_in: object) -> None:
    token = read(refresh_token="r", refresh_token_expires_in=refresh_token_expires_in)
    assert token.refresh_token_expires_at == 0


def test_refresh_token_expires_in_of_a_rotated_token() -> None:
    """What the new token says counts, and never what the old one said."""
    old = replace(TOKEN, refresh_token_expires_at=12345)
    assert read(old).refresh_token_expires_at == 12345
    assert read(old, refresh_token="refresh").refresh_token_expires_at == 12345
    assert read(old, refresh_token="new").refresh_token_expires_at == 0
    told = read(old, refresh_token="new", refresh_token_expires_in=60)
    assert told.refresh_token_expires_at == told.obtained_at + 60


def test_members_that_came_later_are_passed_over() -> None:
    record = {**json.loads(TOKEN.to_json()), "more": 1}
    assert Token.from_json(json.dumps(record), where="x") == TOKEN


# Regression: read as if it were ours, and written back without what we do not know
def test_a_version_that_we_do_not_know() -> None:
    record = {**json.loads(TOKEN.to_json()), "version": 2}
    with pytest.raises(TokenStoreError, match="version"):
        Token.from_json(json.dumps(record), where="x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[]",
        "7",
        "null",
        '"access_token expires_at"',
        '["access_token", "expires_at"]',
        '{"access_token": "a"}',
        '{"expires_at": 1}',
        '{"access_token": 1, "expires_at": 1}',
        '{"access_token": "a", "expires_at": "1"}',
        '{"access_token": "a", "expires_at": 1.5}',
        '{"access_token": "a", "expires_at": null}',
        '{"access_token": "a", "expires_at": 1, "refresh_token": null}',
        '{"access_token": "a", "expires_at": 1, "scope": ["mail"]}',
        # Regression: bool is an int
        '{"access_token": "a", "expires_at": true}',
        # Regression: taken; then UnicodeEncodeError when it is put into the cache, or a cache of three lines
        '{"version": 1, "access_token": "\\u00e9", "expires_at": 1}',
        '{"version": 1, "access_token": "a\\nb", "expires_at": 1}',
        '{"version": 1, "access_token": "a", "expires_at": 1, "refresh_token_expires_at": "1"}',
        # Regression: RecursionError
        pytest.param("[" * 100_000, id="nested"),
        # Regression: taken; then OverflowError in valid_for()
        pytest.param('{"access_token": "a", "expires_at": 1' + "0" * 400 + "}", id="huge"),
    ],
)
def test_a_file_that_is_damaged(text: str) -> None:
    with pytest.raises(TokenStoreError, match="the file is damaged") as caught:
        Token.from_json(text, where="the file").valid_for()
    assert "login" in caught.value.hint


@given(
    st.text(max_size=60) | st.dictionaries(st.sampled_from(["access_token", "expires_at"]), st.text()).map(json.dumps)
)
def test_no_text_makes_another_error_than_ours(text: str) -> None:
    with pytest.raises(TokenStoreError):
        Token.from_json(text, where="x")


def test_valid_for() -> None:
    assert replace(TOKEN, expires_at=int(time.time()) + 100).valid_for() == pytest.approx(100, abs=2)
    assert replace(TOKEN, expires_at=int(time.time()) - 100).valid_for() == pytest.approx(-100, abs=2)
