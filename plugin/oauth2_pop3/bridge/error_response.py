"""Turn an error into the -ERR response that makes clients react correctly: try again later, or ask the user."""

from __future__ import annotations

from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    MaildropLocked,
    NetworkError,
    OAuth2Pop3Error,
    StateLocked,
    TokenNotFound,
)

_TEMPORARY = "SYS/TEMP"  # the response code for a temporary problem (RFC 3206)

_LIMIT = 510  # octets of a response without its line end (RFC 2449 section 4)
_BUSY = "unavailable"  # with "service", a server that is busy
_LOCKED = ("lock", "Lock", "LOCK", "wait")  # to fetchmail, each means that another session has the maildrop


def error_response(error: OAuth2Pop3Error) -> str:
    """-ERR with a response code and a text, as much as fits into one response.

    fetchmail looks for words in the text. It takes "service" together with "unavailable" for a temporary problem, but
    [SYS/TEMP] without them for a wrong password; and it finds the words of _LOCKED even inside an address.
    """
    code, text = _response_code(error), str(error)
    misleading = {"AUTH": (*_LOCKED, _BUSY), "SYS/PERM": (*_LOCKED, _BUSY), _TEMPORARY: _LOCKED}.get(code, ())
    if any(word in text for word in misleading):
        text = "the bridge says more on its standard error"
    if code == _TEMPORARY:
        text = f"service unavailable: {text}"
    line = f"-ERR [{code}] {text}"
    return line.encode("utf-8", "backslashreplace")[:_LIMIT].decode("utf-8", "ignore")


def _response_code(error: OAuth2Pop3Error) -> str:
    """The code in brackets (RFC 2449 section 8, RFC 3206)."""
    if error.response_code:
        return error.response_code
    if isinstance(error, AuthenticationRejected | AuthorizationRequired | TokenNotFound):
        return "AUTH"
    if isinstance(error, MaildropLocked):
        return "IN-USE"
    return _TEMPORARY if isinstance(error, NetworkError | StateLocked) else "SYS/PERM"
