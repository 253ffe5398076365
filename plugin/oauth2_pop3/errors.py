"""The errors of oauth2-pop3, what each means, and its exit code (sysexits.h).

::

    OAuth2Pop3Error                        70
    ├── UsageError                         64  the command line is wrong
    ├── ConfigError                        78  config.toml or the host's own file is wrong
    │   └── DialectError                   78  the host's file is wrong, with its line and directive
    ├── PluginError                        70  a plugin is wrong
    ├── StateError                         74  a file of this program's own cannot be read or written
    │   ├── StateLocked                    75  another process has been using it for too long
    │   ├── TokenNotKept                   74  a refresh token that cannot be had again could not be stored
    │   └── TokenStoreError                74  a token store cannot read or write tokens
    │       └── TokenNotFound              77  nobody has signed in yet
    ├── OAuthError                         76  the authorization server refused, or its response is wrong
    │   ├── UnusableResponse               76  of oauth2/token.py: it may hold a refresh token, which must be kept
    │   └── AuthorizationRequired          77  a person must sign in again
    ├── NetworkError                       75  a temporary problem: cron tries again
    └── Pop3Error                          76  the POP3 server refused, or its response is wrong
        ├── AuthenticationRejected         77  the token was refused
        ├── MessageRefused                 76  one message cannot be had; the others can
        ├── OutOfStep                      76  the server's responses no longer match our commands
        └── MaildropLocked                 75  the maildrop is in use, or was opened too recently

75 (EX_TEMPFAIL): do nothing, the next run may succeed. 77 (EX_NOPERM): a person must act, and the message says how.
The command line itself ends with 74 (EX_IOERR) if standard output cannot be written.

A message never contains a token, a password or a client secret.
"""

from __future__ import annotations

MESSAGE_LIMIT = 1500
"""Characters of a message: servers' texts are quoted in it, and it must fit a terminal or a log."""


def one_line(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Make any text fit for one line of a terminal: no control sequences, no line ends, at most `limit` characters."""
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


class OAuth2Pop3Error(Exception):
    """An error that a person can be told about in a sentence.

    `message` says what happened. `hint` says what to do next, as an imperative; "" if there is nothing to do.
    `response_code` is set if a POP3 server said, by a response code or by words that stand for it, that the reason
    passes: SYS/TEMP, IN-USE or LOGIN-DELAY (RFC 2449 section 8, RFC 3206).
    """

    exit_code = 70
    response_code = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = one_line(message)
        self.hint = one_line(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return message and hint on one line, as hosts such as getmail print an error."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class UsageError(OAuth2Pop3Error):
    """The command line is wrong or incomplete."""

    exit_code = 64


class ConfigError(OAuth2Pop3Error):
    """A configuration file is wrong, or cannot be read or written."""

    exit_code = 78


class DialectError(ConfigError):
    """A host's configuration file cannot be understood at one place. `line` and `column` count from 1."""

    def __init__(
        self, message: str, *, file: str, line: int, column: int = 1, directive: str = "", hint: str = ""
    ) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}", hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.directive = directive


class PluginError(OAuth2Pop3Error):
    """A plugin cannot be loaded, or returns what its hook's specification does not allow."""


class StateError(OAuth2Pop3Error):
    """A file of this program's own (tokens, locks, registrations, faults) cannot be read or written."""

    exit_code = 74


class StateLocked(StateError):
    """Another process has held a lock for too long."""

    exit_code = 75


class TokenNotKept(StateError):
    """The server has replaced a refresh token, and the new one could not be stored: a person must sign in again."""


class TokenStoreError(StateError):
    """A token store cannot read or write tokens."""


class TokenNotFound(TokenStoreError):
    """The store has no token for this account."""

    exit_code = 77


class OAuthError(OAuth2Pop3Error):
    """The authorization server refused, or its response is not what the RFCs allow.

    `code` is the response's `error` (RFC 6749 sections 5.2 and 4.1.2.1), "" if it had none.
    """

    exit_code = 76

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class AuthorizationRequired(OAuthError):
    """A person must sign in again: nothing that runs unattended can solve this."""

    exit_code = 77


class NetworkError(OAuth2Pop3Error):
    """A temporary problem: no connection, no response in time, a limit, or a fault of the server such as 5xx.

    `retry_after` is how many seconds the server asks to wait (Retry-After), None if it does not say.
    """

    exit_code = 75

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Pop3Error(OAuth2Pop3Error):
    """The POP3 server refused a command, or its response is not what RFC 1939 allows."""

    exit_code = 76


class AuthenticationRejected(Pop3Error):
    """The POP3 server refused the token (RFC 7628 section 3.2.3; -ERR [AUTH] of RFC 3206)."""

    exit_code = 77


class MessageRefused(Pop3Error):
    """The POP3 server does not give out one message, or not in a way that can be read. The others may still come."""


class OutOfStep(Pop3Error):
    """The server sent more or less than it was asked for: a response may belong to another command."""


class MaildropLocked(Pop3Error):
    """Another session has the maildrop open ([IN-USE]), or it was opened too recently ([LOGIN-DELAY]; RFC 2449)."""

    exit_code = 75
