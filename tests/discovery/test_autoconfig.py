"""Mail Autoconfig, from each place it may be in."""

from __future__ import annotations

import pytest

from oauth2_pop3 import cli
from oauth2_pop3.discovery import autoconfig
from oauth2_pop3.errors import OAuthError
from servers.authorization_server import NATIVE_PUBLIC, AuthorizationServer
from servers.dovecot import Dovecot
from support.discovery import (
    ADDRESS,
    AUTOCONFIG,
    DOMAIN,
    ISPDB,
    ISPDB_HOST,
    MX_AUTOCONFIG,
    WELL_KNOWN,
    Names,
    Site,
    find,
    server_xml,
    xml,
)
from support.product import Product


@pytest.mark.parametrize(
    ("where", "source", "trust"),
    [
        (AUTOCONFIG, f"autoconfig {AUTOCONFIG[0]}", "from autoconfig.found.example"),
        (WELL_KNOWN, f"autoconfig {DOMAIN}", "from found.example itself"),
        (ISPDB, f"ISPDB {DOMAIN}", "from a third party"),
        (MX_AUTOCONFIG, "autoconfig autoconfig.hoster.example", "which the MX record names (DNSSEC is not checked)"),
        ((ISPDB_HOST, "/v1.1/hoster.example"), "ISPDB hoster.example", "from a third party"),
    ],
)
def test_each_place_of_autoconfig(
    where: tuple[str, str], source: str, trust: str, names: Names, site: Site, authorization_server: AuthorizationServer
) -> None:
    names(mx={DOMAIN: ["mx1.hoster.example"]})
    site.put(where, xml(authorization_server.issuer))
    result = find()
    assert (result.source, result.username) == (source, "ann")
    assert trust in result.trust
    assert "verified TLS" in result.trust
    assert result.provider.scope == "mail offline_access"
    assert (result.provider.pop3_host, result.provider.pop3_port) == ("pop.found.example", 995)
    assert site.asked()[-1] == where
    told = {host for host, path in site.requests if "ann%40found.example" in path}
    assert told <= {AUTOCONFIG[0], MX_AUTOCONFIG[0]}  # not the ISPDB
    assert AUTOCONFIG[0] in told


@pytest.mark.parametrize(
    ("exchange", "domains"),
    [
        ("mx1.mail.hoster.example", ["mail.hoster.example", "hoster.example"]),
        ("mx.hoster.example", ["hoster.example"]),
        ("hoster.example", ["hoster.example"]),
        ("mx.hoster.co.uk", ["hoster.co.uk"]),
        ("hoster.co.uk", ["hoster.co.uk"]),
        ("mx.found.example", []),  # its own, which was asked before
        ("localhost", []),
        ("mx.a/b.example", []),
    ],
)
def test_the_domains_of_a_mail_exchange(exchange: str, domains: list[str]) -> None:
    places = autoconfig.mail_exchange_locations(DOMAIN, [exchange], ADDRESS)
    assert [place.source for place in places] == [
        *(f"autoconfig autoconfig.{domain}" for domain in domains),
        *(f"ISPDB {domain}" for domain in domains),
    ]


def test_which_server_of_autoconfig(names: Names, site: Site) -> None:
    names()
    servers = (
        server_xml("plain.found.example", 110, "plain")
        + server_xml("password.found.example", 995, "SSL", "GSSAPI")
        + server_xml("pop.%EMAILDOMAIN%", 110, "STARTTLS")
    )
    site.put(AUTOCONFIG, xml("as.found.example", servers))
    place = autoconfig.locations(DOMAIN, ADDRESS)[0]
    found = autoconfig.look_up(place, ADDRESS, DOMAIN)
    assert found is not None
    assert (found.pop3_host, found.pop3_port, found.starttls) == ("pop.found.example", 110, True)
    assert found.issuer == "https://as.found.example"  # many documents leave the scheme out


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no xml",
        "<html></html>",
        "<clientConfig>",
        xml("", server_xml(socket_type="plain")),
        xml("", server_xml(port="")),
        xml("", server_xml(port="0")),
        xml("", server_xml(port="99999")),
        xml("", server_xml(port="²")),
        xml("", server_xml("")),
        xml("", server_xml("pop.example/x")),
        xml("ftp://as.found.example"),
        xml("https://as.found.example", more="<authURL>javascript:1</authURL>"),
        '<?xml version="1.0" encoding="no-such"?><clientConfig/>',
        # A billion laughs, an external entity, only a document type.
        '<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><clientConfig>&b;</clientConfig>',
        '<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><clientConfig>&a;</clientConfig>',
        '<!DOCTYPE clientConfig SYSTEM "https://found.example/x.dtd"><clientConfig/>',
    ],
)
def test_autoconfig_with_nonsense_in_it(body: str, names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, body)
    with pytest.raises(OAuthError) as caught:
        autoconfig.look_up(autoconfig.locations(DOMAIN, ADDRESS)[0], ADDRESS, DOMAIN)
    assert caught.value.message.isprintable()


def test_a_client_id_for_everybody_is_used(
    names: Names, site: Site, dovecot: Dovecot, authorization_server: AuthorizationServer, product: Product
) -> None:
    """draft-ietf-mailmaint-autoconfig, OAuth2 requirements: the client_id that it gives, or else registration."""
    names()
    client_id = f"<clientID>{NATIVE_PUBLIC.client_id}</clientID>"
    site.put(AUTOCONFIG, xml(authorization_server.issuer, server_xml("localhost", dovecot.pop3s_port), client_id))
    assert cli.main(["discover", ADDRESS, "--save"]) == 0
    result = product.login(authorization_server, ADDRESS)
    assert result.returncode == 0, result.stderr
    assert {request["client_id"] for request in authorization_server.token_requests()} == {NATIVE_PUBLIC.client_id}


@pytest.mark.parametrize("way", ["OAuth2", "OAuth", "OAUTHBEARER", "XOAUTH2"])
def test_the_names_of_oauth(way: str, names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, xml("as.found.example", server_xml("first.found.example", way="GSSAPI") + server_xml(way=way)))
    found = autoconfig.look_up(autoconfig.locations(DOMAIN, ADDRESS)[0], ADDRESS, DOMAIN)
    assert found is not None
    assert (found.pop3_host, found.note) == ("pop.found.example", "")
