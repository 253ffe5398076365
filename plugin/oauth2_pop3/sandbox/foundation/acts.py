"""The parts that the sandbox can act: a provider's quirks as data (acts.toml), so that tests can meet them.

To add an act is to add a table to acts.toml; no code asks for an act by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from oauth2_pop3.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Throttled:
    """The answer of a token endpoint that was asked too often (RFC 6585 section 4)."""

    status: int
    retry_after: int
    body: str


@dataclass(frozen=True)
class Act:
    """How one kind of authorization server, and the POP3 server beside it, behave.

    The authorization server:
        scope: what a client asks for; extra_scopes: what it may ask for besides;
            maildrop_scope: the one that opens the maildrop; unlisted_scopes: granted, but not listed in the
            token response.
        authorization_parameters, refresh_token_scope: without these a grant has no refresh token.
        has_issuer: the provider's row names an issuer (RFC 8414) instead of each endpoint.
        answers_iss: the authorization response carries iss (RFC 9207).
        rotation: each use replaces the refresh token (RFC 6749 section 6). replaced_token_lives: the old one
            goes on working; else its use revokes the grant (RFC 9700 section 4.14.2).
        refresh_token_lifetime: seconds, 0 for ever. Google's "testing" mode is 7 days.
        client_secret: of a confidential client. refuses_secret: a public client must not send one.
        client_free_revocation: RFC 7009 without a client_id.
        refusals: the error bodies of RFC 6749 section 5.2 by cause; refusal_trailer: what all of them carry.
        token_response: further members of the token response (RFC 6749 section 5.1).

    The POP3 server:
        capabilities: CAPA's lines but for SASL and STLS (RFC 2449 section 5). expire_retrieved: at QUIT, a
            message that was retrieved counts as deleted (RFC 2449 section 6.7, EXPIRE 0).
        initial_response_limit: octets of an AUTH line with an initial response (RFC 5034 section 4); 0 for
            two steps only.
        challenges: the error JSON of each mechanism (RFC 7628 section 3.2.3); none for -ERR at once.
        rejected, pop_switched_off, protocol_error: the text after -ERR.
        closes_on_protocol_error: what cannot be understood ends the session.
        longest_access_token: a longer one is such an error; 0 for any.
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
    throttled: Throttled
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
    answers_iss: bool = True
    rotation: bool = True
    replaced_token_lives: bool = False
    expire_retrieved: bool = False
    initial_response_limit: int = 255
    longest_access_token: int = 0
    closes_on_protocol_error: bool = False

    def refusal(self, cause: str) -> dict[str, Any]:
        """Give the JSON body with which the token endpoint refuses (RFC 6749 section 5.2)."""
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
        """Say whether an authorization request with these parameters leads to a refresh token."""
        if self.refresh_token_scope and self.refresh_token_scope not in scopes:
            return False
        wanted = self.authorization_parameters.items()
        return all(value in parameters.get(name, "").split() for name, value in wanted)


def act_names() -> list[str]:
    """Name the acts, the default one first."""
    return list(_tables())


def get_act(name: str) -> Act:
    """Look an act up by its name."""
    tables = _tables()
    if name not in tables:
        known = ", ".join(tables)
        raise UsageError(f"the sandbox has no act named {name!r}", hint=f"Choose one of: {known}.")
    plain, table = tables["plain"], tables[name]
    row = {**_shared(plain), **table, "name": name}
    row["refusals"] = {**plain["refusals"], **table["refusals"]}
    row["throttled"] = Throttled(**row["throttled"])
    for key in ("refusal_trailer", "authorization_parameters", "token_response"):
        row.setdefault(key, {})
    return Act(**row)


def _shared(plain: dict[str, Any]) -> dict[str, Any]:
    """What an act takes over from `plain`: all that is not about the client."""
    known = {field.name for field in fields(Act)}
    return {key: value for key, value in plain.items() if key in known and key != "client_secret"}


def _tables() -> dict[str, dict[str, Any]]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files(__package__).joinpath("acts.toml").read_text("utf-8"))
