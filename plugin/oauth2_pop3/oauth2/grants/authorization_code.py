"""The authorization code grant (RFC 6749 section 4.1) with PKCE S256 (RFC 7636), state, and iss (RFC 9207)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import WebApplicationClient

from oauth2_pop3.errors import AuthorizationRequired, OAuthError
from oauth2_pop3.net import https
from oauth2_pop3.oauth2 import refusals, token_endpoint
from oauth2_pop3.providers.provider import Provider


class NotOurRedirect(OAuthError):
    """An answer that belongs to another sign-in, or is none: go on waiting for the right one."""


@dataclass(frozen=True)
class AuthorizationRequest:
    """One attempt of one person to sign in. url: what to open in a browser, no secret in it."""

    provider: Provider
    account: str
    client_id: str
    redirect_uri: str
    url: str
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)
    iss_required: bool = False

    @classmethod
    def prepare(
        cls,
        provider: Provider,
        *,
        account: str,
        client_id: str,
        redirect_uri: str,
        iss_required: bool = False,
    ) -> AuthorizationRequest:
        """Draw state and code_verifier and build the URL. iss_required: the server announces that it sends iss."""
        https.require_https(provider.authorization_endpoint, allow_insecure_loopback=provider.allow_insecure_loopback)
        state = secrets.token_urlsafe(32)
        client = WebApplicationClient(client_id)
        code_verifier = client.create_code_verifier(64)
        parameters = {
            "login_hint": account,
            **provider.authorization_parameters,
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": provider.scope,
            "state": state,
            "code_challenge": client.create_code_challenge(code_verifier, "S256"),
            "code_challenge_method": "S256",
        }
        url = add_params_to_uri(provider.authorization_endpoint, [(k, v) for k, v in parameters.items() if v])
        return cls(provider, account, client_id, redirect_uri, url, state, code_verifier, iss_required)

    def read_redirect(self, text: str, *, pasted: bool = False) -> str:
        """The code, from a redirect's URL or, if it was pasted by the person at the terminal, from the bare code.

        Raises NotOurRedirect where state does not fit, OAuthError where the server refused or iss is another's.
        """
        text = text.strip()
        if pasted and text and not any(mark in text for mark in ("://", "code=", "error=", "?")):
            if any(c.isspace() for c in text) or not text.isascii():
                raise NotOurRedirect("that is neither the redirect's URL nor a code")
            return text
        query = (
            text.partition("?")[2].partition("#")[0] or text
        )  # not urlsplit, which refuses some of what people paste
        answer = parse_qs(query, keep_blank_values=True)
        if any(len(values) > 1 for values in answer.values()):
            raise NotOurRedirect("the redirect has a parameter twice (RFC 6749 section 3.1)")
        parameters = {key: values[0] for key, values in answer.items()}
        if not secrets.compare_digest(parameters.get("state", "").encode(), self.state.encode()):
            raise NotOurRedirect(
                "that redirect belongs to another sign-in (its state is not ours)",
                hint="Use the newest URL, in one browser tab, and paste what its address bar shows in the end.",
            )
        self._check_issuer(parameters.get("iss"))
        if "error" in parameters:
            error = refusals.explain(parameters, account=self.account, provider=self.provider.name)
            raise error
        if not parameters.get("code"):
            raise NotOurRedirect("the redirect carries no code")
        return parameters["code"]

    def _check_issuer(self, iss: str | None) -> None:
        """RFC 9207 section 2.4: compared to the letter, and an answer without it refused where it was announced."""
        expected = self.provider.issuer
        if iss is None:
            if self.iss_required:
                raise OAuthError("the redirect names no issuer, though the server announces that it does (RFC 9207)")
        elif expected and iss != expected:
            raise OAuthError(
                f"the redirect comes from the issuer {iss[:200]!r} and not from {expected!r} (RFC 9207)",
                hint="Do not go on: servers may have been mixed up, unless the configuration's issuer is wrong.",
            )
        elif (
            not expected
            and iss.partition("://")[2].partition("/")[0] != urlsplit(self.provider.authorization_endpoint).netloc
        ):
            raise OAuthError(
                f"the redirect comes from the issuer {iss[:200]!r}, not from the host of authorization_endpoint",
                hint="If that is right, put it as issuer into the provider's table in config.toml.",
            )

    def exchange(self, code: str, *, client_secret: str, key_password: str = "") -> Mapping[str, object]:
        """Change the code for tokens (RFC 6749 section 4.1.3): the token endpoint's answer."""
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.code_verifier,
        }
        try:
            return token_endpoint.ask(
                self.provider,
                parameters,
                client_id=self.client_id,
                client_secret=client_secret,
                account=self.account,
                key_password=key_password,
            )
        except AuthorizationRequired as error:
            if error.code != "invalid_grant":
                raise
            raise AuthorizationRequired(
                f"the authorization code was not accepted: {error.message}",
                code=error.code,
                hint="A code works once and for a few minutes: start the sign-in again.",
            ) from error
