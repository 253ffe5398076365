"""What oauthlib asks about clients, codes and tokens, answered from the sandbox's memory.

oauthlib implements the protocol (RFC 6749, 7636, 7009). This module knows what was issued, and refuses in the words of
the provider whose part is acted.
"""
# ruff: noqa: ARG002  (oauthlib decides on the parameters)

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oauthlib.oauth2 import RequestValidator, WebApplicationServer
from oauthlib.oauth2.rfc6749.errors import InvalidRequestError

from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.sandbox.authorization_server.http_endpoint import basic_credentials
from oauth2_pop3.sandbox.authorization_server.issued import Consent
from oauth2_pop3.sandbox.authorization_server.refusal_error import RefusalError

if TYPE_CHECKING:
    from oauthlib.common import Request

    from oauth2_pop3.sandbox.authorization_server.issued import IssuedTokens


@dataclass(frozen=True)
class RegisteredClient:
    """The only client there is (RFC 6749 section 2)."""

    client_id: str


class SandboxRequestValidator(RequestValidator):
    """Answers oauthlib, in the order of RFC 6749: the client, the redirect URI, the scope, the code, the tokens.

    cut_scope: the scopes that a person grants at most; None for everything that is asked for.
    """

    def __init__(self, issued: IssuedTokens) -> None:
        self.issued = issued
        self.act = issued.act
        self.cut_scope: str | None = None

    def client_authentication_required(self, request: Request, *args: object, **kwargs: object) -> bool:
        """Tell whether the client must authenticate: if it is confidential, unless a revocation needs no client."""
        if self._free_revocation(request):
            return False
        return self.act.client_secret is not None

    def authenticate_client(self, request: Request, *args: object, **kwargs: object) -> bool:
        """Check client_id and client_secret, in the body or by HTTP Basic (RFC 6749 section 2.3.1)."""
        basic = basic_credentials(request.headers)
        client_id, secret = basic or (request.client_id, request.client_secret)
        if client_id != self.act.client_id:
            raise RefusalError(self.act.refusal("client"))
        if not secret:
            raise RefusalError(self.act.refusal("secret_missing"))
        if not hmac.compare_digest(secret.encode(), (self.act.client_secret or "").encode()):
            raise RefusalError(self.act.refusal("secret_wrong"))
        request.client_id = client_id
        request.client = RegisteredClient(client_id)
        return True

    def authenticate_client_id(self, client_id: str, request: Request, *args: object, **kwargs: object) -> bool:
        """Check a public client's client_id, and that it sends no secret if the act forbids one."""
        if self._free_revocation(request):
            return True
        if client_id != self.act.client_id:
            raise RefusalError(self.act.refusal("client"))
        if self.act.refuses_secret and (request.client_secret or basic_credentials(request.headers)):
            raise RefusalError(self.act.refusal("secret_forbidden"))
        request.client = RegisteredClient(client_id)
        return True

    def _free_revocation(self, request: Request) -> bool:
        return bool(self.act.client_free_revocation and request.token and not request.grant_type)

    def validate_client_id(self, client_id: str, request: Request, *args: object, **kwargs: object) -> bool:
        """Tell whether an authorization request names the client."""
        request.client = RegisteredClient(client_id)
        return client_id == self.act.client_id

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Allow any port and path on loopback (RFC 8252 section 7.3)."""
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and not parts.fragment

    def get_default_redirect_uri(self, client_id: str, request: Request, *args: object, **kwargs: object) -> str:
        """Give none: the port is not known beforehand."""
        return ""

    def validate_response_type(
        self,
        client_id: str,
        response_type: str,
        client: Any,
        request: Request,
        *args: object,
        **kwargs: object,
    ) -> bool:
        """Allow only codes; the implicit grant is obsolete (RFC 9700 section 2.1.2)."""
        return response_type == "code"

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Allow the two grants that the sandbox has."""
        return grant_type in ("authorization_code", "refresh_token")

    def get_default_scopes(self, client_id: str, request: Request, *args: object, **kwargs: object) -> list[str]:
        """The scope of a request that names none (RFC 6749 section 3.3)."""
        return self.act.scope.split()

    def validate_scopes(
        self,
        client_id: str,
        scopes: list[str],
        client: Any,
        request: Request,
        *args: object,
        **kwargs: object,
    ) -> bool:
        """Tell whether the act knows all of these scopes."""
        return set(scopes) <= {*self.act.scope.split(), *self.act.extra_scopes}

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        """Always require PKCE (RFC 8252 section 8.1), and S256; oauthlib would allow plain (RFC 7636 section 7.2)."""
        if request.code_challenge and request.code_challenge_method != "S256":
            raise InvalidRequestError(description="code_challenge_method must be S256.", request=request)
        return True

    def save_authorization_code(
        self, client_id: str, code: Any, request: Request, *args: object, **kwargs: object
    ) -> None:
        """Remember a code. The request has the person and the scopes by now."""
        scopes = list(request.scopes or [])
        if self.cut_scope is not None:
            scopes = [scope for scope in scopes if scope in self.cut_scope.split()]
        offline = self.act.gives_refresh_token(scopes, dict(request.uri_query_params))
        consent = Consent(str(request.user), client_id, scopes, offline)
        self.issued.save_code(code["code"], consent, request.redirect_uri or "", request.code_challenge or "")

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Tell whether a code may be exchanged for tokens."""
        found = self.issued.usable_code(code, client_id)
        if found is None:
            raise RefusalError(self.act.refusal("code"))
        request.user = found.consent
        request.scopes = found.consent.scopes
        return True

    def get_code_challenge(self, code: str, request: Request) -> str:
        """The code_challenge of the authorization request (RFC 7636 section 4.4)."""
        found = self.issued.code(code)
        return found.code_challenge if found else ""

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        """Return S256: nothing else was allowed."""
        return "S256"

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Any,
        request: Request,
        *args: object,
        **kwargs: object,
    ) -> bool:
        """Tell whether the redirect URI is that of the authorization request (RFC 6749 section 4.1.3)."""
        found = self.issued.code(code)
        return found is not None and found.redirect_uri == redirect_uri

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: object, **kwargs: object
    ) -> None:
        """Mark a code as used: it works once."""
        found = self.issued.code(code)
        if found:
            found.used = True

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Tell whether a refresh token still works."""
        consent, cause = self.issued.refresh_token(refresh_token, client.client_id)
        if consent is None:
            raise RefusalError(self.act.refusal(cause))
        request.user = consent
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, *args: object, **kwargs: object) -> list[str]:
        """The scopes that were granted. A refresh may ask for less (RFC 6749 section 6)."""
        return list(request.user.scopes) if request.user else []

    def rotate_refresh_token(self, request: Request) -> bool:
        """Tell whether the act replaces a refresh token after its use."""
        return self.act.rotation

    def save_bearer_token(self, token: Any, request: Request, *args: object, **kwargs: object) -> None:
        """Remember the tokens that are about to be sent."""
        consent: Consent = request.user  # type: ignore[assignment]  # validate_code or validate_refresh_token set it
        refresh_token = token.get("refresh_token")
        self.issued.save_tokens(consent, token["access_token"], refresh_token, request.refresh_token)

    def revoke_token(self, token: str, token_type_hint: str, request: Request, *args: object, **kwargs: object) -> None:
        """Revoke a token. An unknown one is not an error (RFC 7009 section 2.2)."""
        self.issued.revoke_token(token)

    def finish_token_response(self, token: dict[str, Any], _handler: object, request: Request | None) -> dict[str, Any]:
        """Change oauthlib's token response into the act's: its scope, and a refresh token only if the act gives one."""
        consent = request.user if request else None
        scopes = request.scopes if request else None
        first = request is not None and request.grant_type == "authorization_code"
        if not (consent is not None and consent.offline if first else self.act.rotation):
            token.pop("refresh_token", None)
        token["scope"] = " ".join(s for s in scopes or [] if s not in self.act.unlisted_scopes)
        token.update(self.act.token_response)
        return token


def build_endpoints(validator: SandboxRequestValidator) -> WebApplicationServer:
    """Compose oauthlib's endpoints: authorization code with PKCE S256, refresh token, revocation."""
    issued = validator.issued
    endpoints = WebApplicationServer(
        validator,
        token_generator=lambda _request: issued.new_access_token(),
        token_expires_in=lambda _request: issued.access_token_lifetime,
        refresh_token_generator=lambda _request: issued.new_refresh_token(),
    )
    endpoints.auth_grant.register_token_modifier(validator.finish_token_response)
    endpoints.refresh_grant.register_token_modifier(validator.finish_token_response)
    return endpoints
