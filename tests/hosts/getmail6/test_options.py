"""The options of a getmailrc: a text becomes a value, or an error that names the option."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.hosts.getmail6.options import Options, read_options
from oauth2_pop3.providers.provider import MECHANISMS

ANN = "ann@example.org"


def read(**conf: Any) -> Options:
    """The options as getmail hands them over: all of them, with None for those that the file does not have."""
    return read_options({**dict.fromkeys([*Options.names(), "password", "configparser"]), "username": ANN, **conf})


def test_nothing_but_a_username() -> None:
    options = read()
    assert options == Options(username=ANN, account=ANN)
    assert (options.server, options.port, options.starttls, options.mechanism) == ("", 0, None, "auto")
    assert (options.timeout, options.unique_ids, options.delete_dup_msgids) == (180, True, False)
    assert not options.allow_insecure_loopback


# Regression: only blanks were taken for a name
@pytest.mark.parametrize("username", [None, "", "  "])
def test_no_username(username: str | None) -> None:
    with pytest.raises(ConfigError, match="username"):
        read(username=username)


def test_a_shared_mailbox() -> None:
    options = read(username="shop@example.org", account=ANN)
    assert (options.username, options.account) == ("shop@example.org", ANN)


@pytest.mark.parametrize("name", ["port", "timeout"])
# Regression: 5,000 digits are more than int() takes: ValueError, which ends getmail and the rc files that come after
@pytest.mark.parametrize(
    "text", ["0", "-1", "65536", "1.5", "abc", "0x10", "1 2", "1e3", "__import__('os')", "9" * 5000, "²"]
)
def test_what_is_no_number(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} = "):
        read(**{name: text})


@pytest.mark.parametrize("name", ["port", "timeout"])
@pytest.mark.parametrize(("text", "number"), [("1", 1), ("65535", 65535), (" 995 ", 995), ("0110", 110)])
def test_what_is_a_number(name: str, text: str, number: int) -> None:
    assert getattr(read(**{name: text}), name) == number


BOOLEANS = [field.name for field in fields(Options) if str(field.type).startswith("bool")]


@pytest.mark.parametrize("name", BOOLEANS)
def test_true_and_false(name: str) -> None:
    for text in ("true", "True", "YES", "on", "1"):
        assert getattr(read(**{name: text}), name) is True
    for text in ("false", "False", "NO", "off", "0"):
        assert getattr(read(**{name: text}), name) is False
    for text in ("2", "t", "truefalse", "None", "[]", "exit()"):
        with pytest.raises(ConfigError, match=f"^{name} = "):
            read(**{name: text})


@pytest.mark.parametrize(
    ("text", "strings"), [("('a', 'b')", ("a", "b")), ("('a',)", ("a",)), ('["a"]', ("a",)), ("()", ())]
)
def test_a_list_of_strings(text: str, strings: tuple[str, ...]) -> None:
    assert read(ssl_fingerprints=text).ssl_fingerprints == strings


@pytest.mark.parametrize(
    "text",
    [
        "aa:bb",
        "'aa:bb'",
        "('a')",
        "(1,)",
        "('a', None)",
        "{'a'}",
        "(",
        "exit()",
        "('a', exit())",
        "\x00",
        # Regression: RecursionError, MemoryError
        pytest.param("(" * 5000, id="nested"),
        pytest.param("-" * 100_000 + "1", id="minus"),
    ],
)
def test_what_is_no_list_of_strings(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^ssl_fingerprints = "):
        read(ssl_fingerprints=text)


@pytest.mark.parametrize(
    ("text", "pauses"), [("(1, 5, 15)", (1, 5, 15)), ("0.5, 3600", (0.5, 3600)), ("[2]", (2,)), ("()", ())]
)
def test_pauses(text: str, pauses: tuple[float, ...]) -> None:
    assert read(reconnect_pauses=text).reconnect_pauses == pauses


@pytest.mark.parametrize("text", ["5", "(-1,)", "(3601,)", "(1e999,)", "(True,)", "('1',)", "(0x" + "f" * 5000 + ",)"])
def test_what_is_no_list_of_pauses(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^reconnect_pauses = "):
        read(reconnect_pauses=text)


@pytest.mark.parametrize("name", ["ca_certs", "certfile", "keyfile"])
def test_files(name: str, home: Path) -> None:
    with pytest.raises(ConfigError, match=f"{name} = .*no such file"):
        read(**{name: "~/ca.pem"})
    (home / "ca.pem").touch()
    assert getattr(read(**{name: "~/ca.pem"}), name) == "~/ca.pem"
    with pytest.raises(ConfigError):
        read(**{name: str(home)})


# Regression: RuntimeError of pathlib
def test_the_home_of_nobody() -> None:
    with pytest.raises(ConfigError, match="ca_certs"):
        read(ca_certs="~no-such-user-here/ca.pem")


def test_a_file_name_that_is_none() -> None:
    with pytest.raises(ConfigError, match="ca_certs"):
        read(ca_certs="a\x00b")


# Regression: checked in lower case and passed on as written: XOAUTH2 is "not offered", or sent in OAUTHBEARER's form
@pytest.mark.parametrize("text", ["auto", "AUTO", "xoauth2", "XOAUTH2", "OAuthBearer"])
def test_the_mechanism_in_any_case(text: str) -> None:
    assert read(mechanism=text).mechanism in ("auto", *MECHANISMS)


@pytest.mark.parametrize("text", ["plain", "xoauth", "xoauth2,oauthbearer"])
def test_a_mechanism_that_is_unknown(text: str) -> None:
    with pytest.raises(ConfigError, match="mechanism") as caught:
        read(mechanism=text)
    assert "oauthbearer" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "field"),
    [("Delivered-To", ("delivered-to", 1)), ("X-Envelope-To:2", ("x-envelope-to", 2)), (" A : 1 ", ("a", 1))],
)
def test_the_envelope(text: str, field: tuple[str, int]) -> None:
    assert read(envelope_recipient=text).envelope_field == field


# Regression: an empty name is accepted, and int() accepts what is not a number
@pytest.mark.parametrize("text", ["X:0", "X:-1", "X:a", "X:1:2", ":1", "X:1_0", "X Y"])
def test_what_is_no_envelope(text: str) -> None:
    with pytest.raises(ConfigError, match="envelope_recipient"):
        read(envelope_recipient=text)


@pytest.mark.parametrize("text", ["To", "cc:1", "BCC", "Received", "Resent-To:2"])
def test_what_does_not_record_the_envelope(text: str) -> None:
    with pytest.raises(ConfigError, match="does not record the envelope") as caught:
        read(envelope_recipient=text)
    assert "Delivered-To" in caught.value.hint


def test_what_says_nothing_here_is_named() -> None:
    options = read(password="hush", password_command="('pass', 'hush')", use_xoauth2="true", ssl_version="tlsv1_2")
    assert set(options.superfluous) == {"password", "password_command", "use_xoauth2", "ssl_version"}
    assert "hush" not in repr(options)
    assert "superfluous" not in Options.names()


conf = st.dictionaries(
    st.sampled_from(Options.names()),
    st.text(max_size=30) | st.sampled_from(["true", "('a',)", "995", "auto", "X:1"]),
)


@given(conf)
def test_no_text_makes_another_error_than_ours(conf: dict[str, str]) -> None:
    message, options = "", None
    try:
        options = read(**conf)
    except ConfigError as error:
        message = str(error)
    if options is None:
        assert any(name in message for name in ("username", *conf))
    else:
        assert isinstance(options.port, int)
        assert isinstance(options.timeout, int)
        assert isinstance(options.unique_ids, bool)
