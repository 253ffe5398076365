"""The servers of tests/servers do what the other tests rely on."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import poplib
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from servers import authorization_server as clients
from servers.authorization_server import AuthorizationServer
from servers.browser import Browser
from servers.certificates import Certificates, Kind
from servers.dovecot import Dovecot

VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def authorization_url(server: AuthorizationServer, **more: str) -> str:
    query = {
        "client_id": "native-public",
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:5/callback",
        "scope": clients.SCOPE,
        "state": "the-state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{server.issuer}/auth?{urlencode(query | more)}"


def token(server: AuthorizationServer, **form: str) -> requests.Response:
    form = {"client_id": "native-public"} | form
    return requests.post(server.issuer + "/token", form, verify=str(server.ca_file), timeout=60)


def login(dovecot: Dovecot, certificates: Certificates) -> poplib.POP3_SSL:
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    return poplib.POP3_SSL(dovecot.host, dovecot.pop3s_port, context=context, timeout=60)


def xoauth2(connection: poplib.POP3, user: str, access_token: str) -> bytes:
    """The two steps: the prompt, then the initial response. Returns the line that comes next."""
    prompt = connection._shortcmd("AUTH XOAUTH2")  # type: ignore[attr-defined]
    assert prompt == b"+ "
    response = base64.b64encode(f"user={user}\1auth=Bearer {access_token}\1\1".encode()).decode()
    line: bytes = connection._shortcmd(response)  # type: ignore[attr-defined]
    return line


def test_authorization_code_with_pkce_and_refresh(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    url = server.sign_in(authorization_url(server), "ann@example.org", follow_redirect=False)
    redirect = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
    assert redirect["state"] == "the-state"
    assert redirect["iss"] == server.issuer
    code = {
        "grant_type": "authorization_code",
        "code": redirect["code"],
        "redirect_uri": "http://127.0.0.1:5/callback",
    }
    tokens = token(server, **code, code_verifier=VERIFIER).json()
    assert tokens["token_type"] == "Bearer"
    payload = tokens["id_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["email"] == "ann@example.org"

    rotated = token(server, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert rotated["refresh_token"] != tokens["refresh_token"]
    again = token(server, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.json()["error"] == "invalid_grant"
    assert [(line["grant_type"], line["status"]) for line in server.token_requests()] == [
        ("authorization_code", 200),
        ("refresh_token", 200),
        ("refresh_token", 400),
    ]
    assert all(line["client_id"] == "native-public" for line in server.token_requests())


def test_wrong_verifier_denial_and_no_offline_access(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    url = server.sign_in(authorization_url(server), "ann", follow_redirect=False)
    code = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(url).query)["code"][0],
        "redirect_uri": "http://127.0.0.1:5/callback",
    }
    assert token(server, **code, code_verifier="b" * 43).json()["error"] == "invalid_grant"
    url = server.sign_in(authorization_url(server), "ann", consent=False, follow_redirect=False)
    assert parse_qs(urlsplit(url).query)["error"] == ["access_denied"]
    assert "refresh_token" in server.issue_tokens("ann")
    assert "refresh_token" not in server.issue_tokens("ann", scope="openid mail")


@pytest.mark.parametrize("client", [clients.NATIVE_CONFIDENTIAL, clients.NATIVE_BASIC, clients.NATIVE_SHORT])
def test_other_clients(authorization_server: AuthorizationServer, client: clients.Client) -> None:
    tokens = authorization_server.issue_tokens("ann", client=client)
    short = client == clients.NATIVE_SHORT
    assert tokens["expires_in"] == (clients.SHORT_LIFETIME if short else 3600)


@pytest.mark.parametrize("consent", [True, False])
def test_device_grant(authorization_server: AuthorizationServer, consent: bool) -> None:
    server = authorization_server
    form = {"client_id": "native-public", "scope": clients.SCOPE}
    ca_file = str(server.ca_file)
    device = requests.post(server.issuer + "/device/auth", form, verify=ca_file, timeout=60).json()
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": device["device_code"],
    }
    assert token(server, **poll).json()["error"] == "authorization_pending"
    server.approve_device(device["verification_uri_complete"], "ann", consent=consent)
    tokens = token(server, **poll).json()
    assert ("refresh_token" in tokens) == consent
    assert tokens.get("error") == (None if consent else "access_denied")


def test_client_credentials(
    authorization_server: AuthorizationServer, dovecot: Dovecot, certificates: Certificates
) -> None:
    form = {"client_id": "service-secret", "client_secret": clients.SERVICE_SECRET.client_secret}
    tokens = token(authorization_server, **form, grant_type="client_credentials", scope="mail").json()
    line = xoauth2(login(dovecot, certificates), clients.SERVICE_USERNAME, tokens["access_token"])
    assert line.startswith(b"+OK")


def test_faults_of_the_token_endpoint(authorization_server: AuthorizationServer) -> None:
    server = authorization_server
    tokens = server.issue_tokens("ann")
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    server.reset()
    server.fault("429:12", times=1)
    busy = token(server, **refresh)
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "12")
    server.fault("503")
    assert token(server, **refresh).status_code == 503
    server.fault("drop")
    with pytest.raises(requests.ConnectionError):
        token(server, **refresh)
    server.fault("slow:0.3")
    begin = time.monotonic()
    rotated = token(server, **refresh).json()["refresh_token"]
    assert time.monotonic() - begin > 0.3
    server.fault("lost")
    with pytest.raises(requests.ConnectionError):
        token(server, **refresh | {"refresh_token": rotated})
    server.fault(None)
    assert token(server, **refresh | {"refresh_token": rotated}).json()["error"] == "invalid_grant"
    lines = server.token_requests()
    assert [line["status"] for line in lines] == [429, 503, 0, 200, 0, 400]
    assert {line["grant_type"] for line in lines} == {"refresh_token"}


def test_xoauth2_good_bad_and_revoked(
    authorization_server: AuthorizationServer, dovecot: Dovecot, certificates: Certificates
) -> None:
    dovecot.clear("bob@example.org")
    messages = dovecot.add_messages("bob@example.org", 3)
    tokens = authorization_server.issue_tokens("bob@example.org")
    connection = login(dovecot, certificates)
    assert xoauth2(connection, "bob@example.org", tokens["access_token"]) == b"+OK Logged in."
    assert b"\n".join(connection.retr(2)[1]) + b"\n" == messages[1]
    connection.dele(2)
    connection.quit()
    assert dovecot.count("bob@example.org") == 2

    wrong_scope = authorization_server.issue_tokens("bob@example.org", scope="openid")["access_token"]
    authorization_server.revoke(tokens["refresh_token"])
    connection = login(dovecot, certificates)
    for bad in ("garbage", wrong_scope, tokens["access_token"]):
        challenge = xoauth2(connection, "bob@example.org", bad)
        assert json.loads(base64.b64decode(challenge[2:]))["status"] == "401"
        with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\] Authentication failed."):
            connection._shortcmd("")  # type: ignore[attr-defined]
    connection.user("bob@example.org")
    connection.pass_(dovecot.password)
    assert connection.stat()[0] == 2
    connection.quit()
    dovecot.clear("bob@example.org")
    assert dovecot.count("bob@example.org") == 0


def test_frozen_authorization_server(
    authorization_server: AuthorizationServer, dovecot_factory: Callable[..., Dovecot], certificates: Certificates
) -> None:
    server = dovecot_factory(introspection_seconds=2)
    access_token = authorization_server.issue_tokens("ann")["access_token"]
    authorization_server.freeze()
    connection = login(server, certificates)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
        xoauth2(connection, "ann", access_token)
    authorization_server.thaw()
    assert xoauth2(connection, "ann", access_token) == b"+OK Logged in."


def test_options_of_dovecot(dovecot_factory: Callable[..., Dovecot], certificates: Certificates) -> None:
    server = dovecot_factory(mechanisms=("plain", "oauthbearer"), settings="pop3_logout_format = bye\n")
    assert login(server, certificates).capa()["SASL"] == ["PLAIN", "OAUTHBEARER"]
    connection = poplib.POP3("127.0.0.1", server.pop3_port, timeout=60)
    connection.stls(ssl.create_default_context(cafile=str(certificates.ca_file)))


@pytest.mark.parametrize(
    ("kind", "reason"), [("wrong-name", "mismatch"), ("expired", "expired"), ("self-signed", "issuer")]
)
def test_bad_certificates(
    dovecot_factory: Callable[..., Dovecot], certificates: Certificates, kind: Kind, reason: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        login(dovecot_factory(certificate=kind), certificates)


def test_browser(authorization_server: AuthorizationServer, browser: Browser) -> None:
    requested: list[str] = []

    class Loopback(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"You may close this page.")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Loopback) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        url = authorization_url(authorization_server, redirect_uri=f"http://localhost:{listener.server_port}/callback")
        page = browser.sign_in(url, "ann@example.org")
        denied = browser.sign_in(url, "ann@example.org", consent=False)
        listener.shutdown()
    assert page.text == "You may close this page."
    assert page.url.startswith(f"http://localhost:{listener.server_port}/callback?code=")
    assert requested[0] == page.url.removeprefix(f"http://localhost:{listener.server_port}")
    assert "error=access_denied" in denied.url
    assert page.screenshot.read_bytes().startswith(b"\x89PNG")


def test_from_cold_to_ready(tmp_path: Path) -> None:
    begin = time.monotonic()
    certificates = Certificates(tmp_path / "certificates")
    with AuthorizationServer(certificates, tmp_path) as server, Dovecot(certificates, server):
        print(f"{time.monotonic() - begin:.2f} s")


def test_home_is_empty(home: Path) -> None:
    assert Path.home() == home
    assert not [path for path in home.rglob("*") if path.is_file()]
