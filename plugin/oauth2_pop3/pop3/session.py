"""The client's side of a POP3 session: RFC 1939, with CAPA, response codes, STLS and AUTH (RFC 2449, 3206, 2595, 5034).

dialogue.py, one level down, matches responses to commands; connection.py, below that, sends and reads the octets.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from oauth2_pop3.errors import AuthenticationRejected, NetworkError, OutOfStep, Pop3Error
from oauth2_pop3.pop3.authentication import Authentication
from oauth2_pop3.pop3.connection import COLLECTED_LIMIT, LINE_LIMIT, Connection
from oauth2_pop3.pop3.dialogue import Command, Dialogue
from oauth2_pop3.pop3.listing import Listing, count_of, octets_of, unique_id_of
from oauth2_pop3.pop3.refusals import response_error
from oauth2_pop3.pop3.responses import capabilities_of, is_refusal, is_success, text_of
from oauth2_pop3.pop3.socket import Wait, wait


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
        self._careful = False

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
            session.dialogue.expect_ok("the greeting", session._greeting(port))
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

    def _greeting(self, port: int) -> bytes:
        line = self._wire.line()
        if not is_success(line) and not is_refusal(line):
            raise Pop3Error(
                f"the server at {self.host}:{port} does not speak POP3, its greeting is {text_of(line)!r}",
                hint="Check server and port; POP3 with TLS usually has port 995.",
            )
        return line

    def capa(self) -> dict[str, tuple[str, ...]]:
        """Ask for the capabilities (RFC 2449 section 5), by name in capitals; {} if the server does not know CAPA."""
        command = Command("CAPA", multiline=True, limit=LINE_LIMIT, skips=True)
        self._wire.send(b"CAPA")
        line = self.dialogue.first_line(command)
        if not is_success(line):
            self._capa_refused = line
            return {}
        known = capabilities_of(self._wire.multiline(LINE_LIMIT))
        self.dialogue.pipelining = "PIPELINING" in known and not self._careful
        return known

    def _raise_what_passes(self) -> None:
        """Raise the error of a CAPA that was refused for now: what the server can do is not known then."""
        error = response_error(self.host, "CAPA", self._capa_refused)
        if isinstance(error, NetworkError) or error.response_code:
            raise error

    def authenticate(self, mechanism: str, user: str, access_token: str, *, port: int, one_line: bool = False) -> None:
        """Sign in. The parameters and errors are those of Authentication.sign_in()."""
        self._authentication(mechanism, port).sign_in(user, access_token, one_line=one_line)

    def refusal(self, mechanism: str, user: str, access_token: str, *, port: int) -> dict[str, str]:
        """The JSON with which the server refuses a token. More at Authentication.refusal()."""
        return self._authentication(mechanism, port).refusal(user, access_token)

    def _authentication(self, mechanism: str, port: int) -> Authentication:
        return Authentication(self._wire, mechanism, port)

    def take_care(self) -> None:
        """For a server that gets out of step: from now on one command at a time, and stray lines are skipped.

        They are skipped before responses that speak for themselves, or that cannot do any harm if they are mistaken.
        """
        self._careful = True
        self.dialogue.pipelining = False

    def retrieval(self, number: int, limit: int) -> Command:
        """The command for a whole message. limit: octets that are read at most."""
        return Command(f"RETR {number}", multiline=True, limit=limit, skips=self._careful)

    def command(self, line: str, *, skips: bool = False) -> str:
        """Send a command and return the text after +OK."""
        command = Command(line, skips=skips)
        self.dialogue.send(command)
        return self.dialogue.response(command)

    def stat(self) -> tuple[int, int]:
        """The number of messages, and their octets together."""
        return count_of(self.command("STAT"), self.host)

    def check(self, sent: Command | None = None) -> None:
        """Find out by a STAT whether the responses still match the commands. Raises OutOfStep.

        sent: the STAT, if it was sent already. STAT has the one response that no other command and no message has.
        """
        command = sent or Command("STAT")
        if sent is None:
            self.dialogue.send(command)
        try:
            text = self.dialogue.response(command)
        except (AuthenticationRejected, OutOfStep):
            raise
        except (Pop3Error, NetworkError) as error:
            if isinstance(error, NetworkError) and not error.response_code:
                raise
            return  # refused, but that is a response to it
        count_of(text, self.host)

    def sizes(self) -> dict[int, int]:
        """The octets of every message, by its number (LIST)."""
        listing = self._listing_of_sizes()
        self._ask(self._collecting("LIST", skips=self._careful), listing.write)
        return listing.end()

    def listings(self) -> tuple[dict[int, int], dict[int, str]]:
        """The octets (LIST) and the unique-ids (UIDL, RFC 1939 section 7) of every message, by its number."""
        sizes = self._listing_of_sizes()
        hint = "If its unique-ids cannot be used, set unique_ids = false."
        unique_ids = Listing("UIDL", self.host, unique_id_of, hint)
        commands = [self._collecting(line, skips=self._careful) for line in ("LIST", "UIDL")]
        for command, write in zip(self.dialogue.exchange(commands), (sizes.write, unique_ids.write), strict=True):
            self.dialogue.response(command, write)
        return sizes.end(), unique_ids.end()

    def _listing_of_sizes(self) -> Listing[int]:
        return Listing("LIST", self.host, octets_of)

    def top(self, number: int, lines: int = 0) -> bytes:
        """A message's header and the first lines of its body."""
        pieces: list[bytes] = []
        self._ask(self._collecting(f"TOP {number} {lines}"), pieces.append)
        return b"".join(pieces)

    def delete(self, number: int) -> None:
        """Mark a message. Only quit() deletes it (RFC 1939 section 6)."""
        self.command(f"DELE {number}", skips=self._careful)

    def delete_all(self, numbers: Iterable[int]) -> dict[int, Pop3Error]:
        """Mark messages, many at once if the server allows it. Returns the numbers it refused, and why."""
        refused: dict[int, Pop3Error] = {}
        ordered = list(numbers)
        commands = [Command(f"DELE {number}") for number in ordered]
        for number, command in zip(ordered, self.dialogue.exchange(commands), strict=True):
            try:
                self.dialogue.response(command)
            except (AuthenticationRejected, OutOfStep):
                raise
            except Pop3Error as error:
                refused[number] = error
        return refused

    def quit(self) -> None:
        """Delete what was marked, and close. Raises Pop3Error if the server could not delete all of it."""
        try:
            self.command("QUIT", skips=True)
        finally:
            self.close()

    def leave(self) -> None:
        """QUIT without waiting for the response: for a session in which nothing was retrieved or marked."""
        try:
            self.dialogue.send(Command("QUIT"))
        finally:
            self.close()

    @staticmethod
    def _collecting(line: str, *, skips: bool = False) -> Command:
        return Command(line, multiline=True, limit=COLLECTED_LIMIT, skips=skips)

    def _ask(self, command: Command, write: Callable[[bytes], object]) -> None:
        self.dialogue.send(command)
        self.dialogue.response(command, write)
