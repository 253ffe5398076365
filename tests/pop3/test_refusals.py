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
    despite = any(each.get("despite") == "AUTH" for each in ROWS if each["match"] == row["match"])
    assert code(f"[AUTH] {words}") == (row["code"] if despite else "AUTH")
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
        ("Please try again after enabling POP3", REFUSED),
        ("Please try again in your browser", REFUSED),
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


# -- kinds of temporary problems, and what looks like them


@pytest.mark.parametrize(
    ("expected", "texts"),
    [
        (
            TEMPORARY,  # limits
            """Session limit reached
            You have reached the maximum number of concurrent sessions
            Max sessions reached
            user has exceeded max mailbox session limit
            number of connections exceeded
            Exceeded the number of connections
            connections limit exceeded for your IP
            maximum number of simultaneous logins reached
            Login limit exceeded
            login frequency limited
            Login failed: rate exceeded
            Exceeded storage operation rate
            Rate-limited
            request limit exceeded
            IP address blocked for 10 minutes
            Account locked for 30 minutes
            Too fast, slow down
            Too much traffic
            You are logging in too quickly
            Login rate too high""",
        ),
        (
            TEMPORARY,  # faults
            """Server is not responding
            Remote system no longer responding
            Mailbox is unavailable
            mailbox is not available at this time
            Authentication backend unavailable
            Cannot connect to server 10.0.0.1
            cannot connect to backend server
            can't connect to 127.0.0.1:8111
            Connection to backend lost
            Connection to auth server failed
            Connection reset by peer
            No route to host
            Mailstore offline
            Service is being restarted
            backend unreachable
            Can't contact LDAP server
            MySQL server has gone away
            database error
            database is locked
            I/O error
            Input/output error
            Read error on mailbox
            Unable to allocate memory
            Cannot allocate memory
            Too many open files
            No space left on device
            Disk quota exceeded
            Insufficient disk space
            insufficient resources
            Out of resources
            no resources
            Mailbox access failed - server has hit a transient error
            transient failure
            unable to scan $HOME/Maildir
            aack, child crashed
            Fatal error: Can't create pipe
            Waiting for authentication process to respond..
            Internal failure
            Unexpected error
            server going down
            service shutdown in progress
            Autologout
            Autologout; idle too long
            The service is down for upgrade
            scheduled downtime
            mailbox is being moved
            Mailbox is being migrated
            Busy
            too busy
            The server is currently unable to process your request
            Unable to authenticate at this time
            Please retry
            retry in 60 seconds
            Please come back later
            come back in 5 minutes
            Please try again
            try again soon""",
        ),
        (
            LOCKED,
            """lock failed
            Mailbox lock failed
            Cannot acquire lock
            another connection is active
            Mailbox is held by another connection
            another user is logged in to this mailbox
            You are already connected
            Mailbox is already opened
            There is already a session for this user
            Unable to obtain exclusive access to mailbox
            concurrent access to mailbox
            Mailbox is locked by POP server
            Postfach ist gesperrt durch andere Sitzung
            Postfach wird bereits verwendet""",
        ),
        (
            DELAY,
            """Login interval too short, wait 15 min
            Minimum login interval is 15 minutes
            POP3-Abruf nur alle 15 Minuten erlaubt
            Mindestabstand zwischen Postfachabfragen beachten
            登录过于频繁""",
        ),
        (
            TEMPORARY,  # in other languages
            """Zu viele Verbindungen
            Zu viele gleichzeitige Verbindungen
            Serverfehler
            Bitte versuchen Sie es erneut
            Bitte versuchen Sie es in einigen Minuten erneut
            Der Dienst ist derzeit nicht verfügbar
            Mailserver nicht erreichbar
            Der Server ist überlastet
            Wartungsarbeiten
            Serveur surchargé
            servidor ocupado
            Технические работы
            服务暂时不可用
            服务器忙
            連線數過多
            サーバーがビジーです
            Veuillez réessayer
            trop de connexions
            Trop de tentatives de connexions
            Service momentanément indisponible
            demasiadas conexiones
            Servicio no disponible
            Servizio non disponibile
            слишком много подключений
            сервис недоступен
            сервер недоступен
            连接数过多
            系统繁忙\uff0c请稍候再试
            系統忙碌中
            サーバーが混み合っています""",
        ),
        (
            TEMPORARY,  # said with [AUTH] by servers that say it of all that goes wrong
            """[AUTH] Server Error. Please try again later. 12
            [AUTH] System is busy
            [AUTH] internal error
            [AUTH] Internal error occurred. Refer to server log for more information.
            [AUTH] Authentication server is down
            [AUTH] Authentication server timed out
            [AUTH] Too many login attempts, please try again later
            [AUTH] Too many bad auth attempts
            #AUTH005 Too many bad auth attempts
            [AUTH] Unable to process your request, try again later
            [AUTH] Please try again later""",
        ),
        (LOCKED, "[AUTH] mailbox locked"),
    ],
    ids=["limits", "faults", "locks", "pauses", "languages", "[AUTH]", "[AUTH] and a lock"],
)
def test_a_kind_that_passes(expected: str, texts: str) -> None:
    assert {text: code(text) for text in lines_of(texts)} == dict.fromkeys(lines_of(texts), expected)


def lines_of(texts: str) -> list[str]:
    return [line.strip() for line in texts.splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        # Dovecot
        "[AUTH] Authentication failed.",
        "Authentication failed.",
        "[AUTH] User is disabled.",
        "[AUTH] Password expired.",
        "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",
        # Exchange
        "Authentication failure: unknown user name or bad password.",
        "Logon failure: unknown user name or bad password.",
        "Session Logon Failure",
        # Gmail
        "[AUTH] Username and password not accepted.",
        "[AUTH] Web login required: https://support.google.com/mail/answer/78754",
        "[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833",
        "[SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable POP.",
        "[SYS/PERM] POP access is disabled for your domain. Please contact your domain administrator.",
        # Yahoo
        "[AUTH] Incorrect username or password. (#MBR1212)",
        "[AUTH] Invalid credentials (#AUTH012)",
        "[AUTH] Access to this service is not allowed.",
        "[AUTH] login failure or POP3 disabled, try later. sc=abcd",
        "Error logging in. Please visit http://mail.yahoo.com",
        # Courier
        "Login failed.",
        # Cyrus
        "[AUTH] Invalid login",
        "[AUTH] authenticating: authentication failure",
        # qpopper
        '[AUTH] Password supplied for "joe" is incorrect.',
        'Password supplied for "busy" is incorrect.',
        '[AUTH] You must use TLS/SSL or stronger authentication such as AUTH or APOP to connect to this server"',
        '[AUTH] PAM authentication failed for user "maintenance": Authentication failure (7)',
        # qmail-popup, qmail-pop3d
        "authorization failed",
        "this user has no $HOME/Maildir",
        # hMailServer
        "Invalid user name or password.",
        # Zoho
        "[AUTH] Invalid credentials",
        "[AUTH] Login failed. POP access is not enabled for your account, please try again after enabling POP",
        "Your account does not have POP access",
        # GMX, web.de
        "[AUTH] Authentication credentials invalid",
        "Passwort falsch. Bitte versuchen Sie es erneut",
        "Ihr Postfach wurde bereits gelöscht",
        # QQ, 163
        "[AUTH] Login fail. Account is abnormal, password is incorrect, login frequency limited, or system is busy.",
        "[AUTH] Login fail. Account is abnormal, service is not open, password is incorrect, or system is busy.",
        "密码错误\uff0c或系统繁忙",
        # others
        "Unable to log on",
        "login fail, please check your account or password",
        "Login incorrect, try again",
        "Authentication failed, please try again",
        "[AUTH] Login failed, please try again",
        "[AUTH] Authentication failed, please try again later",
        "Access denied. Please try again",
        "Login failed. Please retry",
        "User or password error, please try again",
        "Please retry with a valid token",
        "Account not found. Please retry",
        "You are not authorized at this time",
        "Please try again with the right password",
        "Mailbox unavailable: user is disabled",
        "Our policy asks for another connection method",
        "Anmeldung fehlgeschlagen. Bitte versuchen Sie es erneut",
        "Zugangsdaten ungültig, bitte versuchen Sie es erneut",
        "Échec de l'authentification, veuillez réessayer",
        "Identifiant incorrect, veuillez réessayer",
        "Blocked for a violation of our terms; call us within 24 hours",
        "Please try again in your browser",
        "Please try again after enabling POP3",
        "Mot de passe incorrect, veuillez réessayer",
        "Contraseña incorrecta. Servicio no disponible",
        "POP3 no disponible para su cuenta",
        "неверный пароль, слишком много попыток",
        "POP3 недоступен для вашего ящика",
        "パスワードが違います",
        "POP3 is not available to you",
        "POP3 access not allowed",
        "[AUTH] The account is closed",
        "license expired",
        "access token is revoked",
        "user account over quota, login denied",
        "Conditional access policy blocks this sign-in",
        "your address is blocked for good",
        "you own no connection here",
        # What a person must do counts more than what is temporary.
        "Your password has expired. Please log in to webmail and change it, then try again later",
        "your account was permanently locked after too many failed logins",
        "Too many failed logins: account disabled, contact support",
        "Too many authentication failures: your password has been reset",
        "AUTH failed: Password must be changed at next sign-in, wait 5 minutes after that",
        "Verify your account at https://x.example (rate limit)",
        "The account has been suspended for excessive use; server busy",
        # Names and links are not the server's words.
        "Authentication failed for user 'temporary'",
        'Authentication failed for "maintenance"',
        "unknown user 'server is busy'",
        "Consent required: sign in at https://login.example.org/timeout",
        "Sign in at www.example.org/temporary/maintenance first",
        "Sign in at https://example.org/?reason=rate+limit&next=/busy",
    ],
)
def test_a_refusal_stays_one(text: str) -> None:
    assert code(text) in ("", REFUSED, OTHER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Server Unavailable. See https://example.org/status", TEMPORARY),
        ("https://status.example.org says: try again later", TEMPORARY),
        ("Account for 'ann' is temporarily locked", TEMPORARY),
        ("the user's mailbox is in use, and so is another user's", LOCKED),
        ("no such user 'ann'", REFUSED),
    ],
)
def test_words_beside_a_link_or_a_quoted_name(text: str, expected: str) -> None:
    assert code(text) == expected


def test_no_row_is_there_twice() -> None:
    matches = [row["match"] for row in ROWS]
    assert len(matches) == len(set(matches))
