"""A POP3 server for one client on one connection, which signs in to the real one with OAuth 2.0.

For clients that can do USER and PASS alone, fetchmail first of all: it greets, takes USER and PASS (or AUTH PLAIN),
signs in upstream with the token of the account that USER named, and from then on passes octets on in both directions,
so that every command after the sign-in is between the client and the real server. Where anybody could have connected
(bridge_socket), PASS must be the bridge password of the account or mailbox that USER names, and nothing is asked of
the real server before it was.
"""

from __future__ import annotations

import base64
import binascii
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts import account as accounts
from oauth2_pop3.bridge.client import Client, ClientGone
from oauth2_pop3.bridge.read_ahead import ReadAhead
from oauth2_pop3.bridge.relay import IDLE, Relay
from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    StateLocked,
    TokenNotFound,
    UsageError,
    one_line,
)
from oauth2_pop3.pop3.maildrop import Pop3Server, open_maildrop
from oauth2_pop3.pop3.session import Session

ATTEMPTS = 3
"""Sign-ins that may be refused on one connection; each wrong bridge password costs 1, 2, 4 seconds."""

_COMMANDS_BEFORE_SIGN_IN = 30
_TEMPORARY = "SYS/TEMP"
_LOCKED = ("lock", "Lock", "LOCK", "wait")
_CAPA = b"CAPA\r\n"
_TAKEN_OVER = frozenset(("SASL", "STLS", "USER", "IMPLEMENTATION"))


class Bridge:
    """One connection.

    account: whose token opens USER's mailbox, if it is not USER's own (a shared mailbox).
    with_password: the client must give USER's bridge password; has_proved_itself: it has. read_ahead: messages may be
    fetched before the client asks for them, where that changes nothing on the server.
    """

    def __init__(
        self,
        client: Client,
        server: Pop3Server,
        *,
        account: str = "",
        with_password: bool = False,
        read_ahead: bool = True,
    ) -> None:
        self.has_proved_itself = False
        self._client = client
        self._server = replace(server, wait=client.wait_for_server)
        self._account = account
        self._with_password = with_password
        self._reads_ahead = read_ahead
        self._session: Session | None = None
        self._known: dict[str, tuple[str, ...]] = {}
        self._refused = 0

    def run(self) -> None:
        """Serve the client to its end.

        Raises what connecting raises, before anything was said to the client: a host takes an end without a greeting
        for a passing fault (fetchmail: exit code 2). UsageError where the client does what no POP3 client does.
        """
        try:
            if not self._with_password:
                self._session = self._server.connect()
                self._known = dict(self._session.capabilities)
            self._client.send("+OK oauth2-pop3 at your service")
            if self._signed_in():
                self._pass_on()
        except ClientGone:
            pass  # nobody is there to be told
        finally:
            if self._session is not None:
                self._session.close()

    # -- before the sign-in

    def _signed_in(self) -> bool:
        """Answer the client until it has signed in; False where it leaves."""
        user = ""
        for _ in range(_COMMANDS_BEFORE_SIGN_IN):
            if (line := self._client.line()) is None:
                return False
            if line.endswith((b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0")):  # a web page that tries this port
                raise UsageError("the client speaks HTTP")
            command, _, argument = line.decode("utf-8", "surrogateescape").partition(" ")
            match command.upper():
                case "CAPA":
                    self._client.send("+OK", *self._capabilities(), ".")
                case "USER" if argument.strip():
                    user = argument.strip()
                    self._client.send("+OK")
                case "PASS" if user:
                    if self._sign_in(user, argument):
                        return True
                case "AUTH":
                    if (plain := self._plain(argument)) and self._sign_in(*plain):
                        return True
                case "QUIT":
                    self._client.send("+OK")
                    return False
                case _:
                    self._client.send("-ERR USER and PASS are expected")
            if self._refused >= ATTEMPTS:
                return False
        raise UsageError(f"the client has not signed in within {_COMMANDS_BEFORE_SIGN_IN} commands")

    def _capabilities(self) -> list[str]:
        """What the client may rely on: the server's own, but for what is taken over here.

        Before a bridge password was given the server was not asked: then what all servers with OAuth 2.0 have.
        """
        known = self._known or ({"TOP": (), "UIDL": ()} if self._with_password else {})
        codes = [code for code in ("RESP-CODES", "AUTH-RESP-CODE") if code not in known]
        return ["USER", "SASL PLAIN", *codes, *_lines(known)]

    def _plain(self, argument: str) -> tuple[str, str] | None:
        """User and password of AUTH PLAIN (RFC 4616, RFC 5034); None where there are none, and the client was told."""
        mechanism, _, response = argument.partition(" ")
        if mechanism.upper() != "PLAIN":
            self._client.send("-ERR PLAIN is the only mechanism here")
            return None
        if not response:
            self._client.send("+ ")
            response = (self._client.line() or b"*").decode("ascii", "replace")
        if response == "*":
            self._client.send("-ERR given up, as you like")
            return None
        try:
            authzid, authcid, password = base64.b64decode(response, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            self._client.send("-ERR that is no PLAIN message")
            return None
        user = authzid or authcid
        if not user:
            self._client.send("-ERR it names no user")
            return None
        if self._with_password and authcid.lower() != user.lower():  # a password opens its own mailbox alone
            password = ""
        return user, password

    def _is_let_in(self, user: str, password: str) -> bool:
        """Whether the password is the bridge password of USER; if not, every reason looks alike and takes as long."""
        from oauth2_pop3.bridge import (
            passwords as bridge_password,  # hashlib: a tenth of a start, and a plugin asks for no password
        )

        began = time.monotonic()
        why = bridge_password.fault(user, password.encode("utf-8", "surrogateescape"))
        if not why:
            self.has_proved_itself = True
            return True
        _say(one_line(why))
        time.sleep(max(0.0, began + 2**self._refused - time.monotonic()))
        self._refused += 1
        self._client.send("-ERR [AUTH] user or bridge password is wrong")
        return False

    def _sign_in(self, user: str, password: str) -> bool:
        """Sign in upstream and tell the client; a fault goes to standard error too, as some hosts show only that."""
        if self._with_password and not self._is_let_in(user, password):
            return False
        person = self._account or user
        mailbox = "" if person.lower() == user.lower() else user

        has_token = False

        def token(refused: str) -> str:
            nonlocal has_token
            has_token = False
            token = access.access_token(account, mailbox=mailbox, refused=refused)
            has_token = True
            return token

        connected, self._session = self._session, None
        try:
            account = accounts.load(person)
            provider = account.provider
            self._reads_ahead = self._reads_ahead and not provider.retrieved_once
            server = replace(self._server, preferred=provider.mechanisms, initial_response=provider.initial_response)
            self._session = open_maildrop(server, user, token, connected=connected)
        except OAuth2Pop3Error as error:
            if connected is not None:
                connected.close()
            broke = has_token and isinstance(error, NetworkError) and _TEMPORARY not in error.message
            if broke and not self._with_password:
                raise  # to the client it breaks as well, which knows that for a passing fault
            _say(str(error))
            self._refused += 1
            self._client.send(_cut(f"-ERR {_answer(error)}"))
            return False
        self._client.send("+OK")
        return True

    # -- after it

    def _pass_on(self) -> None:
        if self._session is None:
            return
        passage = ReadAhead(_TAKEN_OVER) if self._reads_ahead else None
        if passage is None:
            self._answer_capa(self._session)
        connected, received = self._session.release()
        self._session = None
        with connected:
            client = self._client
            Relay(connected, client.read_from, client.write_to, received, bytes(client.buffer), passage).run()

    def _answer_capa(self, session: Session) -> None:
        """Answer a CAPA that comes at once, without what is taken over; from any other command on, octets pass."""
        client = self._client
        client.seconds = IDLE
        while (begun := bytes(client.buffer[: len(_CAPA)]).upper()) == _CAPA or _CAPA.startswith(begun):
            if begun != _CAPA:
                if not client.more():
                    return
                continue
            del client.buffer[: len(_CAPA)]
            known = session.capa()
            client.send(*(("+OK", *_lines(known), ".") if known else ("-ERR",)))


def _lines(capabilities: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [" ".join((name, *words)) for name, words in capabilities.items() if name not in _TAKEN_OVER]


def _cut(line: str) -> str:
    """As much as fits into the 512 octets of a response (RFC 2449 section 4)."""
    return line.encode("utf-8", "backslashreplace")[:510].decode("utf-8", "ignore")


def _say(sentence: str) -> None:
    """To the administrator."""
    print(f"oauth2-pop3: {sentence}", file=sys.stderr, flush=True)  # noqa: T201


def _answer(error: OAuth2Pop3Error) -> str:
    """Code and text behind -ERR.

    fetchmail goes by words of the text: "service" and "unavailable" are a passing fault ([SYS/TEMP] alone is a wrong
    password to it), and any of _LOCKED is another session in the maildrop, as part of an address too.
    """
    code, text = _code(error), str(error)
    passing = code == _TEMPORARY and code not in error.message  # else it is what the server has said itself
    if code in ("AUTH", "SYS/PERM", _TEMPORARY) and any(word in text for word in (*_LOCKED, "unavailable")):
        text = "the bridge says more on its standard error"
    return f"[{code}] service unavailable: {text}" if passing else f"[{code}] {text}"


def _code(error: OAuth2Pop3Error) -> str:
    """The response code that makes a host do the right thing (RFC 2449 section 8, RFC 3206)."""
    if isinstance(error, AuthenticationRejected | AuthorizationRequired | TokenNotFound):
        return "AUTH"
    if isinstance(error, MaildropLocked):
        return "LOGIN-DELAY" if "LOGIN-DELAY" in error.message else "IN-USE"
    return _TEMPORARY if isinstance(error, NetworkError | StateLocked) else "SYS/PERM"
