"""The web and the DNS of a domain that discovery looks up: each source's documents, and what discovery says of them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import dns.resolver
import pytest

from oauth2_pop3.accounts.config import Config
from oauth2_pop3.discovery.finding import FoundProvider
from oauth2_pop3.discovery.ladder import discover
from oauth2_pop3.errors import ConfigError

Names = Callable[..., dns.resolver.Resolver]
DOMAIN = "found.example"
ADDRESS = f"ann@{DOMAIN}"
PACC_HOST = f"ua-auto-config.{DOMAIN}"
PACC = (PACC_HOST, "/.well-known/user-agent-configuration.json")
AUTOCONFIG = (f"autoconfig.{DOMAIN}", "/mail/config-v1.1.xml")
WELL_KNOWN = (DOMAIN, "/.well-known/autoconfig/mail/config-v1.1.xml")
ISPDB_HOST = "autoconfig.thunderbird.net"
ISPDB = (ISPDB_HOST, f"/v1.1/{DOMAIN}")
MX_AUTOCONFIG = ("autoconfig.hoster.example", "/mail/config-v1.1.xml")
HOSTS = (DOMAIN, PACC_HOST, AUTOCONFIG[0], ISPDB_HOST, MX_AUTOCONFIG[0])


class Site:
    """All the web there is: documents by host and path, and the requests that came for them."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.port = port
        self.ca_file = ca_file
        self.documents: dict[tuple[str, str], tuple[int, bytes, dict[str, str]]] = {}
        self.requests: list[tuple[str, str]] = []

    def put(self, where: tuple[str, str], body: bytes | str, status: int = 200, **headers: str) -> None:
        self.documents[where] = (status, body.encode() if isinstance(body, str) else body, headers)

    def asked(self) -> list[tuple[str, str]]:
        """Host and path of each request."""
        return [(host, path.partition("?")[0]) for host, path in self.requests]


def find(address: str = ADDRESS) -> FoundProvider:
    return discover(address, Config.load())


def outcomes(result: FoundProvider) -> dict[str, str]:
    return {attempt.name: attempt.outcome for attempt in result.tried}


def said_by(result: FoundProvider, name: str) -> str:
    return next(attempt.detail for attempt in result.tried if attempt.name == name)


def nothing(address: str = ADDRESS) -> str:
    with pytest.raises(ConfigError, match="no provider was found") as caught:
        find(address)
    assert "--provider" in caught.value.hint
    return caught.value.message


def pacc_document(issuer: str, host: str = "pop.found.example") -> str:
    document = {
        "protocols": {"imap": {"host": "imap.found.example"}, "pop3": {"host": host}},
        "authentication": {"password": False, "oauth-public": {"issuer": issuer}},
        "info": {"provider": {"name": "Found"}},
    }
    return json.dumps(document)


def digest(body: str) -> dict[str, list[list[str]]]:
    text = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    # In two strings, which are joined without anything in between (RFC 1035 section 3.3.14).
    return {f"_ua-auto-config.{DOMAIN}": [["v=spf1 -all"], ["v=UAAC1; a=sha256; d=" + text[:9], text[9:]]]}


def server_xml(
    host: str = "pop.found.example", port: int | str = 995, socket_type: str = "SSL", way: str = "OAuth2"
) -> str:
    return f"""<incomingServer type="pop3"><hostname>{host}</hostname><port>{port}</port>
    <socketType>{socket_type}</socketType><username>%EMAILLOCALPART%</username>
    <authentication>password-cleartext</authentication><authentication>{way}</authentication></incomingServer>"""


def xml(issuer: str = "", servers: str = "", more: str = "") -> str:
    oauth2 = f"<oAuth2><issuer>{issuer}</issuer><scope>mail</scope>{more}</oAuth2>" if issuer or more else ""
    imap = '<incomingServer type="imap"><hostname>imap.found.example</hostname></incomingServer>'
    return f"""<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="{DOMAIN}">
    <domain>{DOMAIN}</domain>{imap}{servers or server_xml()}</emailProvider>{oauth2}</clientConfig>"""
