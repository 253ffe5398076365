"""The -ERR that the bridge makes of an error. What real hosts make of it is in test_hosts.py."""

from __future__ import annotations

import pytest

from oauth2_pop3.bridge.error_response import error_response
from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    ConfigError,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    Pop3Error,
    StateLocked,
    TokenNotFound,
)
from oauth2_pop3.pop3.refusals import response_error

LOCKED = ("lock", "Lock", "LOCK", "wait")  # any of them is to fetchmail a maildrop that another session has


def is_busy_to_fetchmail(response: str) -> bool:
    """By pop3_ok() of fetchmail 6.4."""
    return "service" in response and "unavailable" in response and not any(word in response for word in LOCKED)


@pytest.mark.parametrize(
    "error",
    [
        NetworkError("the POP3 server did not respond"),
        NetworkError("the server has a temporary problem ('-ERR [SYS/TEMP] later')"),
        NetworkError("the server has a temporary problem ('-ERR please wait, the database is LOCKED')"),
        NetworkError("x" * 2000),
        NetworkError("ä" * 2000),
        StateLocked("another process has been using it"),
        response_error("pop.example.org", "AUTH", b"-ERR Server Unavailable. 15"),
        response_error("pop.example.org", "AUTH", b"-ERR [SYS/TEMP] Mailbox lock"),
    ],
)
def test_a_temporary_problem_is_a_busy_server_to_fetchmail(error: OAuth2Pop3Error) -> None:
    response = error_response(error)
    assert response.startswith("-ERR [SYS/TEMP] service unavailable: ")
    assert is_busy_to_fetchmail(response)
    assert len(response.encode()) <= 510
    assert "\n" not in response


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AuthenticationRejected("the token of service@example.org: unavailable, wait"), "AUTH"),
        (AuthorizationRequired("the sign-in of locke@example.org has ended"), "AUTH"),
        (TokenNotFound("nobody has signed in"), "AUTH"),
        (ConfigError("the service is unavailable"), "SYS/PERM"),
        (Pop3Error("no"), "SYS/PERM"),
        (response_error("pop.example.org", "AUTH XOAUTH2", b"-ERR [AUTH] no"), "SYS/PERM"),
        (response_error("pop.example.org", "AUTH", b"-ERR Protocol error. Connection is closed. 10"), "SYS/PERM"),
    ],
)
def test_a_refusal_is_none_to_fetchmail(error: OAuth2Pop3Error, code: str) -> None:
    """But a wrong password: it tells the user, and does not try for ever."""
    response = error_response(error)
    assert response.startswith(f"-ERR [{code}] ")
    assert not is_busy_to_fetchmail(response)
    assert not any(word in response for word in LOCKED)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MaildropLocked("another session has the maildrop open"), "IN-USE"),
        (response_error("pop.example.org", "AUTH", b"-ERR maildrop already locked"), "IN-USE"),
        (response_error("pop.example.org", "AUTH", b"-ERR [LOGIN-DELAY 60] Slowly"), "LOGIN-DELAY"),
        (response_error("pop.example.org", "AUTH", b"-ERR Logins must be at least 5 minutes apart"), "LOGIN-DELAY"),
    ],
)
def test_a_maildrop_that_is_not_to_be_had_now(error: OAuth2Pop3Error, code: str) -> None:
    assert error_response(error).startswith(f"-ERR [{code}] ")
