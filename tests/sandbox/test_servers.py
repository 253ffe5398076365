"""The sandbox's servers, tried with other people's software: requests, oauthlib's client, poplib, getmail6."""

from __future__ import annotations

import base64
import json
import poplib
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from oauthlib.oauth2 import WebApplicationClient

from oauth2_pop3.errors import NetworkError, OAuthError, UsageError
from oauth2_pop3.sandbox import Sandbox
from oauth2_pop3.sandbox.foundation.acts import get_act
from oauth2_pop3.sandbox.pop3_server.connection import Faults
from support.sandbox import throttle

REDIRECT_URI = "http://127.0.0.1:9/callback"  # nobody listens: the tests read the redirect themselves
Start = Callable[..., Sandbox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start("google", stls=True): a sandbox that runs until the test's end."""
    running: list[Sandbox] = []

    def start(act: str = "plain", **options: Any) -> Sandbox:
        sandbox = Sandbox(tmp_path / f"sandbox{len(running)}", act, **options)
        running.append(sandbox.__enter__())
        return sandbox

    yield start
    for sandbox in running:
        sandbox.__exit__(None, None, None)


class Client:
    """The OAuth half of a mail program, made of requests and oauthlib's WebApplicationClient."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.oauth = WebApplicationClient(sandbox.client_id)
        self.verifier = self.oauth.create_code_verifier(64)
        self.http = requests.Session()
        self.http.verify = str(sandbox.ca_certs)
        self.http.trust_env = False
        self.endpoints = sandbox.authorization_server.metadata()

    def authorization_url(self, **parameters: Any) -> str:
        asked = {
            "redirect_uri": REDIRECT_URI,
            "scope": self.sandbox.act.scope,
            "state": "a state",
            "code_challenge": self.oauth.create_code_challenge(self.verifier, "S256"),
            "code_challenge_method": "S256",
            **self.sandbox.provider_row().get("authorization_parameters", {}),
            **parameters,
        }
        asked = {name: value for name, value in asked.items() if value is not None}
        return self.oauth.prepare_request_uri(self.endpoints["authorization_endpoint"], **asked)

    def sign_in(self, *, account: str | None = None, allow: bool = True, **parameters: Any) -> dict[str, str]:
        """The authorization response's parameters."""
        url = self.authorization_url(**parameters)
        location = self.sandbox.sign_in(url, account=account, allow=allow, redirect=False)
        assert location.startswith(REDIRECT_URI + "?")
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    def post(self, endpoint: str = "token_endpoint", **form: Any) -> requests.Response:
        body = {"client_id": self.sandbox.client_id, "client_secret": self.sandbox.client_secret, **form}
        body = {name: value for name, value in body.items() if value is not None}
        return self.http.post(self.endpoints[endpoint], data=body, timeout=60)

    def exchange(self, code: str, **changes: Any) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        return self.post(**{**form, "code_verifier": self.verifier, **changes})

    def refresh(self, refresh_token: str, **changes: Any) -> requests.Response:
        return self.post(grant_type="refresh_token", refresh_token=refresh_token, **changes)

    def tokens(self, **parameters: Any) -> dict[str, Any]:
        """Sign in and exchange the code; oauthlib parses the response."""
        response = self.exchange(self.sign_in(**parameters)["code"])
        assert response.status_code == 200, response.text
        self.oauth.parse_request_body_response(response.text, scope=None)
        return response.json()


def pop3(sandbox: Sandbox) -> poplib.POP3_SSL:
    context = ssl.create_default_context(cafile=str(sandbox.ca_certs))
    return poplib.POP3_SSL(sandbox.pop3_host, sandbox.pop3_port, timeout=60, context=context)


def response(mechanism: str, user: str, token: str) -> str:
    if mechanism == "XOAUTH2":
        text = f"user={user}\x01auth=Bearer {token}\x01\x01"
    else:
        text = f"n,a={user},\x01host=127.0.0.1\x01port=995\x01auth=Bearer {token}\x01\x01"
    return base64.b64encode(text.encode()).decode()


def authenticate(connection: poplib.POP3, token: str, user: str = Sandbox.user, mechanism: str = "XOAUTH2") -> bytes:
    assert connection._shortcmd(f"AUTH {mechanism}") == b"+ "
    return connection._shortcmd(response(mechanism, user, token))


def signed_in(sandbox: Sandbox, **parameters: Any) -> poplib.POP3_SSL:
    connection = pop3(sandbox)
    assert authenticate(connection, Client(sandbox).tokens(**parameters)["access_token"]).startswith(b"+OK")
    return connection


# --- the authorization server


def test_metadata_names_what_there_is(start: Start) -> None:
    sandbox = start()
    client = Client(sandbox)
    url = f"{sandbox.issuer}/.well-known/oauth-authorization-server"
    document = client.http.get(url, timeout=60)
    metadata = document.json()
    assert document.headers["Content-Type"] == "application/json"
    assert metadata["issuer"] == sandbox.issuer
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert {"authorization_endpoint", "token_endpoint", "revocation_endpoint"} <= metadata.keys()


def test_the_whole_code_grant_and_both_mechanisms(start: Start) -> None:
    sandbox = start()
    client = Client(sandbox)
    redirect = client.sign_in()
    assert redirect["state"] == "a state"
    assert redirect["iss"] == sandbox.issuer
    got = client.exchange(redirect["code"])
    assert got.headers["Cache-Control"] == "no-store"
    tokens = got.json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert tokens["scope"] == sandbox.act.scope
    for mechanism in ("XOAUTH2", "OAUTHBEARER"):
        connection = pop3(sandbox)
        assert authenticate(connection, tokens["access_token"], mechanism=mechanism) == b"+OK Signed in."
        connection.quit()
    assert sandbox.authorization_server.token_requests == [("authorization_code", sandbox.client_id, 200)]


def test_the_page_shows_the_hint_and_escapes_it(start: Start) -> None:
    client = Client(start())
    page = client.http.get(client.authorization_url(login_hint='"><script>x@y'), timeout=60)
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert 'value="&quot;&gt;&lt;script&gt;x@y"' in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert re.search(r'<button name="decision" value="deny"', page.text)


def test_the_redirect_reaches_the_loopback_listener(start: Start) -> None:
    sandbox = start()
    seen: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(400)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as listener:
        thread = threading.Thread(target=listener.handle_request)
        thread.start()
        redirect_uri = f"http://127.0.0.1:{listener.server_port}/any/path"
        location = sandbox.sign_in(Client(sandbox).authorization_url(redirect_uri=redirect_uri))
        thread.join(10)
    assert location.endswith(seen[0])
    with pytest.raises(NetworkError):
        sandbox.sign_in(Client(sandbox).authorization_url(redirect_uri=redirect_uri))


def test_denial_and_unknown_scope_come_back_by_the_redirect(start: Start) -> None:
    client = Client(start())
    denied = client.sign_in(allow=False)
    assert denied["error"] == "access_denied"
    assert denied["state"] == "a state"
    assert denied["iss"] == client.sandbox.issuer
    assert client.sign_in(scope="everything")["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "parameters",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
)
def test_pkce_by_s256_is_required(start: Start, parameters: dict[str, Any]) -> None:
    assert Client(start()).sign_in(**parameters)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://attacker.test/",
        "http://127.0.0.1.attacker.test/",
        "http://127.0.0.1@attacker.test/",
        "app:/x",
    ],
)
def test_no_redirect_but_to_loopback(start: Start, redirect_uri: str) -> None:
    sandbox = start()
    with pytest.raises(OAuthError, match="400"):
        sandbox.sign_in(Client(sandbox).authorization_url(redirect_uri=redirect_uri), redirect=False)


def test_code_and_redirect_uri_and_verifier_belong_together(start: Start) -> None:
    client = Client(start())
    assert client.exchange(client.sign_in()["code"], code_verifier="x" * 64).json()["error"] == "invalid_grant"
    changed = client.exchange(client.sign_in()["code"], redirect_uri="http://127.0.0.1:9/other")
    assert changed.json()["error"] == "invalid_request"
    assert client.exchange(client.sign_in()["code"], client_id="somebody").json()["error"] == "invalid_client"


def test_a_code_works_once_and_its_second_use_revokes(start: Start) -> None:
    client = Client(start())
    code = client.sign_in()["code"]
    tokens = client.exchange(code).json()
    assert client.exchange(code).json()["error"] == "invalid_grant"
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_rotation_and_what_reuse_does(start: Start) -> None:
    sandbox = start()
    client = Client(sandbox)
    first = client.tokens()
    second = client.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert sandbox.authorization_server.account_of(second["access_token"]) == sandbox.user
    reused = client.refresh(first["refresh_token"])
    assert reused.status_code == 400
    assert "replaced" in reused.json()["error_description"]
    assert client.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    assert sandbox.authorization_server.account_of(second["access_token"]) is None


def test_of_many_uses_of_one_refresh_token_one_works(start: Start) -> None:
    client = Client(start())
    token = client.tokens()["refresh_token"]
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: client.refresh(token).status_code, range(20)))
    assert sorted(statuses) == [200] + [400] * 19


def test_revocation(start: Start) -> None:
    sandbox = start()
    client = Client(sandbox)
    tokens = client.tokens()
    assert client.post("revocation_endpoint", token=tokens["refresh_token"]).status_code == 200
    assert client.post("revocation_endpoint", token="unknown").status_code == 200
    assert sandbox.authorization_server.account_of(tokens["access_token"]) is None
    assert client.refresh(tokens["refresh_token"]).json()["error_description"] == "The refresh token was revoked."


def test_switches_for_lifetimes_scope_and_people(start: Start) -> None:
    sandbox = start()
    server, client = sandbox.authorization_server, Client(sandbox)
    server.issued.access_token_lifetime = 7
    tokens = client.tokens()
    assert tokens["expires_in"] == 7
    server.issued.expire(sandbox.user, access_tokens=True)
    assert server.account_of(tokens["access_token"]) is None
    tokens = client.refresh(tokens["refresh_token"]).json()
    assert server.account_of(tokens["access_token"]) == sandbox.user
    server.issued.revoke(sandbox.user)
    assert server.account_of(tokens["access_token"]) is None
    server.issued.refresh_token_lifetime = 0.01
    tokens = client.tokens()
    time.sleep(0.02)
    assert "expired" in client.refresh(tokens["refresh_token"]).json()["error_description"]
    server.cut_scope("offline_access")
    tokens = client.tokens()
    assert tokens["scope"] == "offline_access"
    assert server.account_of(tokens["access_token"]) is None
    server.cut_scope(None)
    other = client.tokens(account="Somebody.Else@sandbox.test")
    assert server.account_of(other["access_token"]) == "somebody.else@sandbox.test"
    assert "refresh_token" not in client.tokens(scope=sandbox.act.maildrop_scope)


def test_faults_of_the_token_endpoint(start: Start) -> None:
    sandbox = start()
    server, client = sandbox.authorization_server, Client(sandbox)
    token = client.tokens()["refresh_token"]
    server.fail_token_endpoint(503, "<html>down</html>", headers={"Retry-After": "7"}, times=2)
    for _ in range(2):
        refused = client.refresh(token)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "7")
    server.fail_token_endpoint(400, {"error": "invalid_grant"})
    assert client.refresh(token).json() == {"error": "invalid_grant"}
    server.fail_token_endpoint(0)
    with pytest.raises(requests.ConnectionError):
        client.refresh(token)
    throttle(sandbox, retry_after=3)
    assert client.refresh(token).headers["Retry-After"] == "3"
    server.fail_token_endpoint(500, times=5)
    server.faults.clear()
    assert client.refresh(token).status_code == 200
    assert [seen.status for seen in server.token_requests] == [200, 503, 503, 400, 0, 429, 200]
    assert {seen.grant_type for seen in server.token_requests} == {"authorization_code", "refresh_token"}


def test_bounds_and_strangers(start: Start) -> None:
    sandbox = start()
    client = Client(sandbox)
    assert client.http.post(client.endpoints["token_endpoint"], data="x" * 70000, timeout=60).status_code == 413
    context = ssl.create_default_context(cafile=str(sandbox.ca_certs))
    unmeasured = HTTPSConnection(urlsplit(sandbox.issuer).netloc, context=context, timeout=60)
    unmeasured.putrequest("POST", "/token")
    unmeasured.endheaders()
    assert unmeasured.getresponse().status == 411
    unmeasured.close()
    assert client.http.get(f"{sandbox.issuer}/token", timeout=60).status_code == 404
    assert client.post(grant_type="password", username="x", password="y").json()["error"] == "unsupported_grant_type"
    form = {"account": sandbox.user, "decision": "allow"}
    cross = client.http.post(
        client.authorization_url(), data=form, headers={"Origin": "https://attacker.test"}, timeout=60
    )
    assert cross.status_code == 400
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(sandbox.issuer, timeout=60)


# --- the POP3 server


def test_a_session_by_poplib(start: Start) -> None:
    sandbox = start()
    delivered = sandbox.deliver(7)
    connection = signed_in(sandbox)
    assert connection.stat() == (7, sum(len(message) for message in delivered))
    assert [int(line.split()[1]) for line in connection.list()[1]] == [len(message) for message in delivered]
    unique_ids = [line.split()[1] for line in connection.uidl()[1]]
    assert len(set(unique_ids)) == 7
    assert connection.uidl(3).split()[2] == unique_ids[2]
    for number, message in enumerate(delivered, 1):
        assert b"\r\n".join(connection.retr(number)[1]) + b"\r\n" == message
    assert connection.top(1, 0)[1][-1] == b""
    assert connection.top(1, 1)[1][-1] == b"Hello,"
    connection.dele(2)
    connection.dele(5)
    with pytest.raises(poplib.error_proto, match="No such message"):
        connection.retr(2)
    assert connection.stat()[0] == 5
    connection.rset()
    assert connection.stat()[0] == 7
    connection.noop()
    connection.dele(1)
    connection.quit()
    assert [line.split()[1] for line in signed_in(sandbox).uidl()[1]] == unique_ids[1:]
    assert sandbox.pop3_server.commands[:3] == ["AUTH XOAUTH2", "STAT", "LIST"]


def test_the_demo_messages_are_what_they_say(start: Start) -> None:
    sandbox = start()
    messages = [message_from_bytes(raw, policy=policy.default) for raw in sandbox.deliver(10)]
    assert len({message["Message-ID"] for message in messages}) == 10
    assert {message["Delivered-To"] for message in messages} == {sandbox.user}
    assert not any(message.defects for message in messages)
    assert "日本語" in messages[1].get_content()
    assert messages[1]["Content-Transfer-Encoding"] == "8bit"
    assert messages[2].get_content_type() == "multipart/alternative"
    assert [part.get_filename() for part in messages[3].iter_attachments()] == ["messages.csv"]
    assert ".hidden" in messages[4].get_content().splitlines()
    assert sandbox.pop3_server.messages("nobody@sandbox.test") == []


def test_deletions_die_with_the_connection(start: Start) -> None:
    sandbox = start()
    sandbox.deliver(2)
    connection = signed_in(sandbox)
    connection.dele(1)
    connection.close()
    assert len(sandbox.pop3_server.messages(sandbox.user)) == 2


def test_capabilities(start: Start) -> None:
    capabilities = pop3(start()).capa()
    assert capabilities["SASL"] == ["XOAUTH2", "OAUTHBEARER"]
    assert {"UIDL", "TOP", "RESP-CODES", "AUTH-RESP-CODE"} <= capabilities.keys()


@pytest.mark.parametrize(
    ("mechanism", "dummy", "status"), [("XOAUTH2", "", "401"), ("OAUTHBEARER", "AQ==", "invalid_token")]
)
def test_a_refusal_takes_three_steps(start: Start, mechanism: str, dummy: str, status: str) -> None:
    sandbox = start()
    connection = pop3(sandbox)
    challenge = authenticate(connection, "garbage", mechanism=mechanism)
    assert json.loads(base64.b64decode(challenge[2:]))["status"] == status
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
        connection._shortcmd(dummy)
    assert sandbox.pop3_server.commands == [f"AUTH {mechanism}", f"response: {dummy or '(empty line)'}"]
    good = Client(sandbox).tokens()["access_token"]
    assert authenticate(connection, good).startswith(b"+OK")  # the connection may be used again


def test_what_is_not_a_sign_in(start: Start) -> None:
    sandbox = start()
    token = Client(sandbox).tokens()["access_token"]
    connection = pop3(sandbox)
    for command, refusal in (
        ("STAT", "Sign in first"),
        ("USER demo", "[AUTH]"),
        ("PASS hunter2", "[AUTH]"),
        ("AUTH PLAIN", "Unknown mechanism"),
        ("AUTH", "Unknown mechanism"),
        ("AUTH XOAUTH2 ????", "not base64"),
        ("AUTH OAUTHBEARER " + response("XOAUTH2", "x@y", "z"), "not an OAUTHBEARER"),
        ("STLS", "active already"),
        ("_SHORTCMD", "Unknown command"),
        ("NOOP " + "x" * 300, "Line too long"),
    ):
        with pytest.raises(poplib.error_proto, match=re.escape(refusal)):
            connection._shortcmd(command)
    connection._shortcmd("AUTH XOAUTH2")
    with pytest.raises(poplib.error_proto, match="Aborted"):
        connection._shortcmd("*")
    assert authenticate(connection, token, user="other@sandbox.test").startswith(b"+ ey")  # somebody else's maildrop
    with pytest.raises(poplib.error_proto):
        connection._shortcmd("")
    assert "hunter2" not in " ".join(sandbox.pop3_server.commands)
    assert token not in " ".join(sandbox.pop3_server.commands)


def test_initial_response_on_one_line_if_it_fits(start: Start) -> None:
    sandbox = start()
    client = Client(sandbox)
    line = "AUTH XOAUTH2 " + response("XOAUTH2", sandbox.user, client.tokens()["access_token"])
    assert pop3(sandbox)._shortcmd(line) == b"+OK Signed in."
    with pytest.raises(poplib.error_proto, match="too long"):
        pop3(sandbox)._shortcmd("AUTH XOAUTH2 " + response("XOAUTH2", sandbox.user, "x" * 300))


def test_oauthbearer_may_leave_the_user_to_the_token(start: Start) -> None:
    sandbox = start()
    text = f"n,,\x01auth=Bearer {Client(sandbox).tokens()['access_token']}\x01\x01"
    line = "AUTH OAUTHBEARER " + base64.b64encode(text.encode()).decode()
    assert pop3(sandbox)._shortcmd(line).startswith(b"+OK")


def test_a_shared_maildrop_opens_for_its_members(start: Start) -> None:
    sandbox = start()
    sandbox.deliver(1, to="team@sandbox.test")
    sandbox.pop3_server.share("team@sandbox.test", sandbox.user)
    connection = pop3(sandbox)
    token = Client(sandbox).tokens()["access_token"]
    assert authenticate(connection, token, user="Team@sandbox.test").startswith(b"+OK")
    assert connection.stat()[0] == 1


def test_one_session_at_a_time(start: Start) -> None:
    sandbox = start()
    token = Client(sandbox).tokens()["access_token"]
    first, second = pop3(sandbox), pop3(sandbox)
    authenticate(first, token)
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        authenticate(second, token)
    first.quit()
    assert authenticate(second, token).startswith(b"+OK")


def test_stls(start: Start) -> None:
    sandbox = start(stls=True)
    sandbox.deliver(1)
    token = Client(sandbox).tokens()["access_token"]
    connection = poplib.POP3(sandbox.pop3_host, sandbox.pop3_stls_port or 0, timeout=60)
    assert "STLS" in connection.capa()
    assert "SASL" not in connection.capa()
    with pytest.raises(poplib.error_proto, match="Not without TLS"):
        connection._shortcmd("AUTH XOAUTH2")
    # Commands that were smuggled in after STLS in plain text must not be executed under TLS.
    connection._putline(b"STLS\r\nCAPA")
    assert connection._getresp().startswith(b"+OK")
    context = ssl.create_default_context(cafile=str(sandbox.ca_certs))
    connection.sock = context.wrap_socket(connection.sock, server_hostname=sandbox.pop3_host)
    connection.file = connection.sock.makefile("rb")
    assert authenticate(connection, token) == b"+OK Signed in."
    assert connection.stat()[0] == 1
    connection.quit()


def test_pop3_faults(start: Start) -> None:
    sandbox = start()
    server = sandbox.pop3_server
    sandbox.deliver(2)
    token = Client(sandbox).tokens()["access_token"]

    def connect() -> poplib.POP3_SSL:
        connection = pop3(sandbox)
        assert authenticate(connection, token).startswith(b"+")
        return connection

    server.faults.drop_in_retr = 2
    connection = connect()
    connection.retr(1)
    with pytest.raises((poplib.error_proto, OSError)):
        connection.retr(2)
    server.faults = Faults(uidl="missing")
    connection = connect()
    assert "UIDL" not in connection.capa()
    with pytest.raises(poplib.error_proto):
        connection.uidl()
    connection.quit()
    server.faults = Faults(uidl="duplicate")
    connection = connect()
    assert connection.uidl()[1] == [b"1 same", b"2 same"]
    connection.quit()
    server.faults = Faults(long_line=1 << 21)  # longer than poplib accepts, also with getmail's higher limit
    with pytest.raises(poplib.error_proto, match="line too long"):
        connect().retr(1)
    server.faults = Faults(stall_at="STAT", stall_seconds=0.2)
    while server.maildrops[sandbox.user].lock.locked():
        time.sleep(0.01)  # until the session that poplib broke off has let the maildrop go
    connection = connect()
    started = time.monotonic()
    connection.stat()
    assert time.monotonic() - started >= 0.2
    connection.quit()
    for text in ("[SYS/TEMP] Later.", "[LOGIN-DELAY] Too soon.", "[IN-USE] Busy."):
        server.faults = Faults(sign_in_response=text)
        with pytest.raises(poplib.error_proto, match=re.escape(text)):
            connect()
    server.faults = Faults(refuse_tokens_from=server.sessions + 2)
    connect().quit()
    assert authenticate(pop3(sandbox), token).startswith(b"+ ey")
    server.faults = Faults()
    server.maildrops[sandbox.user].switched_off = True
    with pytest.raises(poplib.error_proto, match=r"\[SYS/PERM\]"):
        connect()
    server.faults = Faults(close_on_connect=True)
    with pytest.raises((poplib.error_proto, OSError)):
        pop3(sandbox)


def test_closing_ends_open_sessions(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "sandbox", stls=True) as sandbox:
        sandbox.pop3_server.faults.stall_at = "CAPA"
        connection = pop3(sandbox)
        connection._putcmd("CAPA")
    started = time.monotonic()
    with pytest.raises((poplib.error_proto, OSError)):
        connection._getresp()
    assert time.monotonic() - started < 30
    with pytest.raises(OSError, match="refused"):
        pop3(sandbox)


def stock_getmail6(sandbox: Sandbox, directory: Path, token: str) -> Any:
    """A retriever of getmail6's own, which uses what OpenSSL has deprecated."""
    from getmailcore.retrievers import SimplePOP3SSLRetriever

    return SimplePOP3SSLRetriever(
        getmaildir=str(directory),
        server=sandbox.pop3_host,
        port=sandbox.pop3_port,
        username=sandbox.user,
        password=token,
        use_xoauth2=True,
        ca_certs=str(sandbox.ca_certs),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_stock_getmail6(start: Start, tmp_path: Path) -> None:
    sandbox = start()
    delivered = sandbox.deliver(6)
    retriever = stock_getmail6(sandbox, tmp_path, Client(sandbox).tokens()["access_token"])
    retriever.initialize({})
    ids = list(retriever)
    subjects = [retriever.getmsg(message_id).content()["Subject"] for message_id in ids]
    retriever.delmsg(ids[0])
    retriever.quit()
    assert subjects[0] == "[1] Welcome to the sandbox"
    assert len(subjects) == len(delivered)
    assert sandbox.pop3_server.messages(sandbox.user) == delivered[1:]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_stock_getmail6_takes_a_refusal_for_success(start: Start, tmp_path: Path) -> None:
    """A fault of getmail6's own types, seen from the server: the next command is taken for the response to AUTH."""
    from getmailcore.exceptions import getmailOperationError

    sandbox = start()
    retriever = stock_getmail6(sandbox, tmp_path, "expired")
    with pytest.raises(getmailOperationError, match="BrokenUIDL"):
        retriever.initialize({})
    assert sandbox.pop3_server.commands[:2] == ["AUTH XOAUTH2", "response: (something else)"]


# --- the acts


def test_acts_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plain, google, microsoft"):
        get_act("yahoo")


@pytest.mark.parametrize("name", ["plain", "google", "microsoft"])
def test_every_act_plays_to_the_end(start: Start, name: str) -> None:
    sandbox = start(name)
    sandbox.deliver(5)
    client = Client(sandbox)
    tokens = client.tokens()
    refreshed = client.refresh(tokens["refresh_token"]).json()
    connection = pop3(sandbox)
    assert authenticate(connection, refreshed["access_token"]).startswith(b"+OK")
    assert len(connection.uidl()[1]) == 5
    connection.quit()
    row = sandbox.provider_row()
    assert ("issuer" in row) != ("token_endpoint" in row)
    assert Path(row["ca_certs"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert row["mechanisms"][0] == "xoauth2"
    assert sandbox.directory.stat().st_mode & 0o777 == 0o700


def test_google_tokens(start: Start) -> None:
    sandbox = start("google")
    server, client = sandbox.authorization_server, Client(sandbox)
    assert "refresh_token" not in client.tokens(access_type=None)
    assert "refresh_token" not in client.tokens(prompt=None)
    tokens = client.tokens(prompt="select_account consent")
    refreshed = client.refresh(tokens["refresh_token"]).json()
    assert "refresh_token" not in refreshed  # no rotation
    assert client.refresh(tokens["refresh_token"]).status_code == 200
    missing = client.refresh(tokens["refresh_token"], client_secret=None)
    assert (missing.status_code, missing.json()["error_description"]) == (400, "client_secret is missing.")
    wrong = client.refresh(tokens["refresh_token"], client_secret="wrong")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    basic = (sandbox.client_id, sandbox.client_secret or "")
    assert client.http.post(client.endpoints["token_endpoint"], form, auth=basic, timeout=60).status_code == 200
    server.issued.expire(sandbox.user, refresh_tokens=True)  # "testing" mode, seven days later
    dead = client.refresh(tokens["refresh_token"]).json()
    assert dead == {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    assert client.refresh("1//never").json() == {"error": "invalid_grant", "error_description": "Bad Request"}
    tokens = client.tokens()
    revoked = client.http.post(client.endpoints["revocation_endpoint"], {"token": tokens["access_token"]}, timeout=60)
    assert revoked.status_code == 200
    assert client.refresh(tokens["refresh_token"]).json() == dead


def test_google_pop3(start: Start) -> None:
    sandbox = start("google")
    sandbox.deliver(2)
    client = Client(sandbox)
    connection = pop3(sandbox)
    assert connection.capa()["EXPIRE"] == ["0"]
    challenge = authenticate(connection, "ya29.garbage")
    assert json.loads(base64.b64decode(challenge[2:])) == {
        "status": "400",
        "schemes": "Bearer",
        "scope": "https://mail.google.com/",
    }
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        connection._shortcmd("")
    token = client.tokens()["access_token"]
    assert len(token) == 220
    line = "AUTH XOAUTH2 " + response("XOAUTH2", sandbox.user, token)
    assert connection._shortcmd(line).startswith(b"+OK")  # one line, longer than RFC 2449 allows
    connection.retr(1)
    connection.quit()
    assert len(sandbox.pop3_server.messages(sandbox.user)) == 1  # EXPIRE 0: retrieved is gone, with no DELE


def test_microsoft_tokens(start: Start) -> None:
    sandbox = start("microsoft")
    server, client = sandbox.authorization_server, Client(sandbox)
    redirect = client.sign_in()
    assert "iss" not in redirect
    tokens = client.exchange(redirect["code"]).json()
    assert tokens["scope"] == "https://outlook.office.com/POP.AccessAsUser.All"
    assert "refresh_token" not in client.tokens(scope=sandbox.act.maildrop_scope)
    second = client.refresh(tokens["refresh_token"]).json()
    assert second["refresh_token"] != tokens["refresh_token"]
    assert client.refresh(tokens["refresh_token"]).status_code == 200  # the old one still works
    secret = client.refresh(second["refresh_token"], client_secret="x").json()
    assert (secret["error"], secret["error_codes"]) == ("invalid_request", [90023])
    throttle(sandbox)
    throttled = client.refresh(second["refresh_token"])
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "60")
    assert throttled.text == "Too Many Requests"
    server.issued.expire(sandbox.user, refresh_tokens=True)
    expired = client.refresh(second["refresh_token"]).json()
    assert expired["error"] == "invalid_grant"
    assert expired["error_description"].startswith("AADSTS700082: ")
    assert expired["error_codes"] == [700082]
    assert {"timestamp", "trace_id", "correlation_id"} <= expired.keys()
    server.issued.revoke(sandbox.user)
    assert client.refresh(second["refresh_token"]).json()["error_codes"] == [50173]
    assert "revocation_endpoint" not in {**sandbox.provider_row(), **server.metadata()}
    assert client.http.post(f"{sandbox.issuer}/revoke", {"token": "x"}, timeout=60).status_code == 404


def test_microsoft_pop3(start: Start) -> None:
    sandbox = start("microsoft")
    token = Client(sandbox).tokens()["access_token"]
    assert pop3(sandbox).capa()["SASL"] == ["XOAUTH2"]
    for line in ("AUTH XOAUTH2 " + response("XOAUTH2", sandbox.user, token), "AUTH XOAUTH2 eA=="):
        connection = pop3(sandbox)
        with pytest.raises(poplib.error_proto, match=r"Protocol error\. Connection is closed\. 10"):
            connection._shortcmd(line)
        with pytest.raises((poplib.error_proto, OSError)):
            connection.capa()
    with pytest.raises(poplib.error_proto, match="unknown user name or bad password"):
        authenticate(pop3(sandbox), "garbage")
    with pytest.raises(poplib.error_proto, match="Protocol error"):
        authenticate(pop3(sandbox), "x" * 4097)
    assert authenticate(pop3(sandbox), token).startswith(b"+OK")


def test_query_that_cannot_be_read(start: Start) -> None:
    sandbox = start()
    page = Client(sandbox).http.get(f"{sandbox.issuer}/authorize?{urlencode({'x': '1'})}&%zz=;", timeout=60)
    assert page.status_code == 400
