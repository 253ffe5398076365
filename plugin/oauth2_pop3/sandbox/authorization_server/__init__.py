"""The sandbox's authorization server: oauthlib's server side over HTTPS on loopback, with switches for tests.

It is for people without an account or a network, and for quirks that real servers do not show on request. It asks for
no password: anyone who can reach the loopback interface can sign in as anybody.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl

from oauth2_pop3.sandbox.authorization_server.http_endpoint import (
    HttpHandler,
    HttpRequest,
    HttpResponse,
    basic_credentials,
)
from oauth2_pop3.sandbox.authorization_server.issued import IssuedTokens
from oauth2_pop3.sandbox.authorization_server.pages import consent_page, error_page
from oauth2_pop3.sandbox.foundation.loopback_server import HOST, LoopbackServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from oauth2_pop3.sandbox.foundation.acts import Act

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}


class TokenRequest(NamedTuple):
    """What is kept of a request to the token endpoint: never a token, a code or a secret."""

    grant_type: str
    client_id: str
    status: int


class TokenEndpointFault(NamedTuple):
    """A response that the token endpoint gives instead of its own, after `delay` seconds."""

    response: HttpResponse
    delay: float


class AuthorizationServer:
    """An authorization server (RFC 6749 section 1.1) that acts a part.

    issued: its codes and tokens, to revoke them or let them expire.
    token_requests: the requests to the token endpoint, in order.
    faults: what the token endpoint does in place of its next responses; clear() heals it.
    """

    def __init__(self, act: Act, tls: ssl.SSLContext) -> None:
        from oauth2_pop3.sandbox.authorization_server.request_validator import SandboxRequestValidator, build_endpoints

        self.act = act
        self.issued = IssuedTokens(act)
        self.token_requests: list[TokenRequest] = []
        self.faults: deque[TokenEndpointFault] = deque()
        self._validator = SandboxRequestValidator(self.issued)
        self._endpoints = build_endpoints(self._validator)
        self._lock = threading.Lock()  # a refresh token is checked and replaced in one step
        self._server = LoopbackServer(partial(HttpHandler, respond=self._respond), tls)
        self.issuer = f"https://{HOST}:{self._server.port}"
        self.authorization_endpoint = f"{self.issuer}/authorize"
        self.token_endpoint = f"{self.issuer}/token"
        self.revocation_endpoint = f"{self.issuer}/revoke" if act.has_revocation else None

    def start(self) -> None:
        """Start serving requests."""
        self._server.start()

    def close(self) -> None:
        """Stop serving requests."""
        self._server.close()

    def account_of(self, access_token: str) -> str | None:
        """Tell whose maildrop an access token opens, or None: what a POP3 server asks by introspection (RFC 7662)."""
        return self.issued.account_of(access_token)

    def cut_scope(self, scope: str | None) -> None:
        """Grant at most these scopes from now on, whatever is asked for (RFC 6749 section 3.3); None for all."""
        self._validator.cut_scope = scope

    def fail_token_endpoint(
        self,
        status: int,
        body: Mapping[str, Any] | str = "",
        *,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        delay: float = 0,
    ) -> None:
        """Let the token endpoint give this response to its next requests. Status 0 closes the connection instead."""
        text = body if isinstance(body, str) else json.dumps(body)
        content = {} if isinstance(body, str) else JSON
        response = HttpResponse(status, text, {**content, **(headers or {})})
        self.faults.extend([TokenEndpointFault(response, delay)] * times)

    def metadata(self) -> dict[str, Any]:
        """The server's metadata (RFC 8414 section 2)."""
        methods = ["none"] if self.act.client_secret is None else ["client_secret_post", "client_secret_basic"]
        claims: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": self.authorization_endpoint,
            "token_endpoint": self.token_endpoint,
            "token_endpoint_auth_methods_supported": methods,
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "scopes_supported": [*self.act.scope.split(), *self.act.extra_scopes],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.act.sends_iss,
        }
        if self.revocation_endpoint:
            claims["revocation_endpoint"] = self.revocation_endpoint
            claims["revocation_endpoint_auth_methods_supported"] = methods
        return claims

    def _respond(self, request: HttpRequest) -> HttpResponse:
        route = (request.method, request.path)
        if route == ("POST", "/token"):
            return self._token(request)
        if request.path == "/authorize":
            return self._authorize(request)
        if route == ("POST", "/revoke") and self.revocation_endpoint:
            headers, body, status = self._endpoints.create_revocation_response(
                self.revocation_endpoint, "POST", request.body, dict(request.headers)
            )
            return HttpResponse(status, body or "", headers)
        if route in (
            ("GET", "/.well-known/oauth-authorization-server"),
            ("GET", "/.well-known/openid-configuration"),  # RFC 7628's error JSON points here
        ):
            return HttpResponse(200, json.dumps(self.metadata()), JSON)
        return HttpResponse(404, error_page("Not found", "There is nothing at this address."), HTML)

    def _token(self, request: HttpRequest) -> HttpResponse:
        parameters = dict(parse_qsl(request.body))
        basic = basic_credentials(request.headers)
        fault = None
        with self._lock:
            if self.faults:
                fault = self.faults.popleft()
                response = fault.response
            else:
                headers, body, status = self._endpoints.create_token_response(
                    self.token_endpoint, "POST", request.body, dict(request.headers)
                )
                response = HttpResponse(status, body, headers)
            client_id = basic[0] if basic else parameters.get("client_id", "")
            seen = TokenRequest(parameters.get("grant_type", ""), client_id, response.status)
            self.token_requests.append(seen)
        if fault:
            time.sleep(fault.delay)
        return response

    def _authorize(self, request: HttpRequest) -> HttpResponse:
        """Show the page, or take the decision made there and redirect to the client (RFC 6749 section 4.1)."""
        from oauthlib.common import add_params_to_uri
        from oauthlib.oauth2.rfc6749.errors import AccessDeniedError, FatalClientError, OAuth2Error

        uri = f"{self.authorization_endpoint}?{request.query}"
        form = {name: values[0] for name, values in parse_qs(request.body).items()}
        try:
            scopes, details = self._endpoints.validate_authorization_request(uri)
            if request.method == "GET":
                hint = dict(parse_qsl(request.query)).get("login_hint", "")
                return HttpResponse(200, consent_page(details["client_id"], scopes, hint), HTML)
            account = form.get("account", "").strip().lower()
            if request.headers.get("Origin", self.issuer) != self.issuer:
                return _bad_request("This form was sent from the page of another site.")
            if form.get("decision") != "allow":
                raise AccessDeniedError(request=details["request"])
            if "@" not in account:
                return _bad_request("Go back and enter a mail address, such as you@sandbox.test.")
            headers, _, status = self._endpoints.create_authorization_response(
                uri, scopes=scopes, credentials={"user": account}
            )
            location = headers["Location"]
        except FatalClientError as error:
            return _bad_request(f"The client's request cannot be served: {error.description or error.error}")
        except OAuth2Error as error:
            location = error.in_uri(error.redirect_uri or "")
            status = 302
        except ValueError:  # oauthlib cannot parse the query
            return _bad_request("The client's request cannot be read.")
        if self.act.sends_iss:
            location = add_params_to_uri(location, [("iss", self.issuer)])
        # 303: with 302 a browser might post the form to the client (RFC 9700 section 4.12).
        return HttpResponse(303 if status == 302 else status, "", {"Location": location})


def _bad_request(text: str) -> HttpResponse:
    return HttpResponse(400, error_page("This does not work", text), HTML)
