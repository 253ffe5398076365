"""Signing in to a POP3 server with an access token (AUTH, RFC 5034)."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.errors import AuthenticationRejected, NetworkError, Pop3Error, one_line
from oauth2_pop3.pop3 import refusals, sasl
from oauth2_pop3.pop3.connection import Connection
from oauth2_pop3.pop3.responses import is_success, text_of

INITIAL_RESPONSE_LIMIT = 255
"""Octets of a whole command line with CRLF (RFC 2449 section 4), also of AUTH with an initial response (RFC 5034)."""


class Authentication:
    """One exchange of AUTH, by XOAUTH2 or OAUTHBEARER. port: the server's, as OAUTHBEARER names it."""

    def __init__(self, wire: Connection, mechanism: str, port: int) -> None:
        self._wire = wire
        self._mechanism = mechanism
        self._port = port

    def sign_in(self, user: str, access_token: str, *, one_line: bool = False) -> None:
        """Sign in to a user's mailbox.

        one_line: whether to send the initial response with AUTH, in one step instead of two, if the line is short
        enough.

        A refusal comes as a challenge with JSON in it (RFC 7628 section 3.2.3), so a `+` there does not mean success.
        Raises AuthenticationRejected if the token was refused, and NetworkError or MaildropLocked for a temporary
        problem.
        """
        initial = self._initial_response(user, access_token)
        response, challenge = self._exchange(initial, one_line=one_line)
        if is_success(response):
            if challenge is None:
                return
            raise Pop3Error(f"the POP3 server {self._wire.host} first refused the token and then accepted it")
        # A server may send back what it was sent, but a message must never contain a token.
        details = challenge or {}
        for secret in (access_token, initial.decode()):
            response = response.replace(secret.encode(), b"(the token)")
            details = {key: value.replace(secret, "(the token)") for key, value in details.items()}
        raise self._refused(user, response, details)

    def refusal(self, user: str, access_token: str) -> dict[str, str]:
        """The JSON with which the server refuses a token (RFC 7628 section 3.2.2); {} if it gives none.

        This is for a token that is meant to be refused: discovery reads in the refusal which authorization server
        the POP3 server trusts. Raises Pop3Error if the server does not take the mechanism.
        """
        return self._exchange(self._initial_response(user, access_token))[1] or {}

    def _initial_response(self, user: str, access_token: str) -> bytes:
        host = self._wire.host
        return sasl.encode(sasl.initial_response(self._mechanism, user, access_token, host=host, port=self._port))

    def _exchange(self, initial_response: bytes, *, one_line: bool = False) -> tuple[bytes, dict[str, str] | None]:
        """The server's last response, and the JSON of its challenge; None if it did not send a challenge."""
        command = f"AUTH {self._mechanism.upper()}".encode()
        if one_line and len(command) + len(initial_response) + 3 <= INITIAL_RESPONSE_LIMIT:
            self._wire.send(command + b" " + initial_response)
        else:
            self._wire.send(command)
            prompt = self._wire.line()
            if not _is_challenge(prompt):
                raise refusals.response_error(self._wire.host, command.decode(), prompt)
            self._wire.send(initial_response)
        response = self._wire.line()
        if not _is_challenge(response):
            return response, None
        challenge = sasl.read_refusal(response[1:].strip().decode("ascii", "replace"))
        self._wire.send(sasl.encode(sasl.response_to_refusal(self._mechanism)))
        return self._wire.line(), challenge

    def _refused(self, user: str, line: bytes, challenge: Mapping[str, str]) -> Pop3Error | NetworkError:
        details = one_line(", ".join(f"{key} {one_line(value, 200)}" for key, value in challenge.items()), 600)
        if refusals.is_temporary(challenge.get("status", "")):
            error = NetworkError(
                f"the POP3 server {self._wire.host} could not check the access token for {user}: {text_of(line)} "
                f"({details})"
            )
            error.response_code = "SYS/TEMP"
            return error
        if refusals.judge(line, user).code not in ("", "AUTH"):
            return refusals.response_error(self._wire.host, "AUTH", line, mailbox=user)  # not about the token
        return AuthenticationRejected(
            f"the POP3 server {self._wire.host} refused the access token for {user}: {text_of(line)}"
            + (f" ({details})" if details else "")
        )


def _is_challenge(line: bytes) -> bool:
    """Whether it is a continuation (RFC 5034 section 4) and not a success. hMailServer's "+ERR" is neither."""
    return line.startswith(b"+") and not is_success(line) and not line.startswith(b"+ERR")
