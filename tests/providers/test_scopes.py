"""Scopes by protocol: only POP3 by default, IMAP and SMTP if `login --also` asks for them."""

from __future__ import annotations

import base64
import imaplib
import json
import smtplib
import ssl
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.providers import scopes
from oauth2_pop3.providers.provider import MAIL_SCOPE, Provider, built_in_rows, make_provider
from oauth2_pop3.providers.tables import TableLocation
from servers.authorization_server import SCOPE, SERVICE_SECRET, AuthorizationServer
from servers.dovecot import Dovecot
from support.product import ADDRESS, Product

ROWS = {
    name: make_provider(name, row, TableLocation("providers.toml", "", name))
    for name, row in built_in_rows().items()
    if "unsupported" not in row
}
BY_PROTOCOL = 'imap_scope = "imap"\nsmtp_scope = "smtp"'


@pytest.fixture
def by_protocol(product: Product, authorization_server: AuthorizationServer, mail_server: Dovecot) -> Product:
    product.use(authorization_server, mail_server, more=BY_PROTOCOL)
    return product


def asked_scope(product: Product, *arguments: str) -> set[str]:
    """What `login` asks for."""
    with product.login_process(ADDRESS, *arguments) as (_, url):
        return set(parse_qs(urlsplit(url).query)["scope"][0].split())


def imap_takes(line: str, server: Dovecot, ca_file: str, mechanism: str = "XOAUTH2") -> bool:
    with imaplib.IMAP4_SSL(
        "localhost", server.imaps_port, ssl_context=ssl.create_default_context(cafile=ca_file)
    ) as client:
        try:
            client.authenticate(mechanism, lambda challenge: b"" if challenge else base64.b64decode(line))
        except imaplib.IMAP4.error:
            return False
        return True


def smtp_takes(line: str, server: Dovecot, ca_file: str) -> bool:
    with smtplib.SMTP("localhost", server.submission_port) as client:
        client.starttls(context=ssl.create_default_context(cafile=ca_file))
        client.ehlo()
        code, _ = client.docmd("AUTH", f"XOAUTH2 {line}")
        if code == 334:  # why not, to be answered with an empty line
            client.docmd("")
        return code == 235


# -- the real servers


def test_pop3_alone_by_default(
    by_protocol: Product, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> None:
    assert asked_scope(by_protocol) == set(SCOPE.split())
    assert by_protocol.login(authorization_server).returncode == 0
    for protocol in ("imap", "smtp"):
        result = by_protocol.run("token", ADDRESS, "--for", protocol)
        assert (result.returncode, result.stdout) == (77, "")
        assert result.stderr == (
            f"oauth2-pop3: the sign-in of {ADDRESS} does not include {protocol.upper()}\n"
            f"  Run: oauth2-pop3 login {ADDRESS} --also {protocol}\n"
        )
    assert by_protocol.token(ADDRESS, "--for", "pop3") == by_protocol.token()
    (row,) = json.loads(by_protocol.run("status", "--json", check=True).stdout)
    assert row["protocols"] == ["pop3"]
    assert row["access_token_length"] == len(by_protocol.token())
    # The server means it: the token opens POP3, where `login` has tried it, and nothing else.
    ca_file = str(authorization_server.ca_file)
    line = by_protocol.run("token", ADDRESS, "--format", "xoauth2", check=True).stdout.strip()
    assert not imap_takes(line, mail_server, ca_file)
    assert not smtp_takes(line, mail_server, ca_file)


def test_one_sign_in_for_all(
    by_protocol: Product, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> None:
    assert asked_scope(by_protocol, "--also", "imap,smtp") == {*SCOPE.split(), "imap", "smtp"}
    result = by_protocol.login(authorization_server, ADDRESS, "--also", "imap,smtp")
    assert result.returncode == 0, result.stderr
    assert 'also = ["imap", "smtp"]' in by_protocol.config_file.read_text()
    ca_file = str(authorization_server.ca_file)
    for fresh in (False, True):
        if fresh:
            by_protocol.expire()
        token = by_protocol.token(ADDRESS, "--for", "imap")
        assert token == by_protocol.token(ADDRESS, "--for", "smtp") == by_protocol.token()
        line = by_protocol.run("token", ADDRESS, "--for", "imap", "--format", "xoauth2", check=True).stdout.strip()
        assert imap_takes(line, mail_server, ca_file)
        assert smtp_takes(line, mail_server, ca_file)
    assert "for pop3, imap, smtp" in by_protocol.run("status", check=True).stdout


def test_oauthbearer_names_no_server_that_it_does_not_know(
    by_protocol: Product, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> None:
    by_protocol.login(authorization_server, ADDRESS, "--also", "imap").check_returncode()
    arguments = ("token", ADDRESS, "--for", "imap", "--format", "oauthbearer")
    line = by_protocol.run(*arguments, check=True).stdout.strip()
    assert base64.b64decode(line).startswith(f"n,a={ADDRESS},\x01auth=Bearer ".encode())
    assert imap_takes(line, mail_server, str(authorization_server.ca_file), "OAUTHBEARER")
    where = ("--host", "imap.example.org", "--port", "993")
    line = by_protocol.run(*arguments, *where, check=True).stdout.strip()
    assert b"\x01host=imap.example.org\x01port=993\x01" in base64.b64decode(line)
    assert imap_takes(line, mail_server, str(authorization_server.ca_file), "OAUTHBEARER")


def test_a_later_sign_in_loses_nothing(by_protocol: Product, authorization_server: AuthorizationServer) -> None:
    by_protocol.login(authorization_server, ADDRESS, "--also", "imap").check_returncode()
    # What the hint of an expired sign-in says to type:
    by_protocol.login(authorization_server).check_returncode()
    assert by_protocol.token(ADDRESS, "--for", "imap")
    result = by_protocol.run("token", ADDRESS, "--for", "smtp")
    assert f"login {ADDRESS} --also imap,smtp" in result.stderr
    assert asked_scope(by_protocol, "--also", "smtp") == {*SCOPE.split(), "imap", "smtp"}
    by_protocol.login(authorization_server, ADDRESS, "--also", "none").check_returncode()
    assert "also" not in by_protocol.config_file.read_text()
    assert by_protocol.run("token", ADDRESS, "--for", "imap").returncode == 77


def test_an_access_that_was_cut(by_protocol: Product, authorization_server: AuthorizationServer) -> None:
    text = by_protocol.config_file.read_text()
    by_protocol.configure(text.replace('imap_scope = "imap"', 'imap_scope = "not-a-scope-of-the-server-s"'))
    result = by_protocol.login(authorization_server, ADDRESS, "--also", "imap")
    assert result.returncode == 77
    assert "not-a-scope-of-the-server-s is missing" in result.stderr
    assert "also" not in by_protocol.config_file.read_text()


def test_a_provider_that_nobody_has_said_it_of(
    product: Product, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> None:
    product.use(authorization_server, mail_server)
    result = product.run("login", ADDRESS, "--also", "imap")
    assert result.returncode == 78
    assert "Set imap_scope in [providers.example]" in result.stderr
    assert product.login(authorization_server).returncode == 0
    assert product.run("token", ADDRESS, "--for", "smtp").returncode == 78


@pytest.mark.parametrize("also", ["", "pop3", "imap,,smtp", "imap smtp", "all", "none,imap"])
def test_what_cannot_be_asked_for(also: str, by_protocol: Product) -> None:
    result = by_protocol.run("login", ADDRESS, "--also", also)
    assert result.returncode == 64
    assert "imap" in result.stderr


@pytest.mark.parametrize("also", ['"imap"', "7", '["pop"]', "[1]", "{}"])
def test_a_config_that_cannot_be(also: str, by_protocol: Product) -> None:
    text = by_protocol.config_file.read_text()
    by_protocol.configure(f'{text}\n[accounts."{ADDRESS}"]\nprovider = "example"\nalso = {also}\n')
    result = by_protocol.run("token", ADDRESS)
    assert result.returncode == 78
    assert "also must be a list of imap, smtp" in result.stderr


def test_an_app_is_asked_for_no_more(by_protocol: Product) -> None:
    options = ["--grant", "client_credentials", "--client-id", SERVICE_SECRET.client_id]
    result = by_protocol.run("login", ADDRESS, *options, "--also", "imap")
    assert result.returncode == 64
    assert "administrator" in result.stderr


def test_registration_leaves_the_others_their_client(
    product: Product, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> None:
    """A refresh token belongs to its client: registering another client for IMAP would end earlier sign-ins."""
    product.use(authorization_server, mail_server, more=BY_PROTOCOL)
    text = product.config_file.read_text()
    product.configure("".join(line for line in text.splitlines(keepends=True) if "client_id" not in line))
    product.login(authorization_server).check_returncode()
    product.login(authorization_server, "bob@example.org", "--also", "imap").check_returncode()
    assert product.token("bob@example.org", "--for", "imap")
    product.expire()
    assert product.token()


def test_the_open_profile_has_one_scope_for_all(
    product: Product, authorization_server: AuthorizationServer, mail_server: Dovecot
) -> None:
    product.use(authorization_server, mail_server)
    text = product.config_file.read_text()
    without = ("scope", "client_id")
    product.configure("".join(line for line in text.splitlines(keepends=True) if not line.startswith(without)))
    result = product.login(authorization_server, ADDRESS, "--also", "imap,smtp")
    assert result.returncode == 0, result.stderr
    assert product.token(ADDRESS, "--for", "imap") == product.token(ADDRESS, "--for", "smtp") == product.token()


# -- the table


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_asks_for_pop3_alone(name: str) -> None:
    row = ROWS[name]
    asked = set(row.scope.split())
    for protocol in scopes.OTHER_PROTOCOLS:
        own = set(getattr(row, f"{protocol}_scope").split())
        assert own <= asked or not own & asked, f"{name} asks for a part of what opens {protocol}"
        assert not own & scopes.IDENTITY_SCOPES
    assert not [scope for scope in asked if "imap" in scope.lower() or "smtp" in scope.lower()] or name == "mailru"
    assert not [scope for scope in asked if any(word in scope for word in ("calendar", "contacts", "carddav"))]
    # One that opens mail; the rest says who signed in, or is there for the refresh token.
    others = scopes.IDENTITY_SCOPES | ({"identity"} if name == "seznam" else set())
    assert len(asked - others) == 1 or asked == {"identity", "email"}


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"seznam"}))
def test_a_row_says_what_opens_the_others(name: str) -> None:
    row = ROWS[name]
    wide = scopes.with_protocols(row, scopes.OTHER_PROTOCOLS)
    for protocol in scopes.PROTOCOLS:
        assert scopes.opens(row, protocol, wide.scope)
    assert scopes.opened(row, wide.scope) == list(scopes.PROTOCOLS)
    # Scopes of two resources would need two access tokens (Microsoft: AADSTS28000); ours have one.
    resources = {scope.rpartition("/")[0] for scope in wide.scope.split() if scope not in scopes.IDENTITY_SCOPES}
    assert len(resources) == 1


def test_microsoft_asks_by_protocol_and_answers_with_another_host() -> None:
    row = ROWS["microsoft"]
    office = "https://outlook.office.com"
    assert scopes.with_protocols(row, ["imap"]).scope.split() == [
        f"{office}/POP.AccessAsUser.All",
        "offline_access",
        "openid",
        "profile",
        "email",
        f"{office}/IMAP.AccessAsUser.All",
    ]
    granted = "https://outlook.office365.com/POP.AccessAsUser.All https://outlook.office365.com/imap.accessasuser.all"
    assert scopes.opened(row, granted) == ["pop3", "imap"]
    assert not scopes.opens(row, "smtp", granted)
    app = replace(row, grant="client_credentials")
    assert scopes.opens(app, "smtp", "https://outlook.office365.com/.default"), "its administrator's to say"


def test_a_scope_that_nobody_knows() -> None:
    row = Provider(name="x", token_endpoint="https://a.example.org/", scope="mail")
    with pytest.raises(ConfigError, match="which scope opens IMAP"):
        scopes.with_protocols(row, ["imap"])
    assert scopes.opened(row, "mail") == ["pop3"]


@pytest.mark.parametrize(
    ("named", "supported", "scope"),
    [
        ("", None, f"{MAIL_SCOPE} offline_access"),
        ("", [MAIL_SCOPE], MAIL_SCOPE),
        ("", ["mail", MAIL_SCOPE], MAIL_SCOPE),
        ("", ["calendar", "mail"], "mail"),
        ("", ["calendar"], ""),
        ("", ["calendar", "offline_access"], ""),  # regression: offline_access, a token that opens nothing
        ("", [MAIL_SCOPE, "offline_access"], f"{MAIL_SCOPE} offline_access"),
        ("mail", ["mail", 7], "mail"),
        ("a offline_access b", ["offline_access"], "a offline_access b"),
        ("", "nonsense", f"{MAIL_SCOPE} offline_access"),
    ],
)
def test_the_scope_for_mail(named: str, supported: object, scope: str) -> None:
    assert scopes.for_mail({} if supported is None else {"scopes_supported": supported}, named) == scope


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ("mail-r mail-w", []),
        ("mail-r,mail-w", []),
        ("mail-r, mail-w", []),
        ("mail-r,sdct-w mail-w", []),
        ("mail-r", ["mail-w"]),
        ("mail-r,", ["mail-w"]),
        ("", ["mail-r", "mail-w"]),
        (",", ["mail-r", "mail-w"]),
    ],
)
def test_scopes_that_are_separated_by_commas(granted: str, lacks: list[str]) -> None:
    assert scopes.missing("mail-r mail-w openid", granted) == lacks


def test_a_scope_may_hold_a_comma() -> None:
    assert scopes.missing("a,b", "a,b c") == []
    assert scopes.missing("a,b", "a b") == ["a,b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a b", "a b"),
        (["a", "b"], "a b"),
        (["a", 7, None], "a"),
        ([], ""),
        ("", ""),
        (None, None),
        (7, None),
        ({}, None),
    ],
)
def test_what_is_read_of_a_response(value: object, expected: str | None) -> None:
    assert scopes.read(value) == expected
