"""The errors of oauth2-pop3, what each means, and the exit code of sysexits.h that goes with it.

::

    OAuth2Pop3Error                        70
    ├── UsageError                         64  the command line
    ├── ConfigError                        78  config.toml or the host's own file
    │   └── DialectError                       at a file, line and directive
    ├── PluginError                        70  somebody's plugin
    ├── StateError                         74  a file of this program's own cannot be read or written
    │   ├── StateLocked                    75  another process has been using it for too long
    │   └── TokenStoreError                74  a token store cannot read or write tokens
    │       └── TokenNotFound              77  nobody has signed in yet
    ├── OAuthError                         76  the authorization server answered what it should not
    │   └── AuthorizationRequired          77  a person must sign in again
    ├── NetworkError                       75  passing: cron tries again
    └── Pop3Error                          76  the POP3 server answered what it should not
        ├── AuthenticationRejected         77  the token was refused
        ├── OutOfStep                      76  its responses cannot be told apart any more
        └── MaildropLocked                 75  in use, or asked for too often

75 (EX_TEMPFAIL) says: do nothing, the next run may work. 77 (EX_NOPERM) says: a person must act, and the
message says how. A message never holds a token, a password or a client secret.
"""

from __future__ import annotations

MESSAGE_LIMIT = 1500
"""Characters of a message: what servers say stands in it, and a terminal or a log has to bear it."""


def one_line(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Make what a stranger said fit for one line of a terminal: no control sequences, no line ends, not too long."""
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


class OAuth2Pop3Error(Exception):
    """Something that a person can be told about in a sentence.

    message: what happened. hint: what to do next, an imperative, where there is something to do.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = one_line(message)
        self.hint = one_line(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Both on one line: hosts such as getmail print an error that way."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class UsageError(OAuth2Pop3Error):
    """The command line does not say what is needed."""

    exit_code = 64


class ConfigError(OAuth2Pop3Error):
    """A configuration file says something that cannot be."""

    exit_code = 78


class DialectError(ConfigError):
    """A host's configuration file cannot be read at one place. line, column: from 1."""

    def __init__(
        self, message: str, *, file: str, line: int, column: int = 1, directive: str = "", hint: str = ""
    ) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}", hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.directive = directive


class PluginError(OAuth2Pop3Error):
    """A plugin cannot be loaded, or answers what its hook's specification does not allow."""


class StateError(OAuth2Pop3Error):
    """A file of this program's own (tokens, locks, registrations, faults) cannot be read or written."""

    exit_code = 74


class StateLocked(StateError):
    """Another process has held a lock for too long."""

    exit_code = 75


class TokenStoreError(StateError):
    """A token store cannot read or write tokens."""


class TokenNotFound(TokenStoreError):
    """The store has no token for this account."""

    exit_code = 77


class OAuthError(OAuth2Pop3Error):
    """The authorization server refused, or answered what the RFCs do not allow.

    code: the `error` of RFC 6749 section 5.2 or 4.1.2.1, where there was one.
    """

    exit_code = 76

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class AuthorizationRequired(OAuthError):
    """A person must sign in again: nothing that runs unattended can mend this."""

    exit_code = 77


class NetworkError(OAuth2Pop3Error):
    """A passing fault: no connection, no answer in time, 429 or 5xx.

    retry_after: seconds that the server asked to be left alone, or None.
    """

    exit_code = 75

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Pop3Error(OAuth2Pop3Error):
    """The POP3 server refused a command, or answered what RFC 1939 does not allow."""

    exit_code = 76


class AuthenticationRejected(Pop3Error):
    """The POP3 server refused the token (RFC 7628 section 3.2.3; -ERR [AUTH] of RFC 3206)."""

    exit_code = 77


class OutOfStep(Pop3Error):
    """The server sent more or less than it was asked for: what came for one message may belong to another."""


class MaildropLocked(Pop3Error):
    """Another session has the maildrop ([IN-USE]), or it was asked too soon ([LOGIN-DELAY]; RFC 2449)."""

    exit_code = 75
