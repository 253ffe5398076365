"""The table of providers: every row of it, and what a user's own row may get wrong."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.net import https
from oauth2_pop3.providers.provider import (
    Provider,
    built_in_rows,
    domain_of,
    make_provider,
    row_for_domain,
    row_for_mx,
)
from oauth2_pop3.providers.tables import TableLocation

ROWS = built_in_rows()
SUPPORTED = sorted(name for name, row in ROWS.items() if "unsupported" not in row)
UNSUPPORTED = sorted(ROWS.keys() - set(SUPPORTED))
ENDPOINTS = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
PLACE = TableLocation("config.toml", "", "providers.x")
LEAST = {"authorization_endpoint": "https://a.example.org/", "token_endpoint": "https://a.example.org/token"}


def built_in(name: str) -> Provider:
    return make_provider(name, ROWS[name], TableLocation("providers.toml", "", name))


def test_both_kinds_are_there() -> None:
    assert {"google", "microsoft", "outlook", "yahoo", "aol", "fastmail"} <= set(SUPPORTED)
    assert len(UNSUPPORTED) >= 5


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row(name: str) -> None:
    row = built_in(name)
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert row.title
    assert row.domains or row.mx
    assert not row.client_id, "no client is ours to give out"
    assert not row.client_secret
    assert not row.allow_insecure_loopback
    for host in (*row.domains, *row.mx):
        assert HOST.fullmatch(host), host
    assert len(set(row.domains)) == len(row.domains)
    assert len(set(row.mx)) == len(row.mx)


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_row_that_is_supported(name: str) -> None:
    row = built_in(name)
    for key in ENDPOINTS:
        url = getattr(row, key)
        if url:
            https.require_https(url, allow_insecure_loopback=False)
            assert "{" not in url, "no tenant"
            assert not urlsplit(url).username
    assert row.scope
    assert HOST.fullmatch(row.pop3_host)
    assert row.pop3_port == 995
    assert not row.starttls
    assert row.mechanisms
    assert row.registration.strip()
    assert row.client_secret_policy in ("required", "optional", "forbidden")
    redirect = urlsplit(row.redirect_uri)
    assert redirect.hostname in ("127.0.0.1", "localhost"), "RFC 8252 section 7.3"


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_row_that_is_not_supported_says_which_way_there_is(name: str) -> None:
    row = built_in(name)
    assert re.search(r"app(lication)?[ -]?(specific )?password|password|bridge|IMAP", row.unsupported, re.IGNORECASE)
    assert len(row.unsupported) > 60
    assert not row.token_endpoint


@pytest.mark.parametrize("key", ["domains", "mx"])
def test_nothing_is_in_two_rows(key: str) -> None:
    seen: dict[str, str] = {}
    for name, row in ROWS.items():
        values = row.get(key, [])
        assert isinstance(values, list)
        for value in values:
            assert value not in seen, f"{value} is in {seen[value]} and {name}"
            seen[value] = name


def test_google_is_asked_for_a_refresh_token() -> None:
    assert built_in("google").authorization_parameters == {"access_type": "offline", "prompt": "consent"}
    assert "https://mail.google.com/" in built_in("google").scope.split()


@pytest.mark.parametrize("name", [name for name in SUPPORTED if name.startswith(("microsoft", "outlook"))])
def test_microsoft(name: str) -> None:
    row = built_in(name)
    assert "offline_access" in row.scope.split()
    assert row.client_secret_policy == "forbidden"
    assert not row.initial_response, "two steps only"
    assert not row.issuer, "its metadata name {tenantid}"
    own = make_provider(name, {**ROWS[name], "tenant": "example.org"}, PLACE)
    assert "/example.org/" in own.token_endpoint


@pytest.mark.parametrize(
    ("domain", "name"),
    [("gmail.com", "google"), ("GMAIL.com", "google"), ("outlook.de", "outlook"), ("ymail.com", "yahoo")],
)
def test_a_domain_is_found(domain: str, name: str) -> None:
    assert row_for_domain(ROWS, domain) == name


@pytest.mark.parametrize("domain", ["", "com", "xgmail.com", "gmail.com.evil.example", "mail.gmail.com"])
def test_a_domain_that_only_looks_like_it(domain: str) -> None:
    assert row_for_domain(ROWS, domain) is None


@pytest.mark.parametrize(
    ("exchange", "name"),
    [
        ("aspmx.l.google.com", "google"),
        ("ASPMX2.GoogleMail.com.", "google"),
        ("example-org.mail.protection.outlook.com", "microsoft"),
        ("outlook-com.olc.protection.outlook.com", "outlook"),
        ("mx-aol.mail.gm0.yahoodns.net", "aol"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("in1-smtp.messagingengine.com", "fastmail"),
        ("evilgoogle.com", None),
        ("google.com.evil.example", None),
        ("", None),
    ],
)
def test_a_mail_exchange_is_found(exchange: str, name: str | None) -> None:
    assert row_for_mx(ROWS, [exchange]) == name


def test_the_longest_suffix_wins_in_either_order() -> None:
    rows: dict[str, dict[str, object]] = {"a": {"mx": ["example.org"]}, "b": {"mx": ["mx.example.org"]}}
    for order in (rows, dict(reversed(rows.items()))):
        assert row_for_mx(order, ["1.mx.example.org"]) == "b"
        assert row_for_mx(order, ["1.example.org", "1.mx.example.org"]) == "b"


@pytest.mark.parametrize(
    "address", ["", "ann", "@example.org", "ann@", "a b@example.org", "ann@example.org\n", "a@\x1b"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match="not a mail address") as caught:
        domain_of(address)
    assert str(caught.value).isprintable()


def test_what_is_an_address() -> None:
    assert domain_of('"a@b"@Example.ORG') == "example.org"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "needs issuer"),
        ({"authorization_endpoint": "https://a/"}, "needs issuer"),
        ({"issuer": "example.org"}, "must be an https:// URL"),
        ({**LEAST, "revocation_endpoint": "ftp://a/"}, "must be an https:// URL"),
        ({**LEAST, "pop3_port": 0}, "from 1 to 65535"),
        ({**LEAST, "pop3_port": 65536}, "from 1 to 65535"),
        ({**LEAST, "pop3_port": True}, "a whole number"),
        ({**LEAST, "pop3_port": "995"}, "a whole number"),
        ({**LEAST, "starttls": "no"}, "true or false"),
        ({**LEAST, "domains": "example.org"}, "a list of strings"),
        ({**LEAST, "domains": [1]}, "a list of strings"),
        ({**LEAST, "authorization_parameters": {"a": 1}}, "a table of strings"),
        ({**LEAST, "mechanisms": ["PLAIN"]}, "unknown mechanism"),
        ({**LEAST, "client_secret_policy": "no"}, "must be one of"),
        ({**LEAST, "token_endpoint_auth_method": "tls_client_auth"}, "must be one of"),
        ({**LEAST, "grant": "implicit"}, "must be one of"),
        ({**LEAST, "grants": ["implicit"]}, "unknown grant"),
        ({**LEAST, "sope": "mail"}, "Did you mean scope"),
        ({**LEAST, "name": "y"}, "unknown key"),
        # Regression: ValueError
        ({**LEAST, "token_endpoint": "https://["}, "https://"),
        # Regression: not looked at until a person signs in, and a ValueError then
        ({**LEAST, "redirect_uri": "http://127.0.0.1:99999/"}, "redirect_uri"),
        ({**LEAST, "redirect_uri": "callback"}, "redirect_uri"),
    ],
)
def test_a_row_that_cannot_be_worked_with(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_provider("x", row, PLACE)


# Regression: they are written over state, code_challenge and redirect_uri
def test_authorization_parameters_do_not_replace_those_of_the_grant() -> None:
    from oauth2_pop3.oauth2.client import Client
    from oauth2_pop3.oauth2.grants.authorization_code import AuthorizationRequest

    parameters = {"state": "fixed", "code_challenge_method": "plain", "prompt": "consent"}
    row = make_provider("x", {**LEAST, "authorization_parameters": parameters}, PLACE)
    request = AuthorizationRequest.prepare(Client(row, account="a@b"), redirect_uri="http://127.0.0.1:1/")
    assert "state=fixed" not in request.url
    assert "code_challenge_method=S256" in request.url
    assert "prompt=consent" in request.url


def test_no_secret_in_its_repr() -> None:
    assert "hush" not in repr(make_provider("x", {**LEAST, "client_secret": "hush"}, PLACE))


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)
keys = st.one_of(st.sampled_from([field.name for field in fields(Provider)]), st.text(max_size=20))


@given(st.dictionaries(keys, values, max_size=6))
def test_no_row_makes_another_error_than_ours(row: dict[str, object]) -> None:
    message = "providers.x"
    try:
        make_provider(
            "x", {**LEAST, **row}, TableLocation("config.toml", '[providers."x"]\nscope = 1\n', "providers.x")
        )
    except ConfigError as error:
        message = str(error)
    assert "providers.x" in message


def test_the_tenant_is_put_into_every_url() -> None:
    keys = ("issuer", *ENDPOINTS, "app_scope")
    row = make_provider("example", {"tenant": "t1", **{key: f"https://{key}/{{tenant}}/x" for key in keys}}, PLACE)
    assert [getattr(row, key) for key in keys] == [f"https://{key}/t1/x" for key in keys]
