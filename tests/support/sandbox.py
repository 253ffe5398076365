"""What tests make the sandbox's servers do beyond the sandbox's own options."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3.sandbox import Sandbox

JSON = {"Content-Type": "application/json"}
TOO_OFTEN: Mapping[str, tuple[int, str, Mapping[str, str]]] = {
    "plain": (60, '{"error":"temporarily_unavailable","error_description":"Too many requests."}', JSON),
    "google": (30, '{"error":"rate_limit_exceeded","error_description":"Too many requests."}', JSON),  # ?
    "microsoft": (60, "Too Many Requests", {}),  # AzureAD/microsoft-authentication-library-for-dotnet#2855: no JSON
}
"""Retry-After, body and headers of each act when it is asked too often (RFC 6585 section 4)."""


def throttle(sandbox: Sandbox, *, retry_after: int | None = None) -> None:
    """Make the token endpoint say once, in the act's words, that it is asked too often."""
    seconds, body, headers = TOO_OFTEN[sandbox.act.name]
    retry = {"Retry-After": str(seconds if retry_after is None else retry_after)}
    sandbox.authorization_server.fail_token_endpoint(429, body, headers={**headers, **retry})
