"""The POP3 session, client side: RFC 1939 with CAPA and response codes (RFC 2449, 3206), STLS (2595), AUTH (5034).

dialogue.py, below it, keeps commands and responses together; connection.py is the wire.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from oauth2_pop3.errors import AuthenticationRejected, NetworkError, OutOfStep, Pop3Error, one_line
from oauth2_pop3.pop3 import sasl
from oauth2_pop3.pop3.connection import LINE_LIMIT, Connection
from oauth2_pop3.pop3.dialogue import Command, Dialogue, response_code, text_of
from oauth2_pop3.pop3.socket import Wait, wait

INITIAL_RESPONSE_LIMIT = 255
"""Octets of a whole command line with CRLF (RFC 2449 section 4), AUTH with an initial response too (RFC 5034)."""

Item = TypeVar("Item")
_LIST, _UIDL = Command("LIST", multiline=True), Command("UIDL", multiline=True)


class Session:
    """One connection. Every method raises NetworkError where the connection fails, Pop3Error where -ERR comes.

    Use connect(); then the attribute capabilities is there.
    """

    def __init__(self, wire: Connection) -> None:
        self.host = wire.host
        self.capabilities: Mapping[str, tuple[str, ...]] = {}
        self.dialogue = Dialogue(wire)
        self._wire = wire

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the server."""
        return self._wire.peer

    @classmethod
    def connect(
        cls, host: str, port: int, *, context: ssl.SSLContext | None, starttls: bool = False,
        server_hostname: str = "", fingerprints: tuple[str, ...] = (), timeout: float = 180.0,
        wait: Wait = wait,
    ) -> Self:  # fmt: skip
        """Connect, with TLS from the first octet (RFC 8314) or by STLS, and read greeting and capabilities.

        context: None leaves the connection plain: the caller has made sure that nobody else can listen.
        server_hostname: the name that the certificate must have, if not host. fingerprints: SHA-256, one of which
        the certificate must have besides. timeout: seconds of silence that are borne. wait: how the server is waited
        for, here and later; what it raises comes out of every method.
        """
        name = server_hostname or host
        wire = Connection.open(host, port, timeout, wait)
        session = cls(wire)
        try:
            if context is not None and not starttls:
                wire.start_tls(context, name, fingerprints)
            session.dialogue.expect_ok("the greeting", wire.line())
            session.capabilities = session.capa()
            if context is not None and starttls:
                if "STLS" not in session.capabilities:
                    raise Pop3Error(
                        f"the POP3 server {host}:{port} does not offer STLS, and nothing is sent without TLS",
                        hint="Use its TLS port, usually 995, without starttls.",
                    )
                session.command("STLS")
                if wire.has_more:  # what came before TLS, somebody else may have written
                    raise Pop3Error(f"the POP3 server {host}:{port} sent more than its answer to STLS")
                wire.start_tls(context, name, fingerprints)
                session.capabilities = session.capa()
        except BaseException:
            session.close()
            raise
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; without quit(), nothing that was marked is deleted (RFC 1939 section 6)."""
        self._wire.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the connection, and what has come that nobody has read: this object is of no use after it."""
        return self._wire.release()

    def capa(self) -> dict[str, tuple[str, ...]]:
        """What the server can do (RFC 2449 section 5), by name in capitals; {} where it does not know CAPA."""
        self._wire.send(b"CAPA")
        if not self._wire.line().startswith(b"+OK"):
            return {}
        words = (line.split() for line in self._wire.multiline(LINE_LIMIT).decode("ascii", "replace").splitlines())
        known = {name.upper(): tuple(arguments) for name, *arguments in filter(None, words)}
        self.dialogue.pipelining = "PIPELINING" in known
        return known

    def authenticate(self, mechanism: str, user: str, access_token: str, *, port: int, one_line: bool = False) -> None:
        """Sign in by XOAUTH2 or OAUTHBEARER (RFC 5034), in two steps unless one_line and the line is short enough.

        A refusal comes as a challenge with JSON in it (RFC 7628 section 3.2.3): a `+` there is no success.
        Raises AuthenticationRejected where the token was refused; NetworkError, MaildropLocked where the server
        had a bad day.
        """
        initial = sasl.encode(sasl.initial_response(mechanism, user, access_token, host=self.host, port=port))
        response, challenge = self._exchange(mechanism, initial, one_line=one_line)
        if response.startswith(b"+OK"):
            if challenge is None:
                return
            raise Pop3Error(f"the POP3 server {self.host} first refused the token and then took it")
        # A server may send back what it was sent; a message never holds a token.
        details = challenge or {}
        for secret in (access_token, initial.decode()):
            response = response.replace(secret.encode(), b"(the token)")
            details = {key: value.replace(secret, "(the token)") for key, value in details.items()}
        raise self._refused(user, response, details)

    def refusal(self, mechanism: str, user: str, access_token: str, *, port: int) -> dict[str, str]:
        """The JSON with which the server refuses a token (RFC 7628 section 3.2.2); {} if it gives none.

        This is for a token that is meant to be refused: discovery reads in the refusal which authorization server
        the POP3 server trusts. Raises Pop3Error if the server does not take the mechanism.
        """
        initial = sasl.encode(sasl.initial_response(mechanism, user, access_token, host=self.host, port=port))
        return self._exchange(mechanism, initial)[1] or {}

    def _exchange(
        self, mechanism: str, initial_response: bytes, *, one_line: bool = False
    ) -> tuple[bytes, dict[str, str] | None]:
        """The server's last response, and the JSON of its challenge; None if it did not send a challenge."""
        command = f"AUTH {mechanism.upper()}".encode()
        if one_line and len(command) + len(initial_response) + 3 <= INITIAL_RESPONSE_LIMIT:
            self._wire.send(command + b" " + initial_response)
        else:
            self._wire.send(command)
            prompt = self._wire.line()
            if not _is_challenge(prompt):
                raise self.dialogue.error(command.decode(), prompt)
            self._wire.send(initial_response)
        response = self._wire.line()
        if not _is_challenge(response):
            return response, None
        challenge = sasl.read_refusal(response[1:].strip().decode("ascii", "replace"))
        self._wire.send(sasl.encode(sasl.answer_to_refusal(mechanism)))
        return self._wire.line(), challenge

    def command(self, line: str) -> str:
        """Send a command and return the text behind +OK."""
        command = Command(line)
        self.dialogue.send(command)
        return self.dialogue.response(command)

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their octets."""
        count, octets = self._numbers(self.command("STAT"), "STAT")
        return count, octets

    def sizes(self) -> dict[int, int]:
        """Every message's number and octets (LIST)."""
        return self._sizes(self._lines("LIST"))

    def listings(self) -> tuple[dict[int, int], dict[int, str]]:
        """The same, and unique-ids (UIDL, RFC 1939 section 7), asked for together where the server allows it."""
        sizes, unique_ids = (self._read_lines(command) for command in self.dialogue.exchange([_LIST, _UIDL]))
        return self._sizes(sizes), self._unique_ids(unique_ids)

    def top(self, number: int, lines: int = 0) -> bytes:
        """A message's header and so many lines of its body."""
        return self._lines(f"TOP {number} {lines}")

    def delete(self, number: int) -> None:
        """Mark a message; it is deleted by quit() and by nothing else (RFC 1939 section 6)."""
        self.command(f"DELE {number}")

    def delete_all(self, numbers: Iterable[int]) -> dict[int, Pop3Error]:
        """Mark messages, many at once where the server allows it; returns what the server would not, and why."""
        refused: dict[int, Pop3Error] = {}
        ordered = list(numbers)
        commands = [Command(f"DELE {number}") for number in ordered]
        for number, command in zip(ordered, self.dialogue.exchange(commands), strict=True):
            try:
                self.dialogue.response(command)
            except AuthenticationRejected:
                raise
            except Pop3Error as error:
                refused[number] = error
        return refused

    def quit(self) -> None:
        """Delete what was marked, and close. Raises Pop3Error where the server could not delete all of it."""
        try:
            self.command("QUIT")
        finally:
            self.close()

    def leave(self) -> None:
        """QUIT without waiting for the response: for a session in which nothing was retrieved or marked."""
        try:
            self.dialogue.send(Command("QUIT"))
        finally:
            self.close()

    # -- reading answers

    def _lines(self, line: str) -> bytes:
        command = Command(line, multiline=True)
        self.dialogue.send(command)
        return self._read_lines(command)

    def _read_lines(self, command: Command) -> bytes:
        pieces: list[bytes] = []
        self.dialogue.response(command, pieces.append)
        return b"".join(pieces)

    def _sizes(self, lines: bytes) -> dict[int, int]:
        return self._listing("LIST", lines, lambda text: _number(text.split()[0], least=0))

    def _unique_ids(self, lines: bytes) -> dict[int, str]:
        return self._listing("UIDL", lines, _unique_id)

    def _listing(self, command: str, lines: bytes, convert: Callable[[str], Item]) -> dict[int, Item]:
        found: dict[int, Item] = {}
        for line in lines.splitlines():
            try:
                number, value = line.decode("utf-8", "backslashreplace").split(None, 1)
                found[_number(number)] = convert(value.strip())
            except ValueError:
                raise Pop3Error(
                    f"the POP3 server {self.host} answered {command} with {text_of(line)!r}",
                    hint="If its unique-ids cannot be used, set unique_ids = false." if command == "UIDL" else "",
                ) from None
        return found

    def _numbers(self, text: str, command: str) -> list[int]:
        try:
            first, second = (_number(word, least=0) for word in text.split()[:2])
        except ValueError:
            raise OutOfStep(f"the POP3 server {self.host} answered {command} with {text!r}") from None
        return [first, second]

    # -- what a refusal means

    def _refused(self, user: str, line: bytes, challenge: Mapping[str, str]) -> Pop3Error | NetworkError:
        if response_code(line) not in ("", "AUTH"):
            return self.dialogue.error("AUTH", line)  # it was not the token
        details = one_line(", ".join(f"{key} {one_line(value, 200)}" for key, value in challenge.items()), 600)
        return AuthenticationRejected(
            f"the POP3 server {self.host} refused the access token for {user}: {text_of(line)}"
            + (f" ({details})" if details else "")
        )


def _is_challenge(line: bytes) -> bool:
    """Whether it is a continuation (RFC 5034 section 4) and no success."""
    return line.startswith(b"+") and not line.startswith(b"+OK")


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
