"""The authorization server that a POP3 server names when it refuses OAUTHBEARER (RFC 7628 section 3.2.2)."""

from __future__ import annotations

from oauth2_pop3.errors import OAuthError, Pop3Error, one_line
from oauth2_pop3.net import https, tls
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.providers.provider import OAUTHBEARER

TIMEOUT = 20.0
"""Seconds of the POP3 server's silence that are borne."""
SIZE_LIMIT = 1 << 18
"""Bytes of the document."""
DUMMY = "discovery"
"""Sent in a token's place, and in a user's: it is the refusal that is wanted, no real token goes to a server not yet
known, and no failure is to count against anybody. Dovecot does not answer as RFC 7628 has it where either is empty."""


def look_up(host: str, port: int, *, domain: str = "", starttls: bool = False, ca_certs: str = "") -> tuple[str, str]:
    """Issuer and scope as the POP3 server names them; the scope is "" where it does not.

    domain: whose mail it is about, for a server that serves many.

    The issuer is what the document says that the server points to; whether it is that of the issuer itself is for
    metadata.fetch to find out. Raises Pop3Error, NetworkError and OAuthError.
    """
    context = tls.client_context(ca_certs=ca_certs)
    with Session.connect(host, port, context=context, starttls=starttls, timeout=TIMEOUT) as session:
        offered = [name.lower() for name in session.capabilities.get("SASL", ())]
        if OAUTHBEARER not in offered:
            raise Pop3Error(f"the POP3 server {host} does not offer OAUTHBEARER, but {_listed(offered)}")
        refusal = session.refusal(OAUTHBEARER, f"{DUMMY}@{domain}" if domain else DUMMY, DUMMY, port=port)
    url = refusal.get("openid-configuration", "")
    if not url:
        raise OAuthError(f"the POP3 server {host} names no authorization server when it refuses a token")
    if not url.startswith("https://"):
        raise OAuthError(f"the POP3 server {host} names {one_line(url, 100)!r}, which is no https:// URL")
    response = https.request("GET", url, ca_certs=ca_certs, size_limit=SIZE_LIMIT)
    issuer = response.json().get("issuer") if response.status == 200 else None
    if not isinstance(issuer, str) or not issuer:
        raise OAuthError(f"{one_line(url, 200)}, which the POP3 server {host} names, is no openid-configuration")
    scope = refusal.get("scope", "")
    return issuer, scope if scope.isascii() and scope.isprintable() else ""


def _listed(names: list[str]) -> str:
    return one_line(" ".join(names).upper(), 100) or "says nothing of SASL"
