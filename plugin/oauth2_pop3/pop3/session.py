"""The client's side of a POP3 session: RFC 1939, with CAPA, response codes, STLS and AUTH (RFC 2449, 3206, 2595, 5034).

dialogue.py, one level down, matches responses to commands; connection.py, below that, sends and reads the octets.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from oauth2_pop3.errors import AuthenticationRejected, OutOfStep, Pop3Error
from oauth2_pop3.pop3.authentication import Authentication
from oauth2_pop3.pop3.connection import LINE_LIMIT, Connection
from oauth2_pop3.pop3.dialogue import Command, Dialogue
from oauth2_pop3.pop3.refusals import response_error
from oauth2_pop3.pop3.responses import capabilities_of, number_of, text_of, unique_id_of
from oauth2_pop3.pop3.socket import Wait, wait

Item = TypeVar("Item")
_LIST, _UIDL = Command("LIST", multiline=True), Command("UIDL", multiline=True)


class Session:
    """One connection to a POP3 server; connect() makes one.

    host: the server's name.
    capabilities: what the server could do at the last CAPA of connect().

    Every method raises NetworkError if the connection fails, and Pop3Error if the server responds with -ERR.
    """

    def __init__(self, wire: Connection) -> None:
        self.host = wire.host
        self.capabilities: Mapping[str, tuple[str, ...]] = {}
        self.dialogue = Dialogue(wire)
        self._wire = wire
        self._capa_refused = b""

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the server."""
        return self._wire.peer

    @classmethod
    def connect(
        cls,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None,
        starttls: bool = False,
        server_hostname: str = "",
        fingerprints: tuple[str, ...] = (),
        timeout: float = 180.0,
        wait: Wait = wait,
    ) -> Self:
        """Connect, with TLS from the first octet (RFC 8314) or by STLS, and read greeting and capabilities.

        context: None leaves the connection plain. The caller makes sure that nobody else can listen.
        server_hostname: the name that the certificate must have, if it is not host.
        fingerprints: of SHA-256 or MD5; if there are any, the certificate must also have one of them.
        timeout: seconds the server may stay silent.
        wait: the function that waits for the server, now and later. What it raises comes out of every method.
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
                    session._raise_what_passes()
                    raise Pop3Error(
                        f"the POP3 server {host}:{port} does not offer STLS, and nothing is sent without TLS",
                        hint="Use its TLS port, usually 995, without starttls.",
                    )
                session.command("STLS")
                if wire.has_more:  # what came before TLS may be somebody else's
                    raise Pop3Error(f"the POP3 server {host}:{port} sent more than its response to STLS")
                wire.start_tls(context, name, fingerprints)
                session.capabilities = session.capa()
        except BaseException:  # a signal too: nobody else knows of this connection
            session.close()
            raise
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Without quit(), nothing that was marked is deleted (RFC 1939 section 6)."""
        self._wire.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, and what has come that nobody has read. This object cannot be used afterwards."""
        return self._wire.release()

    def capa(self) -> dict[str, tuple[str, ...]]:
        """Ask for the capabilities (RFC 2449 section 5), by name in capitals; {} if the server does not know CAPA."""
        self._wire.send(b"CAPA")
        if not (line := self._wire.line()).startswith(b"+OK"):
            self._capa_refused = line
            return {}
        known = capabilities_of(self._wire.multiline(LINE_LIMIT))
        self.dialogue.pipelining = "PIPELINING" in known
        return known

    def _raise_what_passes(self) -> None:
        """Raise the error of a CAPA that was refused for now: what the server can do is not known then."""
        error = response_error(self.host, "CAPA", self._capa_refused)
        if error.response_code:
            raise error

    def authenticate(self, mechanism: str, user: str, access_token: str, *, port: int, one_line: bool = False) -> None:
        """Sign in. The parameters and errors are those of Authentication.sign_in()."""
        self._authentication(mechanism, port).sign_in(user, access_token, one_line=one_line)

    def refusal(self, mechanism: str, user: str, access_token: str, *, port: int) -> dict[str, str]:
        """The JSON with which the server refuses a token. More at Authentication.refusal()."""
        return self._authentication(mechanism, port).refusal(user, access_token)

    def _authentication(self, mechanism: str, port: int) -> Authentication:
        return Authentication(self._wire, mechanism, port)

    def command(self, line: str) -> str:
        """Send a command and return the text after +OK."""
        command = Command(line)
        self.dialogue.send(command)
        return self.dialogue.response(command)

    def stat(self) -> tuple[int, int]:
        """The number of messages, and their octets together."""
        text = self.command("STAT")
        try:
            count, octets = (number_of(word, least=0) for word in text.split()[:2])
        except ValueError:
            raise OutOfStep(f"the POP3 server {self.host} responded to STAT with {text!r}") from None
        return count, octets

    def sizes(self) -> dict[int, int]:
        """The octets of every message, by its number (LIST)."""
        return self._sizes(self._lines("LIST"))

    def listings(self) -> tuple[dict[int, int], dict[int, str]]:
        """The octets (LIST) and the unique-ids (UIDL, RFC 1939 section 7) of every message, by its number."""
        sizes, unique_ids = (self._read_lines(command) for command in self.dialogue.exchange([_LIST, _UIDL]))
        return self._sizes(sizes), self._unique_ids(unique_ids)

    def top(self, number: int, lines: int = 0) -> bytes:
        """A message's header and the first lines of its body."""
        return self._lines(f"TOP {number} {lines}")

    def delete(self, number: int) -> None:
        """Mark a message. Only quit() deletes it (RFC 1939 section 6)."""
        self.command(f"DELE {number}")

    def delete_all(self, numbers: Iterable[int]) -> dict[int, Pop3Error]:
        """Mark messages, many at once if the server allows it. Returns the numbers it refused, and why."""
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
        """Delete what was marked, and close. Raises Pop3Error if the server could not delete all of it."""
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

    # -- reading responses

    def _lines(self, line: str) -> bytes:
        command = Command(line, multiline=True)
        self.dialogue.send(command)
        return self._read_lines(command)

    def _read_lines(self, command: Command) -> bytes:
        pieces: list[bytes] = []
        self.dialogue.response(command, pieces.append)
        return b"".join(pieces)

    def _sizes(self, lines: bytes) -> dict[int, int]:
        return self._listing("LIST", lines, lambda text: number_of(text.split()[0], least=0))

    def _unique_ids(self, lines: bytes) -> dict[int, str]:
        return self._listing("UIDL", lines, unique_id_of)

    def _listing(self, command: str, lines: bytes, convert: Callable[[str], Item]) -> dict[int, Item]:
        found: dict[int, Item] = {}
        for line in lines.splitlines():
            try:
                number, value = line.decode("utf-8", "backslashreplace").split(None, 1)
                found[number_of(number)] = convert(value.strip())
            except ValueError:
                raise Pop3Error(
                    f"the POP3 server {self.host} responded to {command} with {text_of(line)!r}",
                    hint="If its unique-ids cannot be used, set unique_ids = false." if command == "UIDL" else "",
                ) from None
        return found
