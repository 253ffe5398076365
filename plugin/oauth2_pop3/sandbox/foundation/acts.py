"""The parts that the sandbox can act: a provider's quirks as data (acts.toml).

To add an act, add a table to acts.toml. No code asks for an act by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from oauth2_pop3.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Act:
    """How one kind of authorization server and its POP3 server behave.

    The authorization server:
        scope: what a client asks for.
        extra_scopes: what it may ask for in addition.
        maildrop_scope: the scope that opens the maildrop.
        unlisted_scopes: granted, but not listed in the token response.
        authorization_parameters, refresh_token_scope: without these there is no refresh token.
        has_issuer: the provider's row names an issuer (RFC 8414) instead of each endpoint.
        sends_iss: the authorization response has the parameter iss (RFC 9207).
        rotation: each use replaces the refresh token (RFC 6749 section 6).
        replaced_token_lives: a replaced refresh token still works. Otherwise its use revokes everything that came of
            the same consent (RFC 9700 section 4.14.2).
        refresh_token_lifetime: seconds, 0 for ever. Google's "testing" mode has 7 days.
        client_secret: the secret of a confidential client; None for a public client.
        refuses_secret: a public client must not send a secret.
        client_free_revocation: revocation (RFC 7009) needs no client_id.
        refusals: the error bodies (RFC 6749 section 5.2) by cause.
        refusal_trailer: what all of these bodies have in common.
        token_response: further members of the token response (RFC 6749 section 5.1).

    The POP3 server:
        capabilities: the lines of CAPA, without SASL and STLS (RFC 2449 section 5).
        expire_retrieved: a message that was retrieved is deleted at QUIT (RFC 2449 section 6.7, EXPIRE 0).
        initial_response_limit: octets that an AUTH line with an initial response may have (RFC 5034 section 4); 0 if
            AUTH always takes two steps.
        challenges: the error JSON for each mechanism (RFC 7628 section 3.2.3); empty if -ERR comes at once.
        rejected, pop_switched_off, protocol_error: the text after -ERR.
        closes_on_protocol_error: the session ends if the server cannot understand a line.
        longest_access_token: a longer token counts as such a line; 0 for no limit.
    """

    name: str
    client_id: str
    scope: str
    maildrop_scope: str
    greeting: str
    capabilities: Sequence[str]
    mechanisms: Sequence[str]
    rejected: str
    pop_switched_off: str
    protocol_error: str
    challenges: Mapping[str, str]
    refusals: Mapping[str, Mapping[str, Any]]
    refusal_trailer: Mapping[str, str]
    authorization_parameters: Mapping[str, str]
    token_response: Mapping[str, Any]
    client_secret: str | None = None
    refuses_secret: bool = False
    extra_scopes: Sequence[str] = ()
    unlisted_scopes: Sequence[str] = ()
    refresh_token_scope: str = ""
    refresh_token_lifetime: float = 0
    access_token_lifetime: int = 3600
    access_token_length: int = 40
    has_issuer: bool = True
    has_revocation: bool = True
    client_free_revocation: bool = False
    sends_iss: bool = True
    rotation: bool = True
    replaced_token_lives: bool = False
    expire_retrieved: bool = False
    initial_response_limit: int = 255
    longest_access_token: int = 0
    closes_on_protocol_error: bool = False

    def refusal(self, cause: str) -> dict[str, Any]:
        """The JSON body of a refusal by the token endpoint (RFC 6749 section 5.2)."""
        body = dict(self.refusals[cause])
        if self.refusal_trailer:
            trailer = self.refusal_trailer
            body["error_description"] += (
                f" Trace ID: {trailer['trace_id']} Correlation ID: {trailer['correlation_id']}"
                f" Timestamp: {trailer['timestamp']}"
            )
            body.update(trailer)
        return body

    def gives_refresh_token(self, scopes: Sequence[str], parameters: Mapping[str, str]) -> bool:
        """Tell whether an authorization request with these scopes and parameters leads to a refresh token."""
        if self.refresh_token_scope and self.refresh_token_scope not in scopes:
            return False
        wanted = self.authorization_parameters.items()
        return all(value in parameters.get(name, "").split() for name, value in wanted)


def get_act(name: str) -> Act:
    """Look up an act by its name. Raises UsageError."""
    tables = _tables()
    if name not in tables:
        known = ", ".join(tables)
        raise UsageError(f"the sandbox has no act named {name!r}", hint=f"Choose one of: {known}.")
    plain = tables["plain"]
    table = tables[name]
    row = {**_shared(plain), **table, "name": name}
    row["refusals"] = {**plain["refusals"], **table["refusals"]}
    for key in ("refusal_trailer", "authorization_parameters", "token_response"):
        row.setdefault(key, {})
    return Act(**row)


def _shared(plain: dict[str, Any]) -> dict[str, Any]:
    """What an act takes over from `plain`: everything but the client's secret and what only `plain` has."""
    known = {field.name for field in fields(Act)}
    return {key: value for key, value in plain.items() if key in known and key != "client_secret"}


def _tables() -> dict[str, dict[str, Any]]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files(__package__).joinpath("acts.toml").read_text("utf-8"))
