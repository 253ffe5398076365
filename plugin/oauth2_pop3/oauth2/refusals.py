"""What an authorization server's refusal means and what to do about it; the sentences are data, refusals.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from oauth2_pop3.errors import AuthorizationRequired, NetworkError, OAuthError, one_line

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
_GO_ON = frozenset({"authorization_pending", "slow_down"})
"""RFC 8628 section 3.5: these are not refusals, whatever else is in the response. The error's code tells them apart."""


@cache
def _table() -> list[dict[str, object]]:
    text = Path(__file__).with_name("refusals.toml").read_text("utf-8")
    rows: list[dict[str, object]] = tomllib.loads(text)["refusal"]
    return rows


def explain(
    members: Mapping[str, object], *, account: str, provider: str = "", secrets: Iterable[str] = ()
) -> OAuthError | NetworkError:
    """Make an error of a refusal (RFC 6749 sections 4.1.2.1, 5.2): its meaning, the server's words, the remedy.

    members: of the JSON object or the redirect.
    secrets: what was sent and must not be shown, even if the server repeats it.
    """
    code = _text(members.get("error"), 80) or "an error without a code"
    if code in _GO_ON:
        return OAuthError(f"the person has not agreed yet ({code})", code=code)
    shown, description = (
        _text(_without(secrets, members.get(key)), limit) for key, limit in (("error", 80), ("error_description", 300))
    )
    suberror = _text(members.get("suberror"), 80) or _text(members.get("error_subtype"), 80)
    numbers = members.get("error_codes")
    codes = " ".join(f"AADSTS{number}" for number in numbers) if isinstance(numbers, list) else ""
    said = f"{code} {suberror} {codes} {description}"
    row = next((row for row in _table() if _fits(row, said, code, provider)), None)
    words = ": ".join(filter(None, (shown or code, description)))
    if row is None:
        return OAuthError(f"the authorization server refused: {words}", code=code)
    message = f"{row['meaning']} (the server said {words})"
    hint = str(row["remedy"]).replace("{account}", account)
    if not row["permanent"]:
        return NetworkError(message, hint=hint)
    kind = OAuthError if code in _REGISTRATION else AuthorizationRequired
    return kind(message, code=code, hint=hint)


def _fits(row: Mapping[str, object], said: str, code: str, provider: str) -> bool:
    match = str(row.get("match", ""))
    # AADSTS70000 must not be found in AADSTS700082.
    return (
        re.search(re.escape(match) + r"(?!\d)", said, re.IGNORECASE) is not None
        and row.get("error", code) == code
        and (not provider or str(row.get("provider", provider)) == provider)
    )


def _without(secrets: Iterable[str], value: object) -> object:
    """A text without the secrets. A secret of up to three characters stays: it cannot be told from other words."""
    for secret in secrets:
        if len(secret) > 3 and isinstance(value, str):
            value = value.replace(secret, "...")
    return value


def _text(value: object, limit: int) -> str:
    return one_line(value, limit) if isinstance(value, str) else ""
