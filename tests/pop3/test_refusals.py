"""What a POP3 server's refusal is taken for, by its response code and its words."""

from __future__ import annotations

import re
import time
import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauth2_pop3.errors import AuthenticationRejected, MaildropLocked, NetworkError, OAuth2Pop3Error, Pop3Error
from oauth2_pop3.pop3 import refusals

TABLE: dict[str, Any] = tomllib.loads(resources.files("oauth2_pop3.pop3").joinpath("refusals.toml").read_text("utf-8"))
ROWS: list[dict[str, Any]] = TABLE["refusal"]
MAILBOX = "ann@example.org"
TEMPORARY, LOCKED, DELAY, REFUSED, OTHER = "SYS/TEMP", "IN-USE", "LOGIN-DELAY", "AUTH", "SYS/PERM"


def code(text: str | bytes, mailbox: str = MAILBOX) -> str:
    octets = text if isinstance(text, bytes) else text.encode()
    return refusals.judge(b"-ERR " + octets, mailbox).code


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["match"]))
def test_a_row(row: dict[str, Any]) -> None:
    """By its own words alone, with and without something at the place of each *, in any case."""
    assert row.keys() <= {"match", "code", "remedy", "despite", "ends", "source"}
    assert row["code"] in refusals.CODES
    assert row["match"] == row["match"].lower() == " ".join(row["match"].split())
    for between in (" ", " of something else, "):
        words = row["match"].replace(" * ", between).replace("*", "")
        for text in (words, f"Sorry: {words}.", words.upper()):
            found = refusals.judge(f"-ERR {text}".encode(), MAILBOX)
            assert found.code == row["code"], text
            assert found.ends is row.get("ends", False)
    assert code(f"[AUTH] {words}") == (row["code"] if row.get("despite") == "AUTH" else "AUTH")
    assert code(f"[SYS/PERM] {words}") == OTHER
    for address in (f"{row['match'].split()[0]}@example.org", f"<{row['match'].replace(' ', '.')}@example.org>"):
        assert code(f"{address}: no", address.strip("<>")) == "", "an address does not count"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["match"]))
def test_the_source_of_a_row(row: dict[str, Any]) -> None:
    """It names who writes it, and what is quoted there is judged so; or it says which kind of guess it is."""
    assert row["source"].startswith("guess: ") is (row["source"] in {"guess: plain words", "guess: translation"})
    for text in re.findall('"([^"]+)"', row["source"]):
        assert code(text) == row["code"], text


# Sources are those in refusals.toml, and the tests of other clients
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Server Unavailable. 15", TEMPORARY),
        ("Server Unavailable. 21", TEMPORARY),
        ("SERVER UNAVAILABLE", TEMPORARY),
        ("Server Error. Please try again later. 12", TEMPORARY),
        ("BYE Connection refused", TEMPORARY),
        ("Temporary problem, please try again later", TEMPORARY),
        ("Temporary authentication failure. [host:2016-04-18 17:21:23]", TEMPORARY),
        ("Account is temporarily unavailable.", TEMPORARY),
        ("Mailbox is in inconsistent state, please relogin.", TEMPORARY),
        ("Too many simultaneous connections. (Failure)", TEMPORARY),
        ("Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", TEMPORARY),
        ("Maximum active clients reached, please try again later.", TEMPORARY),
        ("mail storage services unavailable, wait a few minutes and try again", TEMPORARY),
        ("Busy - please try later", TEMPORARY),
        ("internal server error", TEMPORARY),
        ("[UNAVAILABLE] Failed to open mailbox", TEMPORARY),
        ("[LIMIT] Slow down", TEMPORARY),
        ("[AUTH] Account exceeded pop command or bandwidth limits (Failure)", TEMPORARY),
        ("[AUTH] Temporary authentication failure", TEMPORARY),
        ("[SYS/TEMP/LDAP] Down", TEMPORARY),
        ("[sys/temp] later", TEMPORARY),
        (" [SYS/TEMP] two spaces", TEMPORARY),
        ("Bitte versuchen Sie es später noch einmal", TEMPORARY),
        ("Bitte später".encode("latin-1"), TEMPORARY),
        ("系统忙 请稍后再试", TEMPORARY),
        ("Service temporairement indisponible", TEMPORARY),
        ("maildrop already locked", LOCKED),
        ("unable to lock maildrop", LOCKED),
        ("could not aquire lock for maildrop ann", LOCKED),
        ("/usr/mail/.thomas.pop lock busy! Is another session active? (11)", LOCKED),
        ("Your mailbox is already locked", LOCKED),
        ("mailbox ann currently locked", LOCKED),
        ("Mailbox is locked by another POP3 session.", LOCKED),
        ("Do you have another POP session running?", LOCKED),
        ("Your account is in use, try later.", LOCKED),
        ("[INUSE] Somebody is", LOCKED),
        ("[IN-USE] Temporary authentication failure", LOCKED),
        ("Exceeded the login limit for a 15 minute period. Reduce the frequency of requests.", DELAY),
        ("Logins must be at least 5 minutes apart", DELAY),
        ("minimum time between mail checks violation", DELAY),
        ("[LOGIN-DELAY 60] Too many authentication attempts", DELAY),
        ("Authentication failure: unknown user name or bad password.", REFUSED),
        ("Logon failure: unknown user name or bad password.", REFUSED),
        ("invalid credentials", REFUSED),
        ("POP3 disabled for this mailbox", REFUSED),
        ("Your account is not enabled for POP access. Please visit your Gmail settings page.", REFUSED),
        ("[AUTH] Username and password not accepted", REFUSED),
        ("[AUTHENTICATIONFAILED] No", REFUSED),
        ("POP3 service has been permanently discontinued.", REFUSED),
        ("Protocol error. Connection is closed. 10", OTHER),
        ("Command is not valid in this state.", OTHER),
        ("Too many invalid bad commands.", OTHER),
        # A code that nobody knows says nothing, but the words may.
        ("[X-OTHER] no", ""),
        ("[ALERT] Bad credentials", REFUSED),
        ("[ALERT] Your account is in use", LOCKED),
        ("[ALERT] Server Unavailable. 15", TEMPORARY),
        ("[NOPERM] Invalid password", REFUSED),
        ("[SYS] Try again later", TEMPORARY),
        ("[SYS/OTHER] maildrop already locked", LOCKED),
        ("Authentication failed.", ""),
        ("your address is blocked", ""),
        ("access denied", ""),
        ("the clock of this server is right", ""),
        ("", ""),
    ],
)
def test_what_servers_write(text: str | bytes, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # It passes by itself, and each attempt with another token would make it longer.
        ("Account temporarily locked because of too many failed logins", TEMPORARY),
        ("Too many failed login attempts, account locked for 15 minutes", TEMPORARY),
        ("Login failed: server temporarily unavailable", TEMPORARY),
        # Somebody must do something, though it is said to be temporary.
        ("Account temporarily locked. Contact your administrator.", REFUSED),
        ("Your account is temporarily blocked. Please log in via your web browser", REFUSED),
        ("Temporarily disabled because of suspicious activity", REFUSED),
        ("Your account has been locked", REFUSED),
        ("Password wrong too many times, try again later", TEMPORARY),
        ("Account disabled after too many failed logins, try again in 15 minutes", TEMPORARY),
        ("POP access is disabled during maintenance", TEMPORARY),
        ("Temporarily locked out, try again later", TEMPORARY),
        ("Mailbox temporarily locked due to a backup", TEMPORARY),
        ("Temporary failure. If it persists, contact your administrator.", TEMPORARY),
        # Never by itself.
        ("Your temporary password has expired", REFUSED),
        ("[AUTH] Your temporary password has expired", REFUSED),
        ("Your temporary access token has expired", REFUSED),
        ("The temporary account ann has expired", REFUSED),
        ("Account temporarily suspended for non-payment", REFUSED),
        ("Your account was temporarily disabled", REFUSED),
        ("Temporarily blocked. Reset your password at https://example.org", REFUSED),
        ("Access temporarily limited: verify your account", REFUSED),
        ("POP3 access is disabled, try again later", REFUSED),
        ("POP3 is not in use for this account", REFUSED),
        ("This mailbox is no longer in use", REFUSED),
        ("POP3 service is permanently unavailable", REFUSED),
        ("POP3 service is not available for free accounts", REFUSED),
        ("Service unavailable for this account", REFUSED),
        ("This mailbox has been locked", REFUSED),
        ("Mailbox locked due to abuse", REFUSED),
        ("This mailbox is owned by another user", ""),
        ("You may not connect to this mailbox", ""),
        ("Please try again after enabling POP3", ""),
        ("Please try again in your browser", ""),
        # A wrong password, and politeness.
        ("Invalid password, please try again later", REFUSED),
        ("[AUTH] Authentication failed, try again later", REFUSED),
        # QQ says everything at once.
        (
            "Login fail. Account is abnormal, service is not open, password is incorrect, or system is busy.",
            REFUSED,
        ),
        # The server's own code says which of the two.
        ("[SYS/TEMP] invalid credentials", TEMPORARY),
        ("[SYS/PERM] Temporary, as far as I know", OTHER),
    ],
)
def test_words_of_both_kinds(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "mailbox", "expected"),
    [
        ("no mailbox temp@example.org here", "temp@example.org", REFUSED),
        ("unknown user locked@example.org", "locked@example.org", REFUSED),
        ("login of <maildrop.locked@example.org> refused", "maildrop.locked@example.org", ""),
        ("refused: mailbox locked@example.org", "locked@example.org", ""),
        ("authentication failed for temporary", "temporary@example.org", ""),
        ("authentication failed for TEMPORARILY", "temporarily", ""),
        ("sorry, no mailbox for später here", "später@example.org", REFUSED),
        # The name of the mailbox is a word of the server's own sentence.
        ("Server Unavailable. 15", "server@example.org", TEMPORARY),
        ("Service unavailable", "service@example.org", TEMPORARY),
        ("service@example.org: Service unavailable", "service@example.org", TEMPORARY),
        ("maildrop of locked is locked", "locked@example.org", LOCKED),
    ],
)
def test_the_name_of_a_mailbox(text: str, mailbox: str, expected: str) -> None:
    assert code(text, mailbox) == expected


@given(st.binary(max_size=300), st.text(max_size=30))
def test_any_octets(line: bytes, mailbox: str) -> None:
    found = refusals.judge(line, mailbox)
    assert found.code == found.code.upper()


def test_a_line_without_an_end_takes_no_time() -> None:
    began = time.process_time()
    for line in (b"-ERR " + b"lock " * 13_000, b"-ERR " + b"a" * 65_000, b"-ERR [" + b"[" * 65_000, b"@" * 65_000):
        refusals.judge(line, MAILBOX)
    assert time.process_time() - began < 5, "of all octets, not of the first 512"


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        ("400", False),
        ("401", False),
        ("403", False),
        ("429", True),
        ("500", True),
        ("503", True),
        ("temporarily_unavailable", True),
        ("Server_Error", True),
        ("invalid_token", False),
        ("insufficient_scope", False),
        ("5", False),
        ("5000", False),
        ("", False),
    ],
)
def test_the_status_of_a_challenge(status: str, temporary: bool) -> None:
    assert refusals.is_temporary(status) is temporary


# -- what that means to a command


BUSY = "Server Unavailable. 15"


@pytest.mark.parametrize(
    ("command", "text", "kind"),
    [
        *((command, BUSY, NetworkError) for command in ("the greeting", "STLS", "AUTH XOAUTH2", "AUTH")),
        *((command, BUSY, NetworkError) for command in ("STAT", "LIST", "UIDL", "QUIT")),
        # One message is left; the others may come.
        *((command, BUSY, Pop3Error) for command in ("RETR 2", "TOP 2 0", "DELE 2")),
        *((command, "[SYS/TEMP] later", Pop3Error) for command in ("RETR 2", "DELE 2")),
        *((command, "[IN-USE] by another client", Pop3Error) for command in ("RETR 2", "DELE 2")),
        ("RETR 2", "Connection is closed. 22", NetworkError),
        ("DELE 2", "Server shutting down.", NetworkError),
        ("AUTH", "maildrop already locked", MaildropLocked),
        ("STAT", "maildrop already locked", MaildropLocked),
        ("AUTH", "Logins must be at least 5 minutes apart", MaildropLocked),
        ("AUTH", "Protocol error. Connection is closed. 10", Pop3Error),
        ("AUTH", "invalid credentials", AuthenticationRejected),
        # No token was seen, or it was taken long ago.
        *((command, "[AUTH] no", Pop3Error) for command in ("the greeting", "STLS", "AUTH XOAUTH2")),
        *((command, "mailbox does not exist", Pop3Error) for command in ("the greeting", "RETR 2", "STAT")),
        ("STAT", "[AUTH] no", AuthenticationRejected),
        ("STAT", "[AUTHENTICATIONFAILED] no", AuthenticationRejected),
        ("STAT", "[CONTACTADMIN] no", Pop3Error),
        ("STAT", "Session invalidated - AccessTokenExpired", AuthenticationRejected),
        ("RETR 2", "Session invalidated - AccessTokenExpired", AuthenticationRejected),
        ("the greeting", "go away", Pop3Error),
        ("RETR 2", "no such message", Pop3Error),
    ],
)
def test_the_error_of_a_command(command: str, text: str, kind: type[OAuth2Pop3Error]) -> None:
    error = refusals.response_error("pop.example.org", command, f"-ERR {text}".encode())
    assert type(error) is kind
    assert text in error.message
    assert "pop.example.org" in error.message


def test_a_token_that_may_be_too_long() -> None:
    error = refusals.response_error(
        "pop.example.org", "AUTH", b"-ERR Protocol error. Connection is closed. 10", mailbox=MAILBOX
    )
    assert error.hint.endswith(f"oauth2-pop3 check {MAILBOX}")
