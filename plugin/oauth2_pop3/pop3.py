"""The POP3 session, client side: RFC 1939 with CAPA and response codes (RFC 2449, 3206), STLS (2595), AUTH (5034).

Reads in blocks and bounds everything: a line, an answer, and the time in which the server brings nothing.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar

from oauth2_pop3 import sasl, tls
from oauth2_pop3.errors import (
    AuthenticationRejected,
    ConfigError,
    MaildropLocked,
    NetworkError,
    Pop3Error,
    one_line,
)

LINE_LIMIT = 65536
"""Octets of a response line: RFC 2449 allows 512, and nobody needs more than this."""
MULTILINE_LIMIT = 2 << 30
"""Octets of a multi-line answer: no message is larger."""
INITIAL_RESPONSE_LIMIT = 255
"""Octets of a whole command line with CRLF (RFC 2449 section 4), AUTH with an initial response too (RFC 5034)."""

_BLOCK = 65536
_LEAST_PER_TIMEOUT = 1024  # octets in each `timeout` seconds; a server that drips more slowly than this has stalled
_END = b"\r\n.\r\n"

Item = TypeVar("Item")


class Session:
    """One connection. Every method raises NetworkError where the connection fails, Pop3Error where -ERR comes.

    Use connect(); then the attributes peer (address and port) and capabilities are there.
    """

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.host = host
        self.peer: tuple[str, int] = connection.getpeername()[:2]
        self.capabilities: Mapping[str, tuple[str, ...]] = {}
        self._socket = connection
        self._buffer = bytearray()
        self._timeout = connection.gettimeout() or 180.0

    @classmethod
    def connect(
        cls, host: str, port: int, *, context: ssl.SSLContext | None, starttls: bool = False,
        server_hostname: str = "", fingerprints: tuple[str, ...] = (), timeout: float = 180.0,
    ) -> Session:  # fmt: skip
        """Connect, with TLS from the first octet (RFC 8314) or by STLS, and read greeting and capabilities.

        context: None leaves the connection plain: the caller has made sure that nobody else can listen.
        server_hostname: the name that the certificate must have, if not host. fingerprints: SHA-256, one of which
        the certificate must have besides. timeout: seconds of silence that are borne.
        """
        name = server_hostname or host
        try:
            connection = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise NetworkError(f"no connection to the POP3 server {host}:{port}: {_reason(error)}") from error
        except (UnicodeError, OverflowError) as error:
            raise ConfigError(f"{host}:{port} cannot be the address of a POP3 server") from error
        try:
            session = cls(connection, host)
        except OSError as error:  # reset at once
            connection.close()
            raise NetworkError(f"no connection to the POP3 server {host}:{port}: {_reason(error)}") from error
        try:
            if context is not None and not starttls:
                session._start_tls(context, name, fingerprints)
            session._expect_ok("the greeting", session._line())
            session.capabilities = session.capa()
            if context is not None and starttls:
                if "STLS" not in session.capabilities:
                    raise Pop3Error(
                        f"the POP3 server {host}:{port} does not offer STLS, and nothing is sent without TLS",
                        hint="Use its TLS port, usually 995, without starttls.",
                    )
                session.command("STLS")
                if session._buffer:  # what came before TLS, somebody else may have written
                    raise Pop3Error(f"the POP3 server {host}:{port} sent more than its answer to STLS")
                session._start_tls(context, name, fingerprints)
                session.capabilities = session.capa()
        except BaseException:
            session.close()
            raise
        return session

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; without quit(), nothing that was marked is deleted (RFC 1939 section 6)."""
        self._socket.close()

    def capa(self) -> dict[str, tuple[str, ...]]:
        """What the server can do (RFC 2449 section 5), by name in capitals; {} where it does not know CAPA."""
        self._send(b"CAPA")
        if not self._line().startswith(b"+OK"):
            return {}
        words = (line.split() for line in self._multiline(LINE_LIMIT).decode("ascii", "replace").splitlines())
        return {name.upper(): tuple(arguments) for name, *arguments in filter(None, words)}

    def authenticate(self, mechanism: str, user: str, access_token: str, *, port: int, one_line: bool = False) -> None:
        """Sign in by XOAUTH2 or OAUTHBEARER (RFC 5034), in two steps unless one_line and the line is short enough.

        A refusal comes as a challenge with JSON in it (RFC 7628 section 3.2.3): a `+` there is no success.
        Raises AuthenticationRejected where the token was refused; NetworkError, MaildropLocked where the server
        had a bad day.
        """
        response = sasl.encode(sasl.initial_response(mechanism, user, access_token, host=self.host, port=port))
        command = f"AUTH {mechanism.upper()}".encode()
        if one_line and len(command) + len(response) + 3 <= INITIAL_RESPONSE_LIMIT:
            self._send(command + b" " + response)
        else:
            self._send(command)
            prompt = self._line()
            if not prompt.startswith(b"+") or prompt.startswith(b"+OK"):
                raise self._error(f"AUTH {mechanism.upper()}", prompt)
            self._send(response)
        answer = self._line()
        challenge: dict[str, str] = {}
        if answer.startswith(b"+") and not answer.startswith(b"+OK"):
            challenge = sasl.read_refusal(answer[1:].strip().decode("ascii", "replace"))
            self._send(sasl.encode(sasl.answer_to_refusal(mechanism)))
            answer = self._line()
            if answer.startswith(b"+OK"):
                raise Pop3Error(f"the POP3 server {self.host} first refused the token and then took it")
        elif answer.startswith(b"+OK"):
            return
        # A server may send back what it was sent; a message never holds a token.
        for secret in (access_token, response.decode()):
            answer = answer.replace(secret.encode(), b"(the token)")
            challenge = {key: value.replace(secret, "(the token)") for key, value in challenge.items()}
        raise self._refused(user, answer, challenge)

    def command(self, line: str) -> str:
        """Send a command and return the text behind +OK."""
        self._send(line.encode())
        return self._expect_ok(line.split()[0], self._line())

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their octets."""
        count, octets = self._numbers(self.command("STAT"), "STAT")
        return count, octets

    def sizes(self) -> dict[int, int]:
        """Every message's number and octets (LIST)."""
        return self._listing("LIST", lambda text: _number(text.split()[0], least=0))

    def unique_ids(self) -> dict[int, str]:
        """Every message's number and unique-id (UIDL, RFC 1939 section 7)."""
        return self._listing("UIDL", _unique_id)

    def retrieve(self, number: int) -> bytes:
        """A whole message, its lines ending in CRLF, without the dots that were stuffed in."""
        self.command(f"RETR {number}")
        return self._multiline(MULTILINE_LIMIT)

    def top(self, number: int, lines: int = 0) -> bytes:
        """A message's header and so many lines of its body."""
        self.command(f"TOP {number} {lines}")
        return self._multiline(MULTILINE_LIMIT)

    def delete(self, number: int) -> None:
        """Mark a message; it is deleted by quit() and by nothing else (RFC 1939 section 6)."""
        self.command(f"DELE {number}")

    def reset(self) -> None:
        """Take all marks back."""
        self.command("RSET")

    def quit(self) -> None:
        """Delete what was marked, and close. Raises Pop3Error where the server could not delete all of it."""
        try:
            self.command("QUIT")
        finally:
            self.close()

    # -- the wire

    def _start_tls(self, context: ssl.SSLContext, name: str, fingerprints: tuple[str, ...]) -> None:
        try:
            secured = context.wrap_socket(self._socket, server_hostname=name)
        except ssl.SSLEOFError as error:
            raise NetworkError(f"the POP3 server {name} closed the connection in the TLS handshake") from error
        except ssl.SSLError as error:
            message, hint = tls.explain(error, name)
            raise Pop3Error(message, hint=hint) from error
        except OSError as error:
            raise NetworkError(f"no TLS connection to {name}: {_reason(error)}") from error
        except ValueError as error:
            raise ConfigError(f"{name} cannot be the name in a certificate") from error
        self._socket = secured
        if fingerprints and not tls.fingerprint_matches(secured.getpeercert(binary_form=True) or b"", fingerprints):
            raise Pop3Error(
                f"the TLS certificate of {name} has none of the expected fingerprints",
                hint="Nothing was sent. If the server has a new certificate, put its SHA-256 into the configuration.",
            )

    def _send(self, line: bytes) -> None:
        try:
            self._socket.sendall(line + b"\r\n")
        except OSError as error:
            raise NetworkError(f"the connection to {self.host} broke: {_reason(error)}") from error

    def _fill(self, pace: _Pace) -> None:
        """Read a block into the buffer."""
        try:
            block = self._socket.recv(_BLOCK)
        except TimeoutError:
            raise NetworkError(f"the POP3 server {self.host} was silent for {self._timeout:.0f} seconds") from None
        except OSError as error:
            raise NetworkError(f"the connection to {self.host} broke: {_reason(error)}") from error
        if not block:
            raise NetworkError(f"the POP3 server {self.host} closed the connection")
        if not pace.keeps_up(len(block)):
            raise NetworkError(f"the POP3 server {self.host} sends too slowly")
        self._buffer += block

    def _line(self) -> bytes:
        pace = _Pace(self._timeout)
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise Pop3Error(f"the POP3 server {self.host} sent a line without an end")
            self._fill(pace)
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def _multiline(self, limit: int) -> bytes:
        """The lines after +OK up to the one with a single dot (RFC 1939 section 3)."""
        pace = _Pace(self._timeout)
        # The answer may be empty: then its end is the very first line, so look as if a CRLF stood before it.
        data, self._buffer = bytearray(b"\r\n") + self._buffer, bytearray()
        searched = 0
        while (end := data.find(_END, searched)) < 0:
            searched = max(0, len(data) - len(_END) + 1)
            if len(data) > limit:
                raise Pop3Error(f"the POP3 server {self.host} sent an answer of more than {limit} octets")
            self._fill(pace)
            data += self._buffer
            self._buffer.clear()
        self._buffer = data[end + len(_END) :]
        del data[end + 2 :]
        return bytes(memoryview(data.replace(b"\r\n.", b"\r\n"))[2:])

    def _listing(self, command: str, convert: Callable[[str], Item]) -> dict[int, Item]:
        self.command(command)
        found: dict[int, Item] = {}
        for line in self._multiline(MULTILINE_LIMIT).splitlines():
            try:
                number, value = line.decode("utf-8", "backslashreplace").split(None, 1)
                found[_number(number)] = convert(value.strip())
            except ValueError:
                raise Pop3Error(
                    f"the POP3 server {self.host} answered {command} with {_text(line)!r}",
                    hint="If its unique-ids cannot be used, set unique_ids = false." if command == "UIDL" else "",
                ) from None
        return found

    def _numbers(self, text: str, command: str) -> list[int]:
        try:
            first, second = (_number(word, least=0) for word in text.split()[:2])
        except ValueError:
            raise Pop3Error(f"the POP3 server {self.host} answered {command} with {text!r}") from None
        return [first, second]

    # -- what a refusal means

    def _expect_ok(self, command: str, line: bytes) -> str:
        if not line.startswith(b"+OK"):
            raise self._error(command, line)
        return _text(line[3:])

    def _error(self, command: str, line: bytes) -> Pop3Error | NetworkError:
        """Make an error of a line that is not +OK, by its response code (RFC 2449 section 8, RFC 3206)."""
        said = f"the POP3 server {self.host} answered {command} with {_text(line)!r}"
        match _response_code(line):
            case "IN-USE":
                return MaildropLocked(f"another session has the maildrop open ({said})", hint="The next run will do.")
            case "LOGIN-DELAY":
                return MaildropLocked(f"the server wants a pause between sign-ins ({said})", hint="Run less often.")
            case "SYS/TEMP":
                return NetworkError(f"the server has a passing fault ({said})")
            case "SYS/PERM":
                return Pop3Error(f"the server has a lasting fault ({said})")
            case "AUTH":
                return AuthenticationRejected(f"the sign-in was refused ({said})")
        return Pop3Error(said)

    def _refused(self, user: str, line: bytes, challenge: Mapping[str, str]) -> Pop3Error | NetworkError:
        if _response_code(line) not in ("", "AUTH"):
            return self._error("AUTH", line)  # it was not the token
        details = one_line(", ".join(f"{key} {one_line(value, 200)}" for key, value in challenge.items()), 600)
        return AuthenticationRejected(
            f"the POP3 server {self.host} refused the access token for {user}: {_text(line)}"
            + (f" ({details})" if details else "")
        )


class _Pace:
    """Watches that a server goes on: silence ends a read by itself, dripping octet by octet would not."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._received = 0

    def keeps_up(self, octets: int) -> bool:
        """Count what came; False where the last `seconds` brought less than _LEAST_PER_TIMEOUT."""
        self._received += octets
        now = time.monotonic()
        if now - self._began <= self._seconds:
            return True
        enough = self._received >= _LEAST_PER_TIMEOUT
        self._began, self._received = now, 0
        return enough


def _number(text: str, least: int = 1) -> int:
    """A number as RFC 1939 writes it. Raises ValueError."""
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise ValueError(text)
    return int(text)


def _unique_id(text: str) -> str:
    """RFC 1939 section 7 allows 0x21 to 0x7E; what a terminal and a file can bear is let pass. Raises ValueError."""
    if not text or not text.isprintable():
        raise ValueError(text)
    return text


def _response_code(line: bytes) -> str:
    """The code in brackets that may follow -ERR, in capitals, without its lower levels; "" where there is none."""
    text = line.decode("ascii", "replace").upper()
    code = text[6:].partition("]")[0] if text.startswith("-ERR [") else ""
    return "/".join(code.split("/")[: 2 if code.startswith("SYS/") else 1])


def _text(line: bytes) -> str:
    """What the server said, fit for a message."""
    return one_line(line.decode("utf-8", "backslashreplace"), 300)


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__
