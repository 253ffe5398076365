"""One POP3 session of the sandbox (RFC 1939): the states AUTHORIZATION, TRANSACTION and UPDATE.

The act says how a provider's server differs; the faults say what goes wrong for a test.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from oauth2_pop3.sandbox.pop3_server.bearer_responses import parse_response
from oauth2_pop3.sandbox.pop3_server.connection import (
    COMMAND_LIMIT,
    RESPONSE_LIMIT,
    Pop3Connection,
    Pop3State,
    SessionEnded,
    stuff_dots,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from oauth2_pop3.sandbox.pop3_server.maildrops import Maildrop, StoredMessage

AUTHORIZATION_COMMANDS = ("CAPA", "STLS", "USER", "PASS", "AUTH", "QUIT")
TRANSACTION_COMMANDS = ("STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "NOOP", "RSET")


class Pop3Session(Pop3Connection):
    """A session, from the greeting to QUIT. The method do_name serves the command NAME."""

    def __init__(self, request: Any, client_address: Any, server: Any, *, state: Pop3State) -> None:
        self.maildrop: Maildrop | None = None
        self.messages: list[StoredMessage] = []
        self.deleted: set[int] = set()
        self.retrieved: set[int] = set()
        super().__init__(request, client_address, server, state=state)

    def handle(self) -> None:
        """Serve the session, and release the maildrop at its end."""
        with self.state.lock:
            self.state.sessions += 1
            self.number = self.state.sessions
        if self.state.faults.close_on_connect:
            return
        try:
            self.ok(self.act.greeting)
            while True:
                self.serve_command(self.read_line(COMMAND_LIMIT))
        except SessionEnded:
            pass
        finally:
            self.release()

    def release(self) -> None:
        """Release the maildrop."""
        if self.maildrop:
            self.maildrop.lock.release()
            self.maildrop = None

    def serve_command(self, line: str) -> None:
        """Serve one command line."""
        name, _, arguments = line.partition(" ")
        name = name.upper()
        limit = self.act.initial_response_limit if name == "AUTH" and " " in arguments else COMMAND_LIMIT
        if limit and len(line.encode()) + 2 > limit:
            self.protocol_error()
            return
        if name not in (*AUTHORIZATION_COMMANDS, *TRANSACTION_COMMANDS):
            # Its name is not kept: a client that is out of step may have sent a token.
            self.state.commands.append("(unknown)")
            self.error("Unknown command.")
            return
        shown = {"PASS": "", "AUTH": arguments.partition(" ")[0]}.get(name, arguments)
        self.state.commands.append(f"{name} {shown}".strip())
        stalled = self.state.faults.stall_at == name
        if stalled and self.state.stopping.wait(self.state.faults.stall_seconds):
            raise SessionEnded
        if name in TRANSACTION_COMMANDS and self.maildrop is None:
            self.error("Sign in first.")
        else:
            getattr(self, f"do_{name.lower()}")(arguments)

    def do_capa(self, _arguments: str) -> None:
        """List capabilities (RFC 2449 section 5)."""
        lines = [line for line in self.act.capabilities if self.state.faults.uidl != "missing" or line != "UIDL"]
        self.ok()
        self.send_lines([*lines, f"SASL {' '.join(self.act.mechanisms)}" if self.secure else "STLS"])

    def do_stls(self, _arguments: str) -> None:
        """Start TLS (RFC 2595 section 4)."""
        if self.secure:
            self.error("TLS is active already.")
        else:
            self.ok("Begin TLS negotiation.")
            self.start_tls()

    def do_user(self, _arguments: str) -> None:
        """Refuse to sign in by password."""
        self.error("[AUTH] No passwords here: use AUTH.")

    do_pass = do_user

    def do_auth(self, arguments: str) -> None:
        """Sign in with a bearer token (RFC 5034, RFC 7628)."""
        mechanism, _, initial_response = arguments.partition(" ")
        mechanism = mechanism.upper()
        if self.maildrop:
            self.error("You are signed in.")
        elif not self.secure:
            self.error("[AUTH] Not without TLS.")
        elif mechanism not in self.act.mechanisms:
            self.error("Unknown mechanism.")
        elif initial_response and not self.act.initial_response_limit:
            self.protocol_error()
        else:
            self.authenticate(mechanism, initial_response or self.challenge(""))

    def challenge(self, data: str) -> str:
        """Send a challenge and read the client's response."""
        self.send(f"+ {data}")
        return self.read_line(RESPONSE_LIMIT)

    def authenticate(self, mechanism: str, response: str) -> None:
        """Check a client's response, and open the maildrop if it is good."""
        if response == "*":
            self.error("Aborted.")
            return
        try:
            user, access_token = parse_response(mechanism, response)
        except ValueError as error:
            self.error(f"[AUTH] {error}.")
            return
        if 0 < self.act.longest_access_token < len(access_token):
            self.protocol_error()
            return
        faults = self.state.faults
        account = self.state.account_of(access_token)
        maildrop = self.state.maildrops.opened_by(user or account, account) if account else None
        refused = faults.refuse_tokens_from is not None and self.number >= faults.refuse_tokens_from
        if maildrop is None or refused:
            self.refuse(mechanism)
        elif maildrop.switched_off:
            self.error(self.act.pop_switched_off)
        elif faults.sign_in_response:
            self.error(faults.sign_in_response)
        elif not maildrop.lock.acquire(blocking=False):
            self.error("[IN-USE] Another session has the maildrop.")
        else:
            self.maildrop = maildrop
            self.messages = maildrop.messages
            self.ok("Signed in.")

    def refuse(self, mechanism: str) -> None:
        """Refuse a token: send the error JSON, read an empty line or AQ==, send -ERR (RFC 7628 section 3.2.3)."""
        template = self.act.challenges.get(mechanism)
        if template:
            text = template.replace("@ISSUER@", self.state.issuer)
            response = self.challenge(base64.b64encode(text.encode()).decode())
            known = {"": "(empty line)", "AQ==": "AQ==", "*": "*"}
            self.state.commands.append(f"response: {known.get(response, '(something else)')}")
        self.error(self.act.rejected)

    def visible(self) -> list[tuple[int, StoredMessage]]:
        """The messages that are not marked as deleted, with their numbers."""
        numbered = enumerate(self.messages, 1)
        return [(number, message) for number, message in numbered if number not in self.deleted]

    def find(self, argument: str) -> tuple[int, StoredMessage] | None:
        """Find a message by its number, or send -ERR."""
        number = int(argument) if argument.isascii() and argument.isdigit() and len(argument) < 10 else 0
        if 1 <= number <= len(self.messages) and number not in self.deleted:
            return number, self.messages[number - 1]
        self.error("No such message.")
        return None

    def do_stat(self, _arguments: str) -> None:
        """Count messages and octets."""
        sizes = [len(message.content) for _, message in self.visible()]
        self.ok(f"{len(sizes)} {sum(sizes)}")

    def do_list(self, arguments: str) -> None:
        """List sizes."""
        self.listing(arguments, lambda message: str(len(message.content)))

    def do_uidl(self, arguments: str) -> None:
        """List unique-ids, unless there is a fault."""
        if self.state.faults.uidl == "missing":
            self.error("Unknown command.")
        else:
            same = self.state.faults.uidl == "duplicate"
            self.listing(arguments, lambda message: "same" if same else message.unique_id)

    def listing(self, argument: str, column: Callable[[StoredMessage], str]) -> None:
        """Respond to LIST or UIDL, for one message or for all."""
        if not argument:
            self.ok()
            self.send_lines(f"{number} {column(message)}" for number, message in self.visible())
        elif found := self.find(argument):
            self.ok(f"{found[0]} {column(found[1])}")

    def do_retr(self, arguments: str) -> None:
        """Send a message."""
        if found := self.find(arguments):
            number, message = found
            faults = self.state.faults
            content = message.content + (b"x" * faults.long_line + b"\r\n" if faults.long_line else b"")
            self.ok(f"{len(content)} octets")
            if faults.drop_in_retr == number:
                self.wfile.write(stuff_dots(content[: len(content) // 2]))
                raise SessionEnded
            self.retrieved.add(number)
            self.wfile.write(stuff_dots(content) + b".\r\n")

    def do_top(self, arguments: str) -> None:
        """Send a message's header and its first lines."""
        number, _, count = arguments.partition(" ")
        if not count.isdecimal():
            self.error("TOP needs a message number and a number of lines.")
        elif found := self.find(number):
            header, _, body = found[1].content.partition(b"\r\n\r\n")
            lines = body.split(b"\r\n")[: int(count)] if int(count) else []
            self.ok()
            self.wfile.write(stuff_dots(header + b"\r\n\r\n" + b"".join(b"%b\r\n" % x for x in lines)) + b".\r\n")

    def do_dele(self, arguments: str) -> None:
        """Mark a message as deleted; QUIT removes it."""
        if found := self.find(arguments):
            self.deleted.add(found[0])
            self.ok()

    def do_noop(self, _arguments: str) -> None:
        """Do nothing."""
        self.ok()

    def do_rset(self, _arguments: str) -> None:
        """Unmark all messages."""
        self.deleted.clear()
        self.ok()

    def do_quit(self, _arguments: str) -> None:
        """Enter the UPDATE state: only now are messages removed."""
        if self.maildrop:
            gone = self.deleted | (self.retrieved if self.act.expire_retrieved else set())
            self.state.maildrops.remove(self.maildrop, {self.messages[n - 1].unique_id for n in gone})
            self.release()  # before the response: the client's next session must not find it in use
        self.ok("Bye.")
        raise SessionEnded
