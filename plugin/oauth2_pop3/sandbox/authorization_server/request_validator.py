"""oauthlib's questions about clients, codes and tokens, answered from the sandbox's memory.

oauthlib does the protocol (RFC 6749, 7636, 7009); this module says what was given out, and lets the act
refuse in its provider's words.
"""
# ruff: noqa: ARG002  (oauthlib decides on the parameters)

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oauthlib.oauth2 import RequestValidator, WebApplicationServer
from oauthlib.oauth2.rfc6749.errors import InvalidRequestError

from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.sandbox.authorization_server.issued import Grant
from oauth2_pop3.sandbox.authorization_server.refusals import RefusalError, RegisteredClient, basic_credentials

if TYPE_CHECKING:
    from oauthlib.common import Request

    from oauth2_pop3.sandbox.authorization_server.issued import Grants


class SandboxRequestValidator(RequestValidator):
    """What oauthlib asks, in the order of RFC 6749: the client, the redirect URI, the scope, code, tokens."""

    def __init__(self, grants: Grants) -> None:
        self.grants = grants
        self.act = grants.act
        self.cut_scope: str | None = None

    def client_authentication_required(self, request: Request, *args: object, **kwargs: object) -> bool:
        """A confidential client must authenticate, but for a revocation that needs no client at all."""
        if self._free_revocation(request):
            return False
        return self.act.client_secret is not None

    def authenticate_client(self, request: Request, *args: object, **kwargs: object) -> bool:
        """Check client_id and client_secret, in the body or by HTTP Basic (RFC 6749 section 2.3.1)."""
        client_id, secret = request.client_id, request.client_secret
        basic = basic_credentials(request.headers)
        if basic:
            client_id, secret = basic
        if client_id != self.act.client_id:
            raise RefusalError(self.act.refusal("client"))
        if not secret:
            raise RefusalError(self.act.refusal("secret_missing"))
        if not hmac.compare_digest(secret.encode(), (self.act.client_secret or "").encode()):
            raise RefusalError(self.act.refusal("secret_wrong"))
        request.client_id, request.client = client_id, RegisteredClient(client_id)
        return True

    def authenticate_client_id(self, client_id: str, request: Request, *args: object, **kwargs: object) -> bool:
        """Check a public client's client_id, and that it sends no secret where that is forbidden."""
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
        """Whether an authorization request names the client."""
        request.client = RegisteredClient(client_id)
        return client_id == self.act.client_id

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Any port and path of loopback (RFC 8252 section 7.3)."""
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and not parts.fragment

    def get_default_redirect_uri(self, client_id: str, request: Request, *args: object, **kwargs: object) -> str:
        """There is none: the port is not known before."""
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
        """Codes only; the implicit grant is gone (RFC 9700 section 2.1.2)."""
        return response_type == "code"

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """The two grants that are served."""
        return grant_type in ("authorization_code", "refresh_token")

    def get_default_scopes(self, client_id: str, request: Request, *args: object, **kwargs: object) -> list[str]:
        """What a request without a scope gets (RFC 6749 section 3.3)."""
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
        """Whether the act knows all of these scopes."""
        return set(scopes) <= {*self.act.scope.split(), *self.act.extra_scopes}

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        """Always (RFC 8252 section 8.1), and by S256: oauthlib would take plain (RFC 7636 section 7.2)."""
        if request.code_challenge and request.code_challenge_method != "S256":
            raise InvalidRequestError(description="code_challenge_method must be S256.", request=request)
        return True

    def save_authorization_code(
        self, client_id: str, code: Any, request: Request, *args: object, **kwargs: object
    ) -> None:
        """Remember a code; the person and the scopes are on the request by now."""
        scopes = list(request.scopes or [])
        if self.cut_scope is not None:
            scopes = [scope for scope in scopes if scope in self.cut_scope.split()]
        offline = self.act.gives_refresh_token(scopes, dict(request.uri_query_params))
        grant = Grant(str(request.user), client_id, scopes, offline)
        self.grants.save_code(code["code"], grant, request.redirect_uri or "", request.code_challenge or "")

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Whether a code may be exchanged for tokens."""
        found = self.grants.usable_code(code, client_id)
        if found is None:
            raise RefusalError(self.act.refusal("code"))
        request.user, request.scopes = found.grant, found.grant.scopes
        return True

    def get_code_challenge(self, code: str, request: Request) -> str:
        """The code_challenge of the authorization request (RFC 7636 section 4.4)."""
        found = self.grants.code(code)
        return found.code_challenge if found else ""

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        """S256: nothing else was let in."""
        return "S256"

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Any, request: Request, *args: object,
        **kwargs: object,
    ) -> bool:  # fmt: skip
        """The redirect URI must be the very one of the authorization request (RFC 6749 section 4.1.3)."""
        found = self.grants.code(code)
        return found is not None and found.redirect_uri == redirect_uri

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: object, **kwargs: object
    ) -> None:
        """A code works once."""
        found = self.grants.code(code)
        if found:
            found.used = True

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Whether a refresh token still works."""
        grant, cause = self.grants.refresh_token(refresh_token, client.client_id)
        if grant is None:
            raise RefusalError(self.act.refusal(cause))
        request.user = grant
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, *args: object, **kwargs: object) -> list[str]:
        """What was granted; a refresh may ask for less (RFC 6749 section 6)."""
        return list(request.user.scopes) if request.user else []

    def rotate_refresh_token(self, request: Request) -> bool:
        """Whether the act replaces a refresh token that was used."""
        return self.act.rotation

    def save_bearer_token(self, token: Any, request: Request, *args: object, **kwargs: object) -> None:
        """Remember the tokens that are about to be sent."""
        grant: Grant = request.user  # type: ignore[assignment]  # validate_code or validate_refresh_token set it
        refresh_token = token.get("refresh_token")
        self.grants.save_tokens(grant, token["access_token"], refresh_token, request.refresh_token)

    def revoke_token(self, token: str, token_type_hint: str, request: Request, *args: object, **kwargs: object) -> None:
        """Revoke; an unknown token is no error (RFC 7009 section 2.2)."""
        self.grants.revoke_token(token)

    def finish_token_response(self, token: dict[str, Any], _handler: object, request: Request | None) -> dict[str, Any]:
        """Make oauthlib's token response the act's own: no refresh token where the act gives none."""
        grant = request.user if request else None
        scopes = request.scopes if request else None
        first = request is not None and request.grant_type == "authorization_code"
        if not (grant is not None and grant.offline if first else self.act.rotation):
            token.pop("refresh_token", None)
        token["scope"] = " ".join(s for s in scopes or [] if s not in self.act.unlisted_scopes)
        token.update(self.act.token_response)
        return token


def build_endpoints(validator: SandboxRequestValidator) -> WebApplicationServer:
    """Compose oauthlib's endpoints: authorization code with PKCE S256, refresh token, revocation."""
    grants = validator.grants
    endpoints = WebApplicationServer(
        validator,
        token_generator=lambda _request: grants.new_access_token(),
        token_expires_in=lambda _request: grants.access_token_lifetime,
        refresh_token_generator=lambda _request: grants.new_refresh_token(),
    )
    endpoints.auth_grant.register_token_modifier(validator.finish_token_response)
    endpoints.refresh_grant.register_token_modifier(validator.finish_token_response)
    return endpoints
