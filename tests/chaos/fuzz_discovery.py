"""Targets: what domains publish about their mail, in the DNS and on the web."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import dns.exception
import dns.message
import dns.rdataclass
import dns.resolver
import dns.rrset

from chaos.fuzz_oauth2 import ISSUER, METADATA, served
from chaos.fuzz_target import Run, Target
from oauth2_pop3.accounts import provider_registry
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.discovery import autoconfig, openid_configuration, pacc, srv, verification
from oauth2_pop3.discovery.finding import Finding, FoundProvider
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.net import tls
from oauth2_pop3.oauth2 import metadata
from oauth2_pop3.pop3 import sasl
from oauth2_pop3.providers import mx
from oauth2_pop3.providers.provider import row_for_mx

DOMAIN = "corp.example"
ADDRESS = f"you@{DOMAIN}"


class _Text:
    def __init__(self, *strings: bytes) -> None:
        self.strings = strings


class _Texts:
    """A resolver that knows TXT records."""

    def __init__(self, *records: bytes) -> None:
        self._records = records

    def resolve(self, *_: object, **__: object) -> list[_Text]:
        return [_Text(record[:255], record[255:510]) for record in self._records]


@contextmanager
def _pacc(_: Path) -> Iterator[Run]:
    """A document with a digest that fits, or one that is as odd as the document."""
    with served() as server:

        def parse(content: bytes) -> None:
            server.respond(content)
            with suppress(OAuth2Pop3Error):
                odd: Any = _Texts(content, content[:20] + b"; v=UAAC1; a=sha256; d=" + content[20:60])
                pacc.look_up(DOMAIN, resolver=odd)
            digest = base64.b64encode(hashlib.sha256(content).digest())
            fitting: Any = _Texts(b"v=UAAC1; a=sha256; d=" + digest)
            server.status = 200
            pacc.look_up(DOMAIN, resolver=fitting)

        yield parse


@contextmanager
def _autoconfig(_: Path) -> Iterator[Run]:
    location = autoconfig.locations(DOMAIN, ADDRESS)[0]
    with served() as server:

        def parse(content: bytes) -> None:
            server.respond(content)
            server.status = 200
            autoconfig.look_up(location, ADDRESS, DOMAIN)

        yield parse


class _Refusing:
    """A session with a POP3 server that refuses the token."""

    capabilities: ClassVar[Mapping[str, tuple[str, ...]]] = {"SASL": ("OAUTHBEARER",)}
    challenge = ""

    @classmethod
    def connect(cls, *_: object, **__: object) -> _Refusing:
        return cls()

    def __enter__(self) -> _Refusing:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def refusal(self, *_: object, **__: object) -> dict[str, str]:
        return sasl.read_refusal(self.challenge)


@contextmanager
def _openid_configuration(_: Path) -> Iterator[Run]:
    """The refusal of a POP3 server, and the document that it names."""
    no_context = patch.object(tls, "client_context", lambda **_: None)
    with served() as server, no_context, patch.object(openid_configuration, "Session", _Refusing):

        def parse(content: bytes) -> None:
            server.respond(content)
            server.status = 200
            for refusal in (content, b'{"openid-configuration": "https://auth.example.org/c", "scope": "mail"}'):
                _Refusing.challenge = base64.b64encode(refusal).decode()
                with suppress(OAuth2Pop3Error):
                    issuer, scope = openid_configuration.look_up("pop.corp.example", 995)
                    Finding("x", "", "pop.corp.example", 995, False, issuer, scope)

        yield parse


@contextmanager
def _verification(_: Path) -> Iterator[Run]:
    """From a finding and its issuer's metadata, both odd, to a provider."""
    config = Config.from_text("", Path("config.toml"))
    rows = provider_registry.rows(config)
    with served() as server:

        def found(values: Mapping[str, Any]) -> FoundProvider:
            keys = ("pop3_host", "pop3_port", "starttls", "issuer", "scope", "username", "client_id")
            named = {key: values[key] for key in keys if type(values.get(key)) is type(_FINDING[key])}
            endpoints = {key: str(values[key])[:300] for key in _ENDPOINTS if isinstance(values.get(key), str)}
            merged: dict[str, Any] = {"source": "x", "trust": "", **_FINDING, **named, **endpoints}
            finding = Finding(**merged)
            return verification.Verifier(ADDRESS, DOMAIN, config, rows, "").provider(finding)

        def parse(content: bytes) -> None:
            server.respond(content)
            server.status = 200
            metadata.forget()
            with suppress(ValueError, RecursionError):
                values = json.loads(content)
                if isinstance(values, dict):
                    found(values)
            server.respond(json.dumps(METADATA).encode())
            metadata.forget()
            found({})

        yield parse


class _Wire:
    """A resolver whose name server answers with these octets."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def resolve(self, name: str, kind: str, **_: object) -> dns.resolver.Answer:
        """What dnspython makes of them: its errors are DNSException."""
        message = dns.message.from_wire(self._content)
        if not isinstance(message, dns.message.QueryMessage):
            raise dns.exception.FormError
        query = dns.message.make_query(name, kind)
        if message.question != query.question:  # as dns.query compares them
            raise dns.exception.FormError
        return dns.resolver.Answer(query.question[0].name, query.question[0].rdtype, dns.rdataclass.IN, message)


@contextmanager
def _records(_: Path) -> Iterator[Run]:
    """SRV, MX and TXT records."""
    rows = provider_registry.rows(Config.from_text("", Path("config.toml")))

    def parse(content: bytes) -> None:
        resolver: Any = _Wire(content)
        with suppress(OAuth2Pop3Error):
            exchanges = mx.mail_exchanges(DOMAIN, resolver=resolver)
            row_for_mx(rows, exchanges)
            autoconfig.mail_exchange_locations(DOMAIN, exchanges, ADDRESS)
        with served() as server, suppress(OAuth2Pop3Error):
            server.respond(b"{}")
            server.status = 200
            pacc.look_up(DOMAIN, resolver=resolver)
        srv.look_up(DOMAIN, resolver=resolver)

    yield parse


def _answer(name: str, kind: str, *records: str) -> bytes:
    """The answer of a name server, as it goes over the wire."""
    query = dns.message.make_query(name, kind)
    query.id = 1
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", kind, *records))
    return response.to_wire()


_ENDPOINTS = ("authorization_endpoint", "token_endpoint")
_FINDING: dict[str, Any] = {
    "pop3_host": "pop.corp.example",
    "pop3_port": 995,
    "starttls": False,
    "issuer": ISSUER,
    "scope": "mail",
    "username": ADDRESS,
    "client_id": "1234",
}
_PACC = {
    "protocols": {"pop3": {"host": "pop.corp.example"}, "imap": {"host": "imap.corp.example"}},
    "authentication": {"oauth-public": {"issuer": ISSUER}, "password": True},
    "info": {"provider": {"name": "Corp"}},
}
_XML = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
 <emailProvider id="corp.example">
  <domain>corp.example</domain>
  <incomingServer type="pop3">
   <hostname>pop.%EMAILDOMAIN%</hostname><port>995</port><socketType>SSL</socketType>
   <username>%EMAILADDRESS%</username>
   <authentication>OAuth2</authentication><authentication>password-cleartext</authentication>
  </incomingServer>
 </emailProvider>
 <oAuth2>
  <issuer>auth.example.org</issuer><scope>mail offline_access</scope>
  <authURL>{ISSUER}/authorize</authURL><tokenURL>{ISSUER}/token</tokenURL><clientID>1234</clientID>
 </oAuth2>
</clientConfig>
""".encode()
_XML_WORDS = (
    *(
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
        b"&a;",
        b"&#0;",
        b"&#xD800;",
        b"<![CDATA[",
        b"]]>",
        b"<?x ?>",
        b"<!--",
        b"-->",
    ),
    *(b"utf-16", b"utf-7", b"cp037", b"rot13", b"idna", b"<hostname>", b"</port>", b"%EMAILADDRESS%", b"xmlns='x'"),
)
_WIRES = (
    _answer(f"_pop3s._tcp.{DOMAIN}", "SRV", "0 1 995 pop.corp.example.", "10 0 995 ."),
    _answer(f"_pop3._tcp.{DOMAIN}", "SRV", "0 1 110 pop.corp.example."),
    _answer(DOMAIN, "MX", "10 mx.corp.example.", "0 ."),
    _answer(f"_ua-auto-config.{DOMAIN}", "TXT", '"v=UAAC1; a=sha256; " "d=YQ=="'),
)
TARGETS = (
    Target("pacc", _pacc, documents=[_PACC], words=[b"protocols", b"pop3", b"host"]),
    Target("autoconfig", _autoconfig, [_XML], words=_XML_WORDS),
    Target("openid_configuration", _openid_configuration, documents=[METADATA, {"openid-configuration": ISSUER}]),
    Target("verification", _verification, documents=[{**_FINDING, **METADATA}], words=[b"scopes_supported"]),
    Target("dns_records", _records, _WIRES, words=[b"\xc0\x0c", b"\x00\x21", b"\x00\x0f", b"\x3f"]),
)
