"""`token --format`: what it prints is what a server takes."""

from __future__ import annotations

import base64
import json
import poplib
import ssl
import time

import pytest

from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.product import ADDRESS, Product


def printed(product: Product, *arguments: str) -> str:
    result = product.run("token", ADDRESS, *arguments, check=True)
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    return result.stdout.rstrip("\n")


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_server_takes_it(
    mechanism: str, signed_in: Product, authorization_server: AuthorizationServer, dovecot: Dovecot
) -> None:
    line = printed(signed_in, "--format", mechanism)
    context = ssl.create_default_context(cafile=str(authorization_server.ca_file))
    client = poplib.POP3_SSL("localhost", dovecot.pop3s_port, context=context)
    client._putcmd(f"AUTH {mechanism.upper()}")  # type: ignore[attr-defined]
    assert client._getresp().startswith(b"+")  # type: ignore[attr-defined]
    client._putcmd(line)  # type: ignore[attr-defined]
    assert client._getresp().startswith(b"+OK")  # type: ignore[attr-defined]
    client.quit()


def test_oauthbearer_has_the_server_in_it(signed_in: Product, dovecot: Dovecot) -> None:
    message = base64.b64decode(printed(signed_in, "--format", "oauthbearer")).decode()
    assert f"\x01host=localhost\x01port={dovecot.pop3s_port}\x01" in message
    message = base64.b64decode(
        printed(signed_in, "--format", "oauthbearer", "--host", "imap.example.org", "--port", "993")
    ).decode()
    assert "\x01host=imap.example.org\x01port=993\x01" in message
    assert signed_in.run("token", ADDRESS, "--host", "x").returncode == 64
    for port in ("0", "65536", "x", "-1", "9" * 5000):
        assert signed_in.run("token", ADDRESS, "--format", "oauthbearer", "--port", port).returncode == 64
    # Regression: it could carry fields of its own
    result = signed_in.run("token", ADDRESS, "--format", "oauthbearer", "--host", "x\x01auth=Bearer y")
    assert (result.returncode, result.stdout) == (78, "")


def test_for_another_mailbox(signed_in: Product) -> None:
    message = base64.b64decode(printed(signed_in, "--format", "xoauth2", "--mailbox", "shared@example.org")).decode()
    assert message.startswith("user=shared@example.org\x01")


def test_json_and_header(signed_in: Product) -> None:
    token = signed_in.token()
    record = json.loads(printed(signed_in, "--format", "json"))
    assert list(record) == ["access_token", "token_type", "expires_at", "account", "mailbox"]
    assert (record["access_token"], record["token_type"]) == (token, "Bearer")
    assert (record["account"], record["mailbox"]) == (ADDRESS, ADDRESS)
    assert record["expires_at"] == signed_in.stored()["expires_at"] > time.time()
    assert printed(signed_in, "--format", "header") == f"Authorization: Bearer {token}"
    assert printed(signed_in, "--format", "token") == token


def test_nothing_is_printed_where_there_is_no_token(
    product: Product, authorization_server: AuthorizationServer
) -> None:
    product.use(authorization_server)
    for form in ("token", "xoauth2", "oauthbearer", "json", "header"):
        result = product.run("token", ADDRESS, "--format", form)
        assert (result.returncode, result.stdout) == (77, "")
