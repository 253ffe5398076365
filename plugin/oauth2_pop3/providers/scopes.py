"""Which scopes open which protocol, and which of them a token has (RFC 6749 section 3.3).

An account asks only for what opens POP3. IMAP and SMTP must be asked for by name. One access token serves them all: no
known provider binds these scopes to different resources (RFC 8707).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from oauth2_pop3.errors import ConfigError
from oauth2_pop3.providers.provider import MAIL_SCOPE, Provider

OTHER_PROTOCOLS = ("imap", "smtp")
"""What may be asked for beside POP3."""
PROTOCOLS = ("pop3", *OTHER_PROTOCOLS)
IDENTITY_SCOPES = frozenset({"openid", "email", "profile", "offline_access"})
"""Scopes that open no mailbox. A response need not name them."""


def opening(provider: Provider, protocol: str) -> str:
    """The scope that opens a protocol, space-separated. Raises ConfigError if it is not known."""
    if protocol == "pop3":
        return provider.scope
    known: str = getattr(provider, f"{protocol}_scope")
    # The open public profile (draft-ietf-mailmaint-oauth-public) has one scope for all of mail.
    if not known and (not provider.scope or MAIL_SCOPE in provider.scope.split()):
        known = MAIL_SCOPE
    if not known:
        raise ConfigError(
            f"it is not known which scope opens {protocol.upper()} at {provider.display_name}",
            hint=f"Set {protocol}_scope in [providers.{provider.name}] of config.toml. "
            "If the scope for POP3 opens that too, set it to the same scope.",
        )
    return known


def for_mail(metadata: Mapping[str, object], named: str = "") -> str:
    """The scope to ask for at a server whose scope no provider's row gives; "" if it announces none that opens mail.

    `metadata` is the authorization server's (RFC 8414). `named` is the scope that a source of discovery names, if any;
    otherwise it is the open public profile's, or else "mail". offline_access, for a refresh token, is added unless the
    server announces its scopes without it.
    """
    names = announced(metadata)
    known = [scope for scope in (MAIL_SCOPE, "mail") if names is None or scope in names]
    scopes = named.split() or known[:1]
    if scopes and (names is None or "offline_access" in names) and "offline_access" not in scopes:
        scopes.append("offline_access")
    return " ".join(scopes)


def read(value: object) -> str | None:
    """A response's `scope`, space-separated as in RFC 6749 section 3.3. Some servers send a list. None for neither.

    What cannot be printed is in no scope, and separates as a space does.
    """
    if not isinstance(value, list | str):
        return None
    text = value if isinstance(value, str) else " ".join(name for name in value if isinstance(name, str))
    return "".join(character if character.isprintable() else " " for character in text)


def announced(metadata: Mapping[str, object]) -> list[str] | None:
    """The scopes that a server says it has (scopes_supported, RFC 8414 section 2); None if it does not say."""
    names = metadata.get("scopes_supported")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else None


def with_protocols(provider: Provider, protocols: Iterable[str]) -> Provider:
    """The provider with the scope for these protocols too. Raises ConfigError."""
    asked = provider.scope.split()
    if not asked:
        return provider  # what to ask for is found in the server's metadata, and opens all of mail
    for protocol in protocols:
        asked += [scope for scope in opening(provider, protocol).split() if scope not in asked]
    return replace(provider, scope=" ".join(asked))


def missing(wanted: str, granted: str) -> list[str]:
    """The scopes in `wanted` that open something and are not in `granted`.

    Some servers separate what they granted by commas, which a scope may also hold (RFC 6749 section 3.3).
    """
    has = {_name(scope) for scope in [*granted.split(), *granted.replace(",", " ").split()]}
    return [scope for scope in wanted.split() if scope not in IDENTITY_SCOPES and _name(scope) not in has]


def opens(provider: Provider, protocol: str, granted: str) -> bool:
    """Whether a token with the scope `granted` opens a protocol. Raises ConfigError.

    What an app may do is decided by its administrator. No scope of its token shows it.
    """
    return not provider.needs_person or not missing(opening(provider, protocol), granted)


def opened(provider: Provider, granted: str) -> list[str]:
    """The protocols that a granted scope is known to open, POP3 among them."""
    others = []
    for protocol in OTHER_PROTOCOLS:
        try:
            if not missing(opening(provider, protocol), granted):
                others.append(protocol)
        except ConfigError:
            continue
    return ["pop3", *others]


def _name(scope: str) -> str:
    """One spelling of a scope. Microsoft's outlook.office.com and outlook.office365.com name the same resource."""
    if scope.lower().startswith(("https://outlook.office.com/", "https://outlook.office365.com/")):
        return scope.lower().rpartition("/")[2]
    return scope.rstrip("/")
