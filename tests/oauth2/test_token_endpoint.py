"""What is made of a token endpoint's response: tokens are kept, words are shown, and what passes is temporary."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oauth2_pop3.errors import AuthorizationRequired, ConfigError, NetworkError, OAuth2Pop3Error, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.net.json_object import whole_strings
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants import password
from oauth2_pop3.oauth2.grants.refresh_token import refresh
from oauth2_pop3.oauth2.token import Token, UnusableResponse
from oauth2_pop3.providers.provider import Provider
from servers.stub import Request, StubResponse, stub

ANN = "ann@example.org"
OLD = Token("old-access", 1, "old-refresh-token", "mail", "a typed secret", 1, 2, 3)
GOOD = {"access_token": "new-access", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "new-refresh-token"}
TEMPORARY, REFUSED, PERSON = NetworkError, OAuthError, AuthorizationRequired


class Site:
    """A token endpoint that gives one response to everything. requests: what came."""

    def __init__(self, url: str) -> None:
        self.response: StubResponse | None = None
        self.requests: list[Request] = []
        self.client = Client(
            Provider(
                name="example",
                authorization_endpoint=f"{url}/authorize",
                token_endpoint=f"{url}/token",
                client_id="c",
                grants=("password",),
                allow_insecure_loopback=True,
            ),
            account=ANN,
        )

    def respond(self, request: Request) -> StubResponse | None:
        self.requests.append(request)
        return self.response

    def refresh(self, document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Token:
        self.response = StubResponse(status, document, headers or {})
        return refresh(self.client, OLD)

    def refusal(self, document: object, status: int = 400, headers: Mapping[str, str] | None = None) -> OAuth2Pop3Error:
        with pytest.raises(OAuth2Pop3Error) as caught:
            self.refresh(document, status, headers)
        error = caught.value
        assert str(error).isprintable()
        for secret in ("refresh-token", "old-access", "new-access", "typed secret"):
            assert secret not in f"{error} {error!r}"
        return error


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with stub(lambda request: there.respond(request)) as url:
        there = Site(url)
        yield there


# -- a response that holds tokens is a success, whatever else is odd


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 302, 400, 403, 429, 500, 503])
def test_the_status_does_not_matter(site: Site, status: int) -> None:
    token = site.refresh(GOOD, status)
    assert (token.access_token, token.refresh_token) == ("new-access", "new-refresh-token")
    assert token.valid_for() > 3500
    assert (token.scope, token.client_secret, token.signed_in_at) == ("mail", "a typed secret", 2)


@pytest.mark.parametrize(
    "odd",
    [
        *itertools.product(["error"], [None, "", "  ", False, 0, {}, []]),
        *itertools.product(["token_type"], [None, "", "bearer", "BEARER", " Bearer"]),
        *itertools.product(["expires_in"], [None, "soon", "3600", -1, 1e400, [], {}, True]),
        *itertools.product(["scope"], [None, 7, {}, "mail", "mail,more"]),
        ("id_token", 7),
        ("message", "welcome"),
        ("refresh_token_expires_in", "never"),
        ("error_description", "none"),
    ],
    ids=str,
)
def test_odd_members(site: Site, odd: tuple[str, object]) -> None:
    token = site.refresh({**GOOD, **dict([odd])})
    assert (token.access_token, token.refresh_token) == ("new-access", "new-refresh-token")


WHOLE = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + WHOLE,
        b"\r\n\r\n " + WHOLE,
        WHOLE + b"\n<!-- served in 3 ms -->",
        WHOLE.decode().encode("utf-16"),
        WHOLE[:-1] + b', "name": "Andr\xe9"}',
        WHOLE[:-1] + b', "note": "two\nlines"}',
        WHOLE[:-1] + b', "huge": ' + b"9" * 5000 + b"}",
        WHOLE[:-1] + b', "number": NaN, "other": -Infinity}',
        WHOLE[:-1] + b', "half": "\\ud800"}',
        pytest.param(WHOLE[:-1] + b', "deep": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="deep"),
        pytest.param(WHOLE[:-1] + b', "deep": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", id="deep objects"),
        b"[" + WHOLE + b"]",
        b'{"code": 0, "msg": "ok", "error": null, "data": ' + WHOLE + b"}",
        json.dumps(WHOLE.decode()).encode(),
        b")]}'\n" + WHOLE,
        b"jsonp(" + WHOLE + b");",
        b"<br />\n<b>Warning</b>: Undefined index <br />\n" + WHOLE,
        b"<!-- x -->" + WHOLE,
        b"\0\0" + WHOLE,
        WHOLE[:-1] + b', "refresh_token": null}',
        WHOLE[:-1] + b', "refresh_token": "", "access_token": null}',
        b"access_token=new-access&refresh_token=new-refresh-token&token_type=bearer&expires_in=3600",
        pytest.param(WHOLE[:-1], id="without its end"),
        pytest.param(WHOLE[:-1] + b', "id_token": "ey', id="cut in a later member"),
    ],
)
def test_odd_json(site: Site, body: bytes) -> None:
    token = site.refresh(body)
    assert (token.access_token, token.refresh_token) == ("new-access", "new-refresh-token")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(WHOLE, mtime=0), {"Content-Encoding": "gzip"}),
        (gzip.compress(WHOLE, mtime=0), {"Content-Encoding": "X-GZIP "}),
        (gzip.compress(WHOLE, mtime=0), {}),
        (zlib.compress(WHOLE), {"Content-Encoding": "deflate"}),
        (zlib.compress(WHOLE)[2:-4], {"Content-Encoding": "deflate"}),
        (gzip.compress(WHOLE, mtime=0)[:-6], {"Content-Encoding": "gzip"}),
        (WHOLE, {"Content-Encoding": "gzip"}),
        (WHOLE, {"Content-Encoding": "identity"}),
        (WHOLE, {"Content-Encoding": "UTF-8"}),
        (WHOLE, {"Content-Encoding": "br"}),
        (WHOLE, {"Content-Type": "text/html"}),
        (b"%x\r\n%s\r\n0\r\n\r\n" % (len(WHOLE), WHOLE), {"Transfer-Encoding": "chunked"}),
        pytest.param(
            b"".join(b"1\r\n%c\r\n" % octet for octet in WHOLE) + b"0\r\n\r\n",
            {"Transfer-Encoding": "chunked"},
            id="an octet a chunk",
        ),
        pytest.param(WHOLE, {"Transfer-Encoding": "chunked", "Connection": "close"}, id="announced as chunks"),
        *(
            pytest.param(
                b"7;x=y\r\n%s\r\n%X\r\n%s\r\n0\r\n\r\n" % (WHOLE[:7], len(WHOLE) - 7, WHOLE[7:]),
                headers,
                id=str(headers),
            )
            for headers in (
                {"Transfer-Encoding": " Chunked \t", "Connection": "close"},
                {"Bad header": "1", "Transfer-Encoding": "chunked", "Connection": "close"},
                {"No-colon\r\nX": "1", "Transfer-Encoding": "chunked", "Connection": "close"},
            )
        ),
        pytest.param(
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(gzip.compress(WHOLE)), gzip.compress(WHOLE)),
            {"Transfer-Encoding": "gzip, chunked", "Connection": "close"},
            id="a coding beside the chunks",
        ),
        pytest.param(b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE), {"Transfer-Encoding": "chunked"}, id="no last chunk"),
        pytest.param(WHOLE, {"Content-Length": str(len(WHOLE) + 100)}, id="shorter than it said"),
        pytest.param(WHOLE[:-1] + b', "id_token": "ey', {"Content-Length": "9999"}, id="broken off"),
        pytest.param(WHOLE + b" " * (https.SIZE_LIMIT + 1), {}, id="more than anybody needs"),
    ],
)
def test_odd_content(site: Site, body: bytes, headers: dict[str, str]) -> None:
    token = site.refresh(body, headers=headers)
    assert (token.access_token, token.refresh_token) == ("new-access", "new-refresh-token")
    assert site.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body><pre>" + WHOLE + b"</pre></body></html>",
        b"<!DOCTYPE html><script>var sent = " + WHOLE + b"</script>",
        b"<p>You sent access_token=new-access&amp;refresh_token=new-refresh-token</p>",
        b"you sent: refresh_token=another-refresh-token&access_token=new-access",
        b'{"message": "no", "request": {"refresh_token": "another-refresh-token"}}',
        b'{"message": "no", "refresh_token": "old%2Drefresh%2dtoken"}',
        b'you sent: {"refresh_token": "old-refresh-token"}',
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_quoted_is_no_new_token(site: Site, body: bytes) -> None:
    for status in (200, 400):
        assert type(site.refusal(body, status)) is OAuthError


# -- a response that cannot be used, and what is kept of it


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"token_type": "DPoP"}, "DPoP"),
        ({"token_type": "mac"}, "mac"),
        ({"token_type": 7}, "type"),
        ({"access_token": None}, "no usable access_token"),
        ({"access_token": ""}, "no usable access_token"),
        ({"access_token": 7}, "no usable access_token"),
        ({"access_token": ["new-access"]}, "no usable access_token"),
        ({"access_token": "new-access é"}, "characters"),
        ({"access_token": "new\naccess"}, "characters"),
        ({"access_token": "\ud800"}, "characters"),
        ({"error": "server_error"}, "server_error"),
        ({"error": "invalid_grant", "error_description": "odd"}, "odd"),
        ({"error": {"code": 500, "message": "half done"}}, "half done"),
        ({"error": True}, "error beside"),
        ({"access_token": None, "message": "come back"}, "come back"),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [200, 201, 400, 500])
def test_what_cannot_be_had_again_is_kept(site: Site, odd: dict[str, object], said: str, status: int) -> None:
    error = site.refusal({**GOOD, "scope": "another", **odd}, status)
    assert type(error) is UnusableResponse
    assert error.exit_code == 76
    assert said in error.message
    assert error.token is not None
    kept = error.token
    assert (kept.access_token, kept.expires_at, kept.refresh_token) == ("", 0, "new-refresh-token")
    assert (kept.scope, kept.client_secret, kept.signed_in_at) == ("mail", "a typed secret", 2)
    assert kept.obtained_at > 1_700_000_000
    assert kept.refresh_token_expires_at == 0, "the old one's end says nothing of the new one"
    assert Token.from_json(kept.to_json(), where="x") == kept


@pytest.mark.parametrize("refresh_token", ["old-refresh-token", None, "", "  ", 7, ["new"], "\ud800"])
def test_nothing_is_kept_if_there_is_nothing_new(site: Site, refresh_token: object) -> None:
    error = site.refusal({**GOOD, "token_type": "mac", "refresh_token": refresh_token})
    assert isinstance(error, UnusableResponse)
    assert error.token is None


def test_a_refresh_token_of_odd_characters_is_sent_as_it_came(site: Site) -> None:
    token = site.refresh({**GOOD, "refresh_token": "é / \u2028"})
    site.response = StubResponse(200, GOOD)
    refresh(site.client, token)
    assert site.requests[-1].form["refresh_token"] == "é / \u2028"


def test_wherever_it_is_cut() -> None:
    for cut in range(len(WHOLE)):
        members = whole_strings(WHOLE[:cut], ("access_token", "refresh_token"))
        assert members.get("refresh_token") == ("new-refresh-token" if b'new-refresh-token"' in WHOLE[:cut] else None)
        assert members.get("access_token") == ("new-access" if b'new-access"' in WHOLE[:cut] else None)


def test_a_refresh_token_alone_of_what_was_cut_off(site: Site) -> None:
    error = site.refusal(b'{"refresh_token": "new-refresh-token", "access_token": "new-acc', 200)
    assert isinstance(error, UnusableResponse)
    assert error.token is not None
    assert error.token.refresh_token == "new-refresh-token"


# -- the server's words


@pytest.mark.parametrize(
    ("document", "status", "words"),
    [
        (  # Yahoo
            {"error": {"localizedMessage": "not acceptable", "errorId": "INVALID_INPUT", "message": "not acceptable"}},
            400,
            "INVALID_INPUT: not acceptable",
        ),
        (
            {"error": {"code": 400, "message": "Malformed.", "status": "INVALID_ARGUMENT"}},
            400,
            "INVALID_ARGUMENT: Malf",
        ),
        ({"error": {"message": "Bad secret", "type": "OAuthException", "code": 1}}, 400, "OAuthException: Bad secret"),
        ({"error": [{"code": "x1", "message": "first"}, {"message": "second"}]}, 400, "x1: first"),
        ({"error": "odd_code", "message": "in plain words"}, 400, "odd_code: in plain words"),
        ({"error": "Bad Request", "status": 400, "message": "no client"}, 400, "Bad Request: no client"),
        ({"error": 7, "error_description": "number seven"}, 400, "number seven"),
        ({"message": "forbidden"}, 403, "forbidden"),
        ({"errorMessage": "m1"}, 400, "m1"),
        ({"error_message": "m2"}, 404, "m2"),
        ({"errorCode": "E0000021", "errorSummary": "Bad media type."}, 400, "E0000021: Bad media type."),
        ({"errors": [{"message": "m3"}]}, 400, "m3"),
        ({"errors": ["m4"]}, 400, "m4"),
        ({"errors": {"message": "m5"}}, 400, "m5"),
        ({"fault": {"faultstring": "m6", "detail": {"errorcode": "oauth.v2.x"}}}, 401, "m6"),
        ({"Error": {"Code": "AccessDenied", "Message": "m7"}}, 403, "AccessDenied: m7"),
        ({"type": "https://example.org/e", "title": "Out of credit", "detail": "Your balance is 30."}, 403, "balance"),
        ({"type": "about:blank", "title": "Out of credit", "status": 403}, 403, "Out of credit"),
        ({"error": "invalid_grant", "error_description": "gone"}, 200, "invalid_grant: gone"),
        ([{"error": "invalid_grant", "error_description": "m8"}], 400, "invalid_grant: m8"),
        ({"response": {"error": "invalid_grant", "error_description": "m9"}}, 400, "invalid_grant: m9"),
        ([{"message": "m10"}], 400, "m10"),
        (b"error=invalid_grant&error_description=some+more%20words", 400, "invalid_grant: some more words"),
        (b")]}'\n" + b'{"error": "invalid_grant", "error_description": "m11"}', 400, "invalid_grant: m11"),
        ({"result": "no"}, 404, "404"),
        (
            b"<html><head><TITLE>\n403 Forbidden &amp; more</TITLE></head><body>x</body></html>",
            403,
            "403 Forbidden & m",
        ),
        (b"<html><body><h1>Sign in to the hotel's network</h1></body></html>", 200, "Sign in to the hotel's network"),
        (b"<style>b{}</style><script>var x=1</script>Blocked by policy", 403, "Blocked by policy"),
        (b"no healthy upstream", 404, "no healthy upstream"),
        (b"", 404, "404 and no JSON object"),
        (b"\x00\x01\xff\xfe" * 30, 200, "200 and no JSON object"),
        (b"<title>" * 100_000, 200, "200 and no JSON object"),
        (b"<" * 500_000, 200, "200 and no JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_servers_words_are_shown(site: Site, document: object, status: int, words: str) -> None:
    error = site.refusal(document, status)
    assert words in error.message
    assert len(error.message) < 1000


def test_words_of_a_fault_that_passes(site: Site) -> None:
    error = site.refusal({"error": "server_error", "error_description": "Back at ten."}, 503, {"Retry-After": "60"})
    assert type(error) is NetworkError
    assert "503" in error.message
    assert "Back at ten." in error.message
    assert error.retry_after == 60
    assert "Sorry!" in site.refusal(b"<title>Sorry!</title>", 502).message


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize(
    "document",
    [
        {"error": "old-refresh-token", "error_description": "old-refresh-token is unknown"},
        {"error": {"message": "old-refresh-token"}},
        {"message": "you sent grant_type=refresh_token&refresh_token=old-refresh-token"},
        {"error": "x" * 70 + "old-refresh-token"},
        b"<title>No old-refresh-token</title>",
        b"you sent grant_type=refresh_token&refresh_token=old-refresh-token&client_id=c",
        b'{"access_token": "new-access',
        b"token=new-access&refresh=new-refresh-token",
        b')]}\'\n{"token":"new-access"}',
        b"your key is " + b"new-access" * 4,
    ],
    ids=lambda value: str(value)[:40],
)
def test_no_secret_is_said_back(site: Site, document: object, status: int) -> None:
    assert "http" in site.refusal(document, status).message or "server" in site.refusal(document, status).message


def test_secrets_that_were_encoded_are_not_said_back(site: Site) -> None:
    secret = "s/e+c=r e&t"
    for said in (
        secret,
        "s%2Fe%2Bc%3Dr+e%26t",
        "s%2Fe%2Bc%3Dr%20e%26t",
        "s%2fe%2bc%3dr%20e%26t",
        "s/e%2Bc%3Dr%20e%26t",
        r"s\/e+c=r e&t",
        "s/e+c=r e&amp;t",
        "S/E+C=R E&T",
        base64.b64encode(secret.encode()).decode().rstrip("="),
    ):
        site.response = StubResponse(400, {"error": "x", "error_description": f"what is {said}?"})
        with pytest.raises(OAuthError, match=r"what is \.\.\.\?"):
            password.ask(site.client, username=ANN, password=secret)


@pytest.mark.parametrize("token_type", ["new-access", "Bearer new-access", "new-refresh-token", "new-acc", "x" * 400])
def test_a_token_type_that_is_a_token_is_not_said_back(site: Site, token_type: str) -> None:
    error = site.refusal({**GOOD, "token_type": token_type})
    assert type(error) is UnusableResponse
    assert "new-acc" not in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize(
    "document",
    [
        [{"error": "invalid_grant"}],
        {"response": {"error": "invalid_grant"}},
        b"error=invalid_grant&error_description=words+here",
        b"<!-- x -->\n" + b'{"error": "invalid_grant"}',
    ],
    ids=str,
)
def test_a_refused_refresh_token_needs_a_person_however_it_is_said(site: Site, document: object) -> None:
    assert type(site.refusal(document)) is AuthorizationRequired


# -- temporary or not


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        # Statuses that pass by themselves, whatever is said.
        *((status, {"error": "invalid_grant"}, TEMPORARY) for status in (408, 421, 425, 429, 500, 502, 503, 504, 511)),
        (520, b"<title>example.org | 520: Web server is returning an unknown error</title>", TEMPORARY),
        # Codes and words that say it, under other statuses.
        (400, {"error": "temporarily_unavailable"}, TEMPORARY),
        (400, {"error": "server_error"}, TEMPORARY),
        (400, {"error": "slow_down"}, TEMPORARY),
        (403, {"error": "rate_limit_exceeded"}, TEMPORARY),
        (403, {"error_code": "rate_limit_exceeded"}, TEMPORARY),  # Google's device endpoint
        (403, {"error": "too_many_requests", "error_description": "Slow"}, TEMPORARY),
        (403, {"error": "too_many_attempts", "error_description": "Your account has been blocked"}, TEMPORARY),
        (403, {"error": {"code": 403, "message": "Rate Limit Exceeded"}}, TEMPORARY),
        (403, {"error": {"code": 403, "message": "x", "errors": [{"reason": "rateLimitExceeded"}]}}, TEMPORARY),
        (403, {"error": {"errors": [{"reason": "userRateLimitExceeded"}], "code": 403, "message": "x"}}, TEMPORARY),
        (400, {"error": {"code": 8, "message": "x", "status": "RESOURCE_EXHAUSTED"}}, TEMPORARY),
        (400, {"error": {"code": 14, "message": "x", "status": "UNAVAILABLE"}}, TEMPORARY),
        (400, {"error": "internal_failure"}, TEMPORARY),
        (400, {"error": "backend_error"}, TEMPORARY),
        (400, {"error": {"code": 400, "message": "Backend Error"}}, TEMPORARY),
        (400, {"__type": "TooManyRequestsException", "message": "Rate exceeded"}, TEMPORARY),
        (
            400,
            {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit due to too many requests."},
            TEMPORARY,
        ),
        (
            400,
            {
                "error": "Access Denied",
                "error_description": "You have made too many requests continuously. Please try again.",
            },
            TEMPORARY,
        ),
        (
            200,
            {"error": "Access Denied", "error_description": "You have made too many requests continuously."},
            TEMPORARY,
        ),
        (400, {"error": "RATE_LIMITED"}, TEMPORARY),
        (400, {"error": "access_denied", "error_description": "Please try again later."}, TEMPORARY),
        (400, {"error": "invalid_request", "error_description": "Service temporarily unavailable"}, TEMPORARY),
        (403, b"<title>Too Many Requests</title>", TEMPORARY),
        (200, b"<title>We are down for maintenance</title>", TEMPORARY),
        # Microsoft
        *(
            (400, {"error": "invalid_grant", "error_description": "x", "error_codes": [code]}, TEMPORARY)
            for code in (50053, 50196, 90033, 90055, 50033, 501621)
        ),
        # A limit on sign-ins is not a wrong password.
        (400, {"error": "invalid_grant", "error_description": "Too many failed login attempts."}, TEMPORARY),
        (401, {"error": "invalid_grant", "error_description": "Account temporarily locked"}, TEMPORARY),
        (400, {"error": "invalid_grant", "error_description": "Rate limit exceeded"}, TEMPORARY),
        # A refusal stays one at once.
        (400, {"error": "invalid_grant"}, PERSON),
        (401, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, PERSON),
        (400, {"error": "invalid_grant", "error_description": "Session not active, please try again later"}, PERSON),
        (
            400,
            {"error": "invalid_grant", "error_description": "AADSTS700082: expired", "error_codes": [700082]},
            PERSON,
        ),
        (400, {"error": "invalid_grant", "error_description": "AADSTS50126: wrong password"}, PERSON),
        (400, {"error": "access_denied"}, PERSON),
        (401, {"error": "invalid_client"}, REFUSED),
        (400, {"error": "unauthorized_client", "error_description": "try again later"}, REFUSED),
        (400, {"error": "invalid_request"}, REFUSED),
        (400, {"error": "unheard_of"}, REFUSED),
        (403, {"message": "forbidden"}, REFUSED),
        (404, b"<title>404 Not Found</title>", REFUSED),
        (200, b"<title>Sign in to the network</title>", REFUSED),
        (200, {}, REFUSED),
        (302, b"", REFUSED),
        (400, {"error": "authorization_pending"}, REFUSED),
    ],
    ids=lambda value: str(value)[:60],
)
def test_temporary_or_not(site: Site, status: int, document: object, kind: type[OAuth2Pop3Error]) -> None:
    assert type(site.refusal(document, status)) is kind


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"error": "invalid_grant"}, PERSON),
        ({"error": "invalid_client"}, REFUSED),
        ({"error": "unheard_of"}, TEMPORARY),
        ({"message": "busy"}, TEMPORARY),
        (b"<title>Busy</title>", TEMPORARY),
        (b"", TEMPORARY),
        ({"error": "rate_limit_exceeded"}, TEMPORARY),
    ],
)
def test_a_refusal_that_says_when_to_come_back(site: Site, document: object, kind: type[OAuth2Pop3Error]) -> None:
    error = site.refusal(document, 403, {"Retry-After": "17"})
    assert type(error) is kind
    if isinstance(error, NetworkError):
        assert error.retry_after == 17
        assert error.hint


def test_a_limit_on_sign_ins_is_no_wrong_password(site: Site) -> None:
    site.response = StubResponse(400, {"error": "invalid_grant", "error_description": "Too many failed sign-ins."})
    with pytest.raises(NetworkError, match="locked for a while"):
        password.ask(site.client, username=ANN, password="a word of mine")
    site.response = StubResponse(400, {"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired, match="not accepted"):
        password.ask(site.client, username=ANN, password="a word of mine")


@pytest.mark.parametrize("headers", [{"Content-Length": "9999"}, {"Content-Encoding": "br"}])
def test_a_refusal_in_odd_content(site: Site, headers: dict[str, str]) -> None:
    assert type(site.refusal({"error": "invalid_grant"}, 400, headers)) is PERSON
    assert type(site.refusal({"error": "unheard_of"}, 400, headers)) is REFUSED


def test_a_connection_that_ends_without_a_response(site: Site) -> None:
    with pytest.raises(NetworkError):
        refresh(site.client, OLD)


@pytest.mark.parametrize(
    "retry_after",
    [
        "9" * 400,
        "9" * 5000,
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -9999",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "-5",
        "1e9",
        ",,,",
        "Fri, 31 Dec 2999 99:99:99 GMT",
    ],
)
def test_a_pause_that_makes_no_sense(site: Site, retry_after: str) -> None:
    error = site.refusal({"error": "server_error"}, 503, {"Retry-After": retry_after})
    assert isinstance(error, NetworkError)
    assert error.retry_after is None or error.retry_after == 0


@pytest.mark.parametrize(
    "codes",
    [[10**400], ["50196"], [None, [], {}, 1.5, True], "50196", 7, {"a": 1}, [50196] * 10_000],
    ids=lambda v: str(v)[:20],
)
def test_error_codes_that_are_no_numbers(site: Site, codes: Any) -> None:
    assert isinstance(site.refusal({"error": "unheard_of", "error_codes": codes}), OAuthError | NetworkError)


@pytest.mark.parametrize(
    "endpoint", ["https://[[[", "https://[", "https://a b/", "http://", "https://x:99999/", "\ud800"]
)
def test_an_endpoint_that_is_none(site: Site, endpoint: str) -> None:
    with pytest.raises(ConfigError):
        refresh(replace(site.client, provider=replace(site.client.provider, token_endpoint=endpoint)), OLD)
