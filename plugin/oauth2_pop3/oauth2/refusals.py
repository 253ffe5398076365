"""What an authorization server's refusal means and what to do about it; the sentences are data, refusals.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from oauth2_pop3.errors import AuthorizationRequired, NetworkError, OAuthError
from oauth2_pop3.oauth2 import server_words
from oauth2_pop3.oauth2.server_words import Words

_REGISTRATION = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_request",
        "unsupported_grant_type",
        "invalid_scope",
        "unsupported_response_type",
        "invalid_client_metadata",
        "redirect_uri_mismatch",
        "deleted_client",
    }
)
"""Errors of RFC 6749 section 5.2 that signing in again does not solve: the client or its settings are wrong."""
_SLOW_DOWN = "slow_down"
_GO_ON = frozenset({"authorization_pending", _SLOW_DOWN})
"""RFC 8628 section 3.5: these are not refusals, whatever else is in the response. The error's code tells them apart."""


@cache
def _table() -> list[dict[str, object]]:
    text = Path(__file__).with_name("refusals.toml").read_text("utf-8")
    rows: list[dict[str, object]] = tomllib.loads(text)["refusal"]
    return rows


def explain(
    members: Mapping[str, object],
    *,
    account: str,
    provider: str = "",
    secrets: Iterable[str] = (),
    retry_after: float | None = None,
    polls: bool = True,
) -> OAuthError | NetworkError:
    """Make an error of a refusal (RFC 6749 sections 4.1.2.1, 5.2): its meaning, the server's words, the remedy.

    members: of the JSON object or the redirect.
    secrets: what was sent and must not be shown, even if the server repeats it.
    retry_after: how many seconds the server asks to wait, if it does.
    polls: whether it may be the response to a poll of the device authorization grant.
    """
    words = server_words.of(members, secrets)
    if polls and words.code in _GO_ON:
        return OAuthError(f"the person has not agreed yet ({words.code})", code=words.code)
    said = words.shown or "an error without a code"
    refused = OAuthError(f"the authorization server refused: {said}", code=words.code)
    return judge(words, refused, account=account, provider=provider, retry_after=retry_after)


def judge(
    words: Words, otherwise: OAuthError, *, account: str, provider: str = "", retry_after: float | None = None
) -> OAuthError | NetworkError:
    """Make an error of a server's words by the table. otherwise: the error if they fit no row.

    A server that refuses for no reason that is known, and asks to be asked again later, has a temporary problem.
    """
    said = " ".join(words)
    row = next((row for row in _table() if _fits(row, said, words.code, provider)), None)
    if row is None:
        if retry_after is None and words.code != _SLOW_DOWN:
            return otherwise
        return NetworkError(otherwise.message, retry_after=retry_after, hint="Try again later.")
    message = f"{row['meaning']} (the server said {words.shown})"
    hint = str(row["remedy"]).replace("{account}", account)
    if not row["permanent"]:
        return NetworkError(message, hint=hint, retry_after=retry_after)
    kind = OAuthError if words.code in _REGISTRATION else AuthorizationRequired
    return kind(message, code=words.code, hint=hint)


def _fits(row: Mapping[str, object], said: str, code: str, provider: str) -> bool:
    match = re.escape(str(row.get("match", ""))).replace(r"\ ", "[ _-]?")
    # AADSTS70000 must not be found in AADSTS700082.
    return (
        re.search(match + r"(?!\d)", said, re.IGNORECASE) is not None
        and row.get("error", code) == code
        and (not provider or str(row.get("provider", provider)) == provider)
    )
