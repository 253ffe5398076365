"""The authorization code grant (RFC 6749 section 4.1) with PKCE S256 (RFC 7636), state, and iss (RFC 9207).

Imports are inside the functions: this is the grant of most accounts, and a refresh needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from oauth2_pop3.errors import AuthorizationRequired, OAuth2Pop3Error, OAuthError, UsageError
from oauth2_pop3.oauth2 import token_endpoint
from oauth2_pop3.oauth2.client import Client
from oauth2_pop3.oauth2.grants.grant import Person, PersonGrant, TokenResponse
from oauth2_pop3.oauth2.token import Token


class NotOurRedirect(OAuthError):
    """Not the redirect of this sign-in: keep waiting for the right one."""


class AuthorizationCode(PersonGrant):
    """The person signs in with a browser, on this machine or on another one."""

    endpoints = ("authorization_endpoint", "token_endpoint")

    def sign_in(self, client: Client, person: Person, accept: Callable[[TokenResponse], Token]) -> Token:
        """Wait for the redirect, at a loopback listener and at the terminal; the browser's page tells how it ended."""
        from oauth2_pop3.oauth2.loopback_redirect import WAIT, RedirectListener

        listener = RedirectListener(client.provider.redirect_uri)
        try:
            if not listener.listens and not person.terminal:
                raise UsageError(
                    f"nothing here can listen for the redirect to {client.provider.redirect_uri}, "
                    "and there is no terminal to paste it",
                    hint="Run this in a terminal.",
                )
            request = AuthorizationRequest.prepare(client, redirect_uri=listener.redirect_uri)
            person.show_url(request.url, listener.listens)
            for redirect in listener.wait(terminal=person.terminal):
                try:
                    token = accept(request.exchange(request.read_redirect(redirect.text, pasted=redirect.pasted)))
                except NotOurRedirect as error:
                    person.say(str(error))
                    redirect.finish(False, str(error))
                except OAuth2Pop3Error as error:
                    redirect.finish(False, str(error))
                    raise
                else:
                    redirect.finish(True, f"{client.account} is ready. You can close this window.")
                    return token
        finally:
            listener.close()
        raise AuthorizationRequired(
            f"nobody signed in within {WAIT / 60:.0f} minutes", hint=f"Run: oauth2-pop3 login {client.account}"
        )


@dataclass(frozen=True)
class AuthorizationRequest:
    """One attempt of one person to sign in. url is what to open in a browser; there is no secret in it."""

    client: Client
    redirect_uri: str
    url: str
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)

    @classmethod
    def prepare(cls, client: Client, *, redirect_uri: str) -> AuthorizationRequest:
        """Draw state and code_verifier, and build the URL (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""
        import secrets

        from oauthlib.common import add_params_to_uri
        from oauthlib.oauth2 import WebApplicationClient

        from oauth2_pop3.net import https

        provider = client.provider
        https.require_https(provider.authorization_endpoint, allow_insecure_loopback=provider.allow_insecure_loopback)
        state = secrets.token_urlsafe(32)
        web_client = WebApplicationClient(client.client_id)
        code_verifier = web_client.create_code_verifier(64)
        parameters = {
            "login_hint": client.account,
            **provider.authorization_parameters,
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "scope": provider.scope,
            "state": state,
            "code_challenge": web_client.create_code_challenge(code_verifier, "S256"),
            "code_challenge_method": "S256",
        }
        url = add_params_to_uri(provider.authorization_endpoint, [(k, v) for k, v in parameters.items() if v])
        return cls(client, redirect_uri, url, state, code_verifier)

    def read_redirect(self, text: str, *, pasted: bool = False) -> str:
        """The code, from a redirect's URL or, if the person pasted it at the terminal, from the bare code.

        Raises NotOurRedirect if state does not fit, OAuthError if the server refused or iss is another server's.
        """
        import secrets

        text = text.strip()
        if pasted and text and not any(mark in text for mark in ("://", "code=", "error=", "?")):
            if any(c.isspace() for c in text) or not text.isascii():
                raise NotOurRedirect("that is neither the redirect's URL nor a code")
            return text
        # Not urlsplit, which refuses some of what people paste.
        query = text.partition("?")[2].partition("#")[0] or text
        found = parse_qs(query, keep_blank_values=True)
        if any(len(values) > 1 for values in found.values()):
            raise NotOurRedirect("the redirect has a parameter twice (RFC 6749 section 3.1)")
        parameters = {key: values[0] for key, values in found.items()}
        if pasted and "state" not in parameters:
            raise NotOurRedirect(
                "this is not the address of the last page of this sign-in",
                hint="Paste what the browser's address bar shows in the end.",
            )
        if not secrets.compare_digest(parameters.get("state", "").encode(), self.state.encode()):
            raise NotOurRedirect(
                "that redirect belongs to another sign-in (its state is a different one)",
                hint="Use the newest URL, in one browser tab, and paste what its address bar shows in the end.",
            )
        self._check_issuer(parameters.get("iss"))
        if parameters.get("error"):
            from oauth2_pop3.oauth2 import refusals

            raise refusals.explain(parameters, account=self.client.account, provider=self.client.provider.name)
        if not parameters.get("code"):
            raise NotOurRedirect("the redirect carries no code")
        return parameters["code"]

    def _check_issuer(self, iss: str | None) -> None:
        """RFC 9207 section 2.4: iss is compared to the letter, and must be there if the server announces it."""
        provider = self.client.provider
        expected = provider.issuer
        if iss is None:
            if provider.authorization_response_iss_parameter_supported:
                raise OAuthError("the redirect names no issuer, though the server announces that it does (RFC 9207)")
        elif expected and iss != expected:
            raise OAuthError(
                f"the redirect comes from the issuer {iss[:200]!r} and not from {expected!r} (RFC 9207)",
                hint="Do not continue: servers may have been mixed up, unless the configuration's issuer is wrong.",
            )
        elif (
            not expected
            and iss.partition("://")[2].partition("/")[0] != urlsplit(provider.authorization_endpoint).netloc
        ):
            raise OAuthError(
                f"the redirect comes from the issuer {iss[:200]!r}, not from the host of authorization_endpoint",
                hint="If that is right, put it as issuer into the provider's table in config.toml.",
            )

    def exchange(self, code: str) -> TokenResponse:
        """Change the code for tokens (RFC 6749 section 4.1.3): the token endpoint's response."""
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.code_verifier,
        }
        try:
            return token_endpoint.ask(self.client, parameters)
        except AuthorizationRequired as error:
            if error.code != "invalid_grant":
                raise
            raise AuthorizationRequired(
                f"the authorization code was not accepted: {error.message}",
                code=error.code,
                hint="A code works once and for a few minutes: start the sign-in again.",
            ) from error
