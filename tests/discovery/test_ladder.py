"""From a mail address to a provider: real DNS (dnsmasq), HTTPS with verified certificates, Dovecot, oidc-provider."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from oauth2_pop3 import cli
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.errors import NetworkError
from oauth2_pop3.providers import dns_records
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.discovery import (
    ADDRESS,
    AUTOCONFIG,
    DOMAIN,
    ISPDB,
    MX_AUTOCONFIG,
    PACC,
    WELL_KNOWN,
    Names,
    Site,
    digest,
    find,
    nothing,
    outcomes,
    pacc_document,
    said_by,
    xml,
)
from support.product import Product


@pytest.mark.parametrize(
    ("address", "name", "source"),
    [
        ("ann@own.example", "mine", "your config"),
        ("ann@gmail.com", "google", "built-in table"),
        ("ann@company.example", "google", "MX"),
    ],
)
def test_what_is_known_is_not_asked_of_strangers(
    address: str, name: str, source: str, product: Product, names: Names, site: Site
) -> None:
    names(mx={"company.example": ["aspmx.l.google.com"]})
    product.configure(
        '[providers.mine]\nissuer = "https://as.own.example"\npop3_host = "p.own.example"\ndomains = ["own.example"]\n'
    )
    result = find(address)
    assert (result.provider.name, result.known, result.source, dict(result.values)) == (name, True, source, {})
    assert result.tried[-1].name == source
    assert result.tried[-1].outcome == "found"
    assert site.requests == []


@pytest.mark.parametrize("where", [PACC, AUTOCONFIG])
def test_a_redirect_is_not_followed(where: tuple[str, str], names: Names, site: Site) -> None:
    names()
    site.put(where, b"", 302, Location=f"https://{DOMAIN}/elsewhere")
    assert "redirect" in nothing()
    assert (DOMAIN, "/elsewhere") not in site.asked()


@pytest.mark.parametrize("where", [PACC, AUTOCONFIG])
def test_a_document_of_50_megabytes(where: tuple[str, str], names: Names, site: Site) -> None:
    names()
    site.put(where, b" " * 50_000_000)
    assert "more than" in nothing()


def test_a_certificate_of_nobody(names: Names, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    names()
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    assert "is not trusted" in nothing()
    assert site.requests == []


def test_all_together_in_order(
    names: Names, site: Site, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """Take away the source that was found, and the next one is found."""
    body = pacc_document(authorization_server.issuer)
    names(
        mx={DOMAIN: ["mx1.hoster.example"]},
        srv={f"_pop3s._tcp.{DOMAIN}": [("localhost", dovecot.pop3s_port, 0, 1)]},
        txt=digest(body),
    )
    site.put(PACC, body)
    places = [AUTOCONFIG, WELL_KNOWN, ISPDB, MX_AUTOCONFIG]
    for place in places:
        site.put(place, xml(authorization_server.issuer))
    seen = []
    for place in [PACC, *places]:
        seen.append(find().source)
        del site.documents[place]
    last = find()
    sources = ["PACC", f"autoconfig {AUTOCONFIG[0]}", f"autoconfig {DOMAIN}", f"ISPDB {DOMAIN}"]
    assert seen == [*sources, "autoconfig autoconfig.hoster.example"]
    assert last.source == f"SRV _pop3s._tcp.{DOMAIN}"
    assert list(outcomes(last).items()) == [
        *((name, "absent") for name in ("your config", "built-in table", "plugins", "MX", *seen)),
        ("ISPDB hoster.example", "absent"),
        ("SRV", "found"),
    ]
    assert said_by(last, "MX") == "mail goes to mx1.hoster.example"


def test_all_absent(names: Names, site: Site) -> None:
    names(hosts=())
    message = nothing()
    for name in ("your config", "built-in table", "plugins", "MX: there is no MX record", "PACC", "ISPDB", "SRV"):
        assert name in message
    assert site.requests == []


def test_a_name_server_that_does_not_answer_is_a_passing_fault(
    names: Names, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(hosts=()).port = 1
    monkeypatch.setattr(dns_records, "LIFETIME", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror("no names")))
    with pytest.raises(NetworkError, match="no provider was found"):
        find()


def test_the_command_finds_and_saves_what_login_works_with(
    names: Names,
    product: Product,
    dovecot: Dovecot,
    authorization_server: AuthorizationServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From nothing but the address to a maildrop that opens."""
    names(srv={f"_pop3s._tcp.{DOMAIN}": [("localhost", dovecot.pop3s_port, 0, 1)]})
    product.configure("# mine\n")
    assert cli.main(["discover", ADDRESS, "--save"]) == 0
    printed = capsys.readouterr().out
    for part in (f"localhost:{dovecot.pop3s_port}, TLS", authorization_server.issuer, "DNSSEC is not checked", "PACC"):
        assert part in printed
    assert product.config_file.read_text().startswith("# mine\n")
    assert set(Config.load().providers) == {"found-example"}
    result = product.login(authorization_server, ADDRESS)
    assert result.returncode == 0, result.stderr
    assert "no client_id is needed" in result.stderr
    assert "client_id" not in product.config_file.read_text()
    assert product.token(ADDRESS)
    assert find().source == "your config"


def test_the_command_as_json(
    names: Names, site: Site, authorization_server: AuthorizationServer, capsys: pytest.CaptureFixture[str]
) -> None:
    body = pacc_document(authorization_server.issuer)
    names(txt=digest(body))
    site.put(PACC, body)
    assert cli.main(["discover", ADDRESS, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["source"], printed["issuer"], printed["known"]) == ("PACC", authorization_server.issuer, False)
    assert printed["tried"][-1]["outcome"] == "found"
    assert not Config.load().providers


def test_the_command_where_nothing_is_found(names: Names, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names(hosts=())
    assert cli.main(["discover", ADDRESS]) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Tried your config" in captured.err
    assert cli.main(["discover", "ann"]) == 78
