"""What a browser does at sign-in, by plain HTTPS: the form, and the redirect to the loopback listener."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from oauth2_pop3.errors import NetworkError, OAuthError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = 30


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves the redirect to the caller, who wants to see it."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Follow nothing."""


def post_consent(authorization_url: str, form: Mapping[str, str], ca_certs: str) -> str:
    """Post the consent page's form; give the authorization response's URL (RFC 6749 section 4.1.2)."""
    if not authorization_url.startswith("https://"):
        raise OAuthError("the authorization URL is not https")
    context = ssl.create_default_context(cafile=ca_certs)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}), _NoRedirect
    )
    try:
        with opener.open(authorization_url, urlencode(form).encode(), TIMEOUT):
            pass
    except urllib.error.HTTPError as answer:
        with answer:
            location = answer.headers.get("Location")
            if location is None:
                raise OAuthError(f"the sandbox's sign-in page answered {answer.code}") from None
            return str(location)
    except OSError as error:
        raise NetworkError(f"the sandbox's authorization server cannot be reached: {error}") from error
    raise OAuthError("the sandbox's sign-in page did not redirect")


def follow_redirect(location: str) -> None:
    """Let the authorization response reach the client's loopback listener (RFC 8252 section 7.3)."""
    if not location.startswith("http://"):
        raise OAuthError("the redirect does not go to a loopback listener")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(location, timeout=TIMEOUT) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        # The listener's page about a refusal may well have an error's status: it arrived all the same.
        error.close()
    except OSError as error:
        raise NetworkError(f"the loopback listener cannot be reached: {error}") from error
