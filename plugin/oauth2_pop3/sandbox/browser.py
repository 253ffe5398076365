"""What a browser does at the sandbox's sign-in page: it posts the form and follows the redirect to the client.

It does not use net/https.py, which never returns a redirect. Both ends are on this machine.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from oauth2_pop3.errors import NetworkError, OAuthError
from oauth2_pop3.net.loopback import is_loopback
from oauth2_pop3.net.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = 30


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves the redirect to the caller."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Follow nothing."""


def post_consent(authorization_url: str, form: Mapping[str, str], ca_certs: str) -> str:
    """Post the consent page's form; return the URL of the authorization response (RFC 6749 section 4.1.2)."""
    if not authorization_url.startswith("https://"):
        raise OAuthError("the authorization URL is not https")
    context = client_context(ca_certs=ca_certs)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}), _NoRedirect
    )
    try:
        with opener.open(authorization_url, urlencode(form).encode(), TIMEOUT):
            pass
    except urllib.error.HTTPError as response:
        with response:
            location = response.headers.get("Location")
            if location is None:
                raise OAuthError(f"the sandbox's sign-in page responded with {response.code}") from None
            return str(location)
    except OSError as error:
        raise NetworkError(f"the sandbox's authorization server cannot be reached: {error}") from error
    raise OAuthError("the sandbox's sign-in page did not redirect")


def follow_redirect(location: str) -> None:
    """Bring the authorization response to the client, which listens on loopback (RFC 8252 section 7.3)."""
    parts = urlsplit(location)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        raise OAuthError("the redirect does not go to a client on this machine")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.addheaders = [("Sec-Fetch-Mode", "navigate")]
    try:
        with opener.open(location, timeout=TIMEOUT) as response:
            response.read()
    except urllib.error.HTTPError as error:
        # The redirect has arrived. The client may show its page about a refusal with an error status.
        error.close()
    except OSError as error:
        raise NetworkError(f"the client, which listens on loopback, cannot be reached: {error}") from error
