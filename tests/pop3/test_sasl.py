"""XOAUTH2 and OAUTHBEARER, byte for byte, and what a hostile server may put into a refusal."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import ConfigError, Pop3Error
from oauth2_pop3.pop3 import sasl
from oauth2_pop3.providers.provider import MECHANISMS
from oauth2_pop3.sandbox.pop3_server.bearer_responses import BearerResponse, parse_response

RFC_7628_TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
GOOGLE_TOKEN = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"

_users = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
_tokens = st.text("abcXYZ019-._~+/", min_size=1, max_size=60)


def as_challenge(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_oauthbearer_is_the_example_of_rfc_7628_section_4_1() -> None:
    message = sasl.initial_response(
        "oauthbearer", "user@example.com", RFC_7628_TOKEN, host="server.example.com", port=143
    )
    assert sasl.encode(message) == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRj"
        b"Mk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )


def test_xoauth2_is_the_example_that_google_documents() -> None:
    message = sasl.initial_response("xoauth2", "someuser@example.com", GOOGLE_TOKEN, host="elsewhere", port=995)
    assert sasl.encode(message) == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZ"
        b"Mjl0Q2cBAQ=="
    )


@pytest.mark.parametrize("mechanism", MECHANISMS)
@given(user=_users, token=_tokens)
def test_a_server_reads_back_what_was_meant(mechanism: str, user: str, token: str) -> None:
    message = sasl.encode(sasl.initial_response(mechanism, user, token, host="localhost", port=995))
    assert parse_response(mechanism.upper(), message.decode()) == BearerResponse(user, token)


@given(user=_users)
def test_nothing_in_a_name_ends_the_gs2_header_early(user: str) -> None:
    message = sasl.initial_response("oauthbearer", user, "t", host="h", port=1).decode()
    header = message.partition("\x01")[0]
    assert re.fullmatch(r"n,a=([^,=]|=2C|=3D)+,", header)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("character", ["\x00", "\x01", "\t", "\n", "\r", "\x1b", "\x7f"])
def test_a_control_character_cannot_break_out_of_its_field(mechanism: str, character: str) -> None:
    for user, token in ((f"a{character}b", "token"), ("ab", f"to{character}ken")):
        with pytest.raises(ConfigError) as caught:
            sasl.initial_response(mechanism, user, token, host="h", port=1)
        assert "ken" not in str(caught.value).replace("token", "")


# Regression: a name that the locale could not decode (surrogateescape) is a UnicodeEncodeError.
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_name_that_is_no_text_is_an_error_of_ours(mechanism: str) -> None:
    with pytest.raises(ConfigError):
        sasl.initial_response(mechanism, "ann\udcff@example.org", "token", host="h", port=1)


@given(st.binary(max_size=5000))
def test_base64_is_one_line(message: bytes) -> None:
    encoded = sasl.encode(message)
    assert base64.b64decode(encoded, validate=True) == message
    assert not set(encoded) & set(b"\r\n ")


def test_what_ends_a_refused_exchange() -> None:
    assert sasl.encode(sasl.response_to_refusal("xoauth2")) == b""
    assert sasl.encode(sasl.response_to_refusal("oauthbearer")) == b"AQ=="


def test_a_refusal_is_read() -> None:
    # RFC 7628 section 4.3
    challenge = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIn0="
    assert sasl.read_refusal(challenge) == {"status": "invalid_token", "scope": "example_scope"}
    assert sasl.read_refusal(as_challenge({"status": 401})) == {"status": "401"}


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "garbage",
        "e30",  # padding missing
        "e30=\x1b",
        "é",
        base64.b64encode(b'{"status": "\xff"}').decode(),
        base64.b64encode(b"{").decode(),
        base64.b64encode(b"\x00\x01").decode(),
        as_challenge([1]),
        as_challenge("text"),
        as_challenge(None),
        # Regression: RecursionError, which is not a ValueError
        pytest.param(base64.b64encode(b"[" * 40_000).decode(), id="nested"),
        pytest.param(base64.b64encode(b'{"a":' * 8_000).decode(), id="nested objects"),
        pytest.param(base64.b64encode(b"9" * 6_000).decode(), id="a long number"),
    ],
)
def test_a_challenge_that_is_no_json_object_says_nothing(challenge: str) -> None:
    assert sasl.read_refusal(challenge) == {}


@given(st.binary(max_size=200))
def test_no_challenge_raises(challenge: bytes) -> None:
    assert isinstance(sasl.read_refusal(base64.b64encode(challenge).decode()), dict)
    assert isinstance(sasl.read_refusal(challenge.decode("latin-1")), dict)


@pytest.mark.parametrize(
    ("offered", "wanted", "preferred", "chosen"),
    [
        (["PLAIN", "XOAUTH2", "OAUTHBEARER"], "auto", (), "xoauth2"),
        (["OAUTHBEARER"], "auto", (), "oauthbearer"),
        (["XOAUTH2", "OAUTHBEARER"], "auto", ("oauthbearer", "xoauth2"), "oauthbearer"),
        (["XOAUTH2"], "auto", ("oauthbearer",), "xoauth2"),  # the row may be out of date
        (["xoauth2", "OAuthBearer"], "oauthbearer", ("xoauth2",), "oauthbearer"),
        ([], "auto", ("oauthbearer", "xoauth2"), "oauthbearer"),  # no CAPA
        ([], "auto", (), "xoauth2"),
        ([], "oauthbearer", ("xoauth2",), "oauthbearer"),
    ],
)
def test_the_mechanism_that_is_chosen(offered: list[str], wanted: str, preferred: tuple[str, ...], chosen: str) -> None:
    assert sasl.choose(offered, wanted=wanted, preferred=preferred) == chosen


@pytest.mark.parametrize(
    ("offered", "wanted"), [(["PLAIN"], "auto"), (["XOAUTH2"], "oauthbearer"), (["OAUTHBEARER"], "xoauth2")]
)
def test_no_mechanism_that_fits(offered: list[str], wanted: str) -> None:
    with pytest.raises(Pop3Error, match="does not offer") as caught:
        sasl.choose(offered, wanted=wanted)
    assert offered[0] in str(caught.value)
    if wanted != "auto":
        assert wanted.upper() in str(caught.value)
