"""What the id_token says about who signed in; whatever it holds, nothing but a name comes out."""

from __future__ import annotations

import base64
import json

import pytest

from oauth2_pop3.accounts.account import Account, load_account
from oauth2_pop3.accounts.checks import another_identity
from support.product import Product


@pytest.fixture
def account(product: Product) -> Account:
    product.configure("""
        [providers.example]
        token_endpoint = "https://example.org/token"
        authorization_endpoint = "https://example.org/authorize"
        client_id = "c"
        domains = ["example.org"]

        [accounts."ann@example.org"]
    """)
    return load_account("ann@example.org")


def id_token(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.x"


@pytest.mark.parametrize(
    ("claims", "another"),
    [
        ({"email": "ann@example.org"}, ""),
        ({"email": "Ann@Example.org", "upn": "other@example.org"}, ""),
        ({"email": "bob@example.org"}, "bob@example.org"),
        ({"preferred_username": "bob@example.org", "email": 7}, "bob@example.org"),
        ({"email": ["bob@example.org"]}, ""),
        ({}, ""),
    ],
)
def test_who_signed_in(account: Account, claims: dict[str, object], another: str) -> None:
    assert another_identity(account, {"id_token": id_token(json.dumps(claims).encode())}) == another


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"7",
        b"\xff",
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"email": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"email": ' + b"9" * 5000 + b"}",
        b'{"email": NaN, "upn": Infinity}',
    ],
    ids=lambda payload: str(payload[:20]),
)
def test_an_id_token_that_says_nothing(account: Account, payload: bytes) -> None:
    assert another_identity(account, {"id_token": id_token(payload)}) == ""


@pytest.mark.parametrize("value", [None, 7, "", "..", "a.b", "a.é.c", "a.\ud800.c", "a.=.c", "a.b.c.d", [], {}])
def test_what_is_no_id_token(account: Account, value: object) -> None:
    assert another_identity(account, {"id_token": value}) == ""
