"""PACC: real DNS (dnsmasq), HTTPS with verified certificates."""

from __future__ import annotations

import dns.resolver
import pytest

from oauth2_pop3.discovery import pacc
from oauth2_pop3.errors import NetworkError, OAuthError
from oauth2_pop3.providers import dns_records
from oauth2_pop3.providers.provider import MAIL_SCOPE
from servers.authorization_server import AuthorizationServer
from support.discovery import (
    AUTOCONFIG,
    DOMAIN,
    PACC,
    Names,
    Site,
    digest,
    find,
    nothing,
    outcomes,
    pacc_document,
    xml,
)

RESOLVER = dns.resolver.Resolver  # tests replace it with one for their own name server


def test_pacc(names: Names, site: Site, authorization_server: AuthorizationServer) -> None:
    body = pacc_document(authorization_server.issuer)
    names(txt=digest(body))
    site.put(PACC, body)
    result = find()
    assert (result.source, result.known, result.provider.name) == ("PACC", False, "found-example")
    assert "TXT digest matches" in result.trust
    assert "verified TLS" in result.trust
    assert result.values == {
        "issuer": authorization_server.issuer,
        "scope": f"{MAIL_SCOPE} offline_access",  # those of scopes_supported in its metadata
        "pop3_host": "pop.found.example",
        "pop3_port": 995,
        "domains": [DOMAIN],
    }
    assert site.asked() == [PACC]


def test_a_digest_that_does_not_match_is_refused(
    names: Names, site: Site, authorization_server: AuthorizationServer
) -> None:
    body = pacc_document(authorization_server.issuer)
    names(txt=digest(body))
    site.put(PACC, body + " ")
    assert "PACC: the document of ua-auto-config.found.example has another digest" in nothing()
    assert AUTOCONFIG in site.asked()
    site.put(AUTOCONFIG, xml(authorization_server.issuer))
    result = find()
    assert (result.source, outcomes(result)["PACC"]) == (f"autoconfig {AUTOCONFIG[0]}", "fault")


def test_pacc_without_a_digest_is_not_used(names: Names, site: Site, authorization_server: AuthorizationServer) -> None:
    names(txt={f"_ua-auto-config.{DOMAIN}": [["v=spf1 -all"]]})
    site.put(PACC, pacc_document(authorization_server.issuer))
    assert "PACC: there is no TXT record _ua-auto-config.found.example with the document's digest" in nothing()


@pytest.mark.parametrize("record", ["v=UAAC1; a=md5; d=AAAA", "v=UAAC1; a=sha256; d=!!", "v=UAAC1"])
def test_a_digest_that_cannot_be_checked_is_refused(record: str, names: Names, site: Site) -> None:
    names(txt={f"_ua-auto-config.{DOMAIN}": [[record]]})
    site.put(PACC, pacc_document("https://as.found.example"))
    with pytest.raises(OAuthError, match="another digest"):
        pacc.look_up(DOMAIN)


def test_a_digest_that_is_held_back_is_not_one_that_is_missing(
    names: Names, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = pacc_document("https://as.found.example")
    resolver = names(txt=digest(body))
    site.put(PACC, body)
    monkeypatch.setattr(dns_records, "LIFETIME", 0.5)
    silent = RESOLVER(configure=False)
    silent.nameservers, silent.port = ["127.0.0.1"], 1
    with pytest.raises(NetworkError, match="TXT record"):
        pacc.look_up(DOMAIN, resolver=silent)
    assert pacc.look_up(DOMAIN, resolver=resolver) is not None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "[" * 60000,
        '{"protocols": {"pop3": {"host": 7}}}',
        '{"protocols": {"pop3": {"host": "a b"}}}',
        '{"protocols": {"pop3": {"host": "-x"}}}',
        '{"protocols": {"pop3": {"host": "p.example\\u001b[2J"}}}',
        '{"protocols": {"pop3": {"host": "p.example"}}, "authentication": {"oauth-public": {"issuer": []}}}',
        pacc_document("http://as.found.example"),
        pacc_document("https://as.found.example/?tenant=1"),
        pacc_document("https://as.found.example/\x1b[2J"),
        pacc_document("https://as.found.example/" + "x" * 600),
    ],
)
def test_pacc_with_nonsense_in_it(body: str, names: Names, site: Site) -> None:
    names(txt=digest(body))
    site.put(PACC, body)
    with pytest.raises(OAuthError) as caught:
        pacc.look_up(DOMAIN)
    assert caught.value.message.isprintable()
    assert "digest" not in caught.value.message


@pytest.mark.parametrize("body", ['{"protocols": []}', '{"protocols": {"pop3": 1}}', '{"protocols": {"imap": {}}}'])
def test_pacc_without_pop3(body: str, names: Names, site: Site) -> None:
    names(txt=digest(body))
    site.put(PACC, body)
    assert pacc.look_up(DOMAIN) is None
