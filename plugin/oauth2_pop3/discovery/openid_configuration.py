"""The authorization server that a POP3 server names when it refuses OAUTHBEARER (RFC 7628 section 3.2.2)."""

from __future__ import annotations

from oauth2_pop3.errors import OAuthError, Pop3Error, one_line
from oauth2_pop3.net import https, tls
from oauth2_pop3.pop3.session import Session
from oauth2_pop3.providers.provider import OAUTHBEARER

TIMEOUT = 20.0
"""Seconds the POP3 server may stay silent."""
SIZE_LIMIT = 1 << 18
"""Bytes that the document may have."""
DUMMY = "discovery"
"""Sent in place of a token and of a user name. The refusal is what counts here: no real token goes to a server that is
not known yet, and no failed sign-in counts against a person. Neither may be empty, or Dovecot would not respond in the
way of RFC 7628."""


def look_up(host: str, port: int, *, domain: str = "", starttls: bool = False, ca_certs: str = "") -> tuple[str, str]:
    """The issuer and the scope that the POP3 server names; the scope is "" if it names none.

    `domain` is the mail domain in question, for a server that has several.

    The server points to a document, and the issuer is what that document says. metadata.fetch finds out whether the
    issuer says the same. Raises Pop3Error, NetworkError and OAuthError.
    """
    context = tls.client_context(ca_certs=ca_certs)
    with Session.connect(host, port, context=context, starttls=starttls, timeout=TIMEOUT) as session:
        offered = [name.lower() for name in session.capabilities.get("SASL", ())]
        if OAUTHBEARER not in offered:
            others = one_line(" ".join(offered).upper(), 100) or "no SASL mechanism"
            raise Pop3Error(f"the POP3 server {host} does not offer OAUTHBEARER; it offers {others}")
        refusal = session.refusal(OAUTHBEARER, f"{DUMMY}@{domain}" if domain else DUMMY, DUMMY, port=port)
    url = refusal.get("openid-configuration", "")
    if not url:
        raise OAuthError(f"the POP3 server {host} names no authorization server when it refuses a token")
    if not url.startswith("https://"):
        raise OAuthError(f"the POP3 server {host} names {one_line(url, 100)!r}, which is not an https:// URL")
    response = https.request("GET", url, ca_certs=ca_certs, size_limit=SIZE_LIMIT)
    issuer = response.json().get("issuer") if response.status == 200 else None
    if not isinstance(issuer, str) or not issuer:
        raise OAuthError(f"{one_line(url, 200)}, which the POP3 server {host} names, is not an openid-configuration")
    scope = refusal.get("scope", "")
    return issuer, scope if scope.isascii() and scope.isprintable() else ""
