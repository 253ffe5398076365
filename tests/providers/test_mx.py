"""A hosted domain finds its provider by its MX record, asked of a real name server (dnsmasq)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import dns.resolver
import pytest

from oauth2_pop3.accounts import provider_registry
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import ConfigError, NetworkError
from oauth2_pop3.providers import dns_records
from oauth2_pop3.providers.mx import mail_exchanges
from servers.dns import NameServer

RECORDS = {
    "workspace.example": ["smtp.google.com"],
    "older-workspace.example": ["alt1.aspmx.l.google.com", "aspmx.l.google.com"],
    "office.example": ["office-example.mail.protection.outlook.com"],
    "elsewhere.example": ["mail.elsewhere.example"],
    "lookalike.example": ["mx.notgoogle.com"],
}


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[dns.resolver.Resolver]:
    """The name server, in place of the system's."""
    with NameServer(mx=RECORDS) as server:
        monkeypatch.setattr(dns.resolver, "Resolver", lambda: server.resolver)
        yield server.resolver


def test_a_resolv_conf_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dns.resolver.Resolver
    monkeypatch.setattr(dns.resolver, "Resolver", lambda: real(io.StringIO("nameserver [[[\n")))
    with pytest.raises(NetworkError, match=r"the MX record of a.example cannot be looked up: nameserver \[\[\["):
        mail_exchanges("a.example")


@pytest.mark.parametrize(
    ("domain", "provider"),
    [("workspace.example", "google"), ("older-workspace.example", "google"), ("office.example", "microsoft")],
)
def test_a_hosted_domain(domain: str, provider: str, resolver: dns.resolver.Resolver, home: Path) -> None:
    assert mail_exchanges(domain) == RECORDS[domain]
    assert provider_registry.name_for(f"ann@{domain}", Config.load()) == provider


@pytest.mark.parametrize("domain", ["elsewhere.example", "lookalike.example", "nowhere.example"])
def test_a_domain_of_nobody_we_know(domain: str, resolver: dns.resolver.Resolver, home: Path) -> None:
    with pytest.raises(ConfigError, match="no provider is known") as caught:
        provider_registry.name_for(f"ann@{domain}", Config.load())
    assert "--provider" in str(caught.value)


def test_a_name_server_that_does_not_answer(
    resolver: dns.resolver.Resolver, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_records, "LIFETIME", 1.0)
    resolver.port = 1
    with pytest.raises(NetworkError, match="cannot be looked up"):
        mail_exchanges("workspace.example", resolver=resolver)
