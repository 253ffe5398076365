"""A POP3 server for one client on one connection, which signs in to the real server with OAuth 2.0.

It is for clients that know only USER and PASS, fetchmail first of all. It greets the client, takes USER and PASS (or
AUTH PLAIN), and signs in to the real server with the token of the account that USER named. From then on it passes
octets on in both directions, so that every command after the sign-in is between the client and the real server.

If anybody could have connected (peer.py decides), PASS must be the bridge password of the account or mailbox that USER
names. The real server is asked nothing before that.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from oauth2_pop3.accounts import access
from oauth2_pop3.accounts.account import Account, load_account
from oauth2_pop3.bridge.client import BridgeClient, ClientGone
from oauth2_pop3.bridge.error_response import error_response
from oauth2_pop3.bridge.messages_ahead import BRIDGE_LIMITS
from oauth2_pop3.bridge.read_ahead_proxy import ReadAheadProxy
from oauth2_pop3.bridge.relay import IDLE, Relay
from oauth2_pop3.bridge.report import report
from oauth2_pop3.errors import NetworkError, OAuth2Pop3Error, UsageError, one_line
from oauth2_pop3.pop3.maildrop import MaildropServer, open_maildrop
from oauth2_pop3.pop3.session import Session

ATTEMPTS = 3
"""Sign-ins that may be refused on one connection. The wrong bridge passwords among them cost 1, 2 and 4 seconds."""

_COMMANDS_BEFORE_SIGN_IN = 30
_CAPA = b"CAPA\r\n"
_TAKEN_OVER = frozenset(("SASL", "STLS", "USER", "IMPLEMENTATION"))  # capabilities that the client gets from us


class Bridge:
    """One connection.

    account: whose token opens the mailbox that USER names, if it is not USER's own (a shared mailbox).
    with_password: whether the client must give the bridge password of USER.
    read_ahead: whether messages may be fetched before the client asks for them, if that changes nothing on the server.
    has_proved_itself: whether the client has given the bridge password.
    """

    def __init__(
        self,
        client: BridgeClient,
        server: MaildropServer,
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
        self._limits = BRIDGE_LIMITS if read_ahead else replace(BRIDGE_LIMITS, messages=0)
        self._session: Session | None = None
        self._known: dict[str, tuple[str, ...]] = {}
        self._refused = 0
        self._has_token = False

    def run(self) -> None:
        """Serve the client until it leaves.

        Raises UsageError if the client does what no POP3 client does. If connecting fails before the client was
        greeted, that error is raised: a host takes an end without a greeting for a temporary problem (fetchmail: exit
        code 2).
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
        """Respond to the client until it has signed in; False if it leaves."""
        user = ""
        for _ in range(_COMMANDS_BEFORE_SIGN_IN):
            if (line := self._client.line()) is None:
                return False
            if line.endswith((b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0")):  # from a web page that tries this port
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
        """The capabilities before the sign-in: the server's own, except those that the bridge takes over.

        Before a bridge password was given the server has not been asked. Then they are those that all servers with
        OAuth 2.0 have.
        """
        known = self._known or ({"TOP": (), "UIDL": ()} if self._with_password else {})
        codes = [code for code in ("RESP-CODES", "AUTH-RESP-CODE") if code not in known]
        return ["USER", "SASL PLAIN", *codes, *_lines(known)]

    def _plain(self, argument: str) -> tuple[str, str] | None:
        """User and password of AUTH PLAIN (RFC 4616, RFC 5034); None if there are none and the client was told so."""
        mechanism, _, response = argument.partition(" ")
        if mechanism.upper() != "PLAIN":
            self._client.send("-ERR PLAIN is the only mechanism here")
            return None
        if not response:
            self._client.send("+ ")
            response = (self._client.line() or b"*").decode("ascii", "replace")
        if response == "*":
            self._client.send("-ERR the sign-in was cancelled")
            return None
        try:
            authzid, authcid, password = base64.b64decode(response, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            self._client.send("-ERR this is not a PLAIN message")
            return None
        user = authzid or authcid
        if not user:
            self._client.send("-ERR it names no user")
            return None
        if self._with_password and authcid.lower() != user.lower():  # a password opens only its own mailbox
            password = ""
        return user, password

    def _is_let_in(self, user: str, password: str) -> bool:
        """Whether the password is the bridge password of USER.

        The client cannot tell the reasons for a refusal apart, neither by the response nor by the time it takes.
        """
        # Only here: it imports hashlib, a tenth of the start-up time, and fetchmail's plugin needs no password.
        from oauth2_pop3.bridge import passwords

        began = time.monotonic()
        reason = passwords.reason_to_refuse(user, password.encode("utf-8", "surrogateescape"))
        if reason is None:
            self.has_proved_itself = True
            return True
        report(one_line(reason))
        time.sleep(max(0.0, began + 2**self._refused - time.monotonic()))
        self._refused += 1
        self._client.send("-ERR [AUTH] user or bridge password is wrong")
        return False

    def _sign_in(self, user: str, password: str) -> bool:
        """Sign in to the real server and tell the client the outcome.

        An error goes to standard error too, because some hosts show only that.
        """
        if self._with_password and not self._is_let_in(user, password):
            return False
        connected, self._session = self._session, None
        try:
            self._session = self._open(user, connected)
        except OAuth2Pop3Error as error:
            if connected is not None:
                connected.close()
            broke = self._has_token and isinstance(error, NetworkError) and not error.response_code
            if broke and not self._with_password:
                raise  # the client's connection ends too, which it knows for a temporary problem
            report(error)
            self._refused += 1
            self._client.send(error_response(error))
            return False
        self._client.send("+OK")
        return True

    def _open(self, user: str, connected: Session | None) -> Session:
        """Sign in to the mailbox. connected: a session with the server, if there is one already."""
        self._has_token = False
        person = self._account or user
        mailbox = "" if person.lower() == user.lower() else user
        account = load_account(person)
        provider = account.provider
        self._limits = self._limits.for_provider(provider)
        server = replace(self._server, preferred=provider.mechanisms, initial_response=provider.initial_response)
        return open_maildrop(server, user, partial(self._access_token, account, mailbox), connected=connected)

    def _access_token(self, account: Account, mailbox: str, refused: str) -> str:
        self._has_token = False
        token = access.access_token(account, mailbox=mailbox, refused=refused)
        self._has_token = True
        return token

    # -- after the sign-in

    def _pass_on(self) -> None:
        if self._session is None:
            return
        proxy = ReadAheadProxy(_TAKEN_OVER, self._limits) if self._limits.messages else None
        if proxy is None:
            self._respond_to_capa(self._session)
        connected, received = self._session.release()
        self._session = None
        with connected:
            client = self._client
            Relay(connected, client.read_from, client.write_to, received, bytes(client.buffer), proxy).run()

    def _respond_to_capa(self, session: Session) -> None:
        """Respond to a CAPA that the client sends first, without the capabilities that the bridge takes over.

        From any other command on, octets are passed on as they are.
        """
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
