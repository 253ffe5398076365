"""From a bare address to a provider: real DNS (dnsmasq), HTTPS with verified certificates, Dovecot, oidc-provider."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
import trustme

from oauth2_pop3 import cli
from oauth2_pop3.accounts.config import Config
from oauth2_pop3.discovery import autoconfig, openid_configuration, pacc, srv
from oauth2_pop3.discovery.finding import Discovered, ascii_domain
from oauth2_pop3.discovery.ladder import Result, discover
from oauth2_pop3.errors import ConfigError, NetworkError, OAuthError, Pop3Error
from oauth2_pop3.providers.provider import MAIL_SCOPE
from servers.authorization_server import NATIVE_PUBLIC, AuthorizationServer
from servers.certificates import Certificates
from servers.dns import NameServer
from servers.dovecot import Dovecot
from support.product import Product

RESOLVER = dns.resolver.Resolver  # which the name server of a test takes the place of
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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def site(authority: trustme.CA, certificates: Certificates, home: Path, tmp_path: Path) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            there.requests.append((host, self.path))
            missing: tuple[int, bytes, dict[str, str]] = (404, b"<html>", {})
            status, body, headers = there.documents.get((host, self.path.partition("?")[0]), missing)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the client has had enough of it
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that hangs up is what some tests are about

    ca_file = tmp_path / "authorities.pem"
    ca_file.write_bytes(certificates.ca_file.read_bytes() + authority.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    there = Site(server.server_address[1], ca_file)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield there
    server.shutdown()
    server.server_close()


Names = Callable[..., dns.resolver.Resolver]


@pytest.fixture
def names(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """names(**records): a name server with these, and all the names of the web unless hosts says which."""
    with ExitStack() as stack:

        def start(**records: Any) -> dns.resolver.Resolver:
            server = stack.enter_context(NameServer(**{"hosts": HOSTS, **records}))
            monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo({443: site.port}))
            monkeypatch.setattr(dns.resolver, "Resolver", lambda: server.resolver)
            monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
            return server.resolver

        yield start


def find(address: str = ADDRESS) -> Result:
    return discover(address, Config.load())


def outcomes(result: Result) -> dict[str, str]:
    return {rung.name: rung.outcome for rung in result.rungs}


def rung(result: Result, name: str) -> str:
    return next(rung.detail for rung in result.rungs if rung.name == name)


def nothing(address: str = ADDRESS) -> str:
    with pytest.raises(ConfigError, match="no provider is found") as caught:
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
    # In two strings, which belong together without anything in between (RFC 1035 section 3.3.14).
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


# --- what is known


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
    assert result.rungs[-1].name == source
    assert result.rungs[-1].outcome == "found"
    assert site.requests == []


# --- PACC


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
        "scope": f"{MAIL_SCOPE} offline_access",  # of what its metadata says that it supports
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
    monkeypatch.setattr(pacc, "LIFETIME", 0.5)
    silent = RESOLVER(configure=False)
    silent.nameservers, silent.port = ["127.0.0.1"], 1
    with pytest.raises(NetworkError, match="TXT record"):
        pacc.look_up(DOMAIN, resolver=silent)
    assert pacc.look_up(DOMAIN, resolver=resolver) is not None


@pytest.mark.parametrize(
    "body",
    [
        "", "nonsense", "[]", "null", "[" * 60000, '{"protocols": {"pop3": {"host": 7}}}',
        '{"protocols": {"pop3": {"host": "a b"}}}', '{"protocols": {"pop3": {"host": "-x"}}}',
        '{"protocols": {"pop3": {"host": "p.example\\u001b[2J"}}}',
        '{"protocols": {"pop3": {"host": "p.example"}}, "authentication": {"oauth-public": {"issuer": []}}}',
        pacc_document("http://as.found.example"), pacc_document("https://as.found.example/?tenant=1"),
        pacc_document("https://as.found.example/\x1b[2J"), pacc_document("https://as.found.example/" + "x" * 600),
    ],
)  # fmt: skip
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


# --- Mail Autoconfig


@pytest.mark.parametrize(
    ("where", "source", "trust"),
    [
        (AUTOCONFIG, f"autoconfig {AUTOCONFIG[0]}", "from autoconfig.found.example"),
        (WELL_KNOWN, f"autoconfig {DOMAIN}", "from found.example itself"),
        (ISPDB, f"ISPDB {DOMAIN}", "from a third party"),
        (MX_AUTOCONFIG, "autoconfig autoconfig.hoster.example", "whom the MX record names (DNSSEC is not checked)"),
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
        "", "no xml", "<html></html>", "<clientConfig>", xml("", server_xml(socket_type="plain")),
        xml("", server_xml(port="")), xml("", server_xml(port="0")), xml("", server_xml(port="99999")),
        xml("", server_xml(port="²")), xml("", server_xml("")), xml("", server_xml("pop.example/x")),
        xml("ftp://as.found.example"), xml("https://as.found.example", more="<authURL>javascript:1</authURL>"),
        '<?xml version="1.0" encoding="no-such"?><clientConfig/>',
        # A billion laughs, an outside entity, a document type alone.
        '<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><clientConfig>&b;</clientConfig>',
        '<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><clientConfig>&a;</clientConfig>',
        '<!DOCTYPE clientConfig SYSTEM "https://found.example/x.dtd"><clientConfig/>',
    ],
)  # fmt: skip
def test_autoconfig_with_nonsense_in_it(body: str, names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, body)
    with pytest.raises(OAuthError) as caught:
        autoconfig.look_up(autoconfig.locations(DOMAIN, ADDRESS)[0], ADDRESS, DOMAIN)
    assert caught.value.message.isprintable()


def test_an_issuer_without_metadata_is_taken_with_the_endpoints_that_come_with_it(names: Names, site: Site) -> None:
    names()
    more = "<authURL>https://found.example/authorize</authURL><tokenURL>https://found.example/token</tokenURL>"
    site.put(AUTOCONFIG, xml("found.example", more=more))
    result = find()
    assert "could not be compared" in result.trust
    assert result.provider.token_endpoint == "https://found.example/token"
    assert result.provider.issuer == ""


def test_a_client_id_for_everybody_is_used(
    names: Names, site: Site, dovecot: Dovecot, authorization_server: AuthorizationServer, product: Product
) -> None:
    """draft-ietf-mailmaint-autoconfig, OAuth2 requirements: the one given there, else registration."""
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


def test_an_issuer_without_metadata_and_endpoints_is_nobody(names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, xml("found.example"))
    assert "found.example has no metadata" in nothing()


def test_an_issuer_that_calls_itself_otherwise(names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, xml("found.example"))
    metadata = {"issuer": "https://other.example", "authorization_endpoint": "https://x", "token_endpoint": "https://x"}
    site.put((DOMAIN, "/.well-known/oauth-authorization-server"), json.dumps(metadata))
    assert "not of 'https://found.example'" in nothing()


# --- SRV, and what a POP3 server says


def test_srv_and_what_the_pop3_server_says(
    names: Names, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    names(srv={f"_pop3s._tcp.{DOMAIN}": [("localhost", dovecot.pop3s_port, 0, 1)]})
    result = find()
    assert result.source == f"SRV _pop3s._tcp.{DOMAIN}"
    assert "from the DNS alone: DNSSEC is not checked, and the server is outside of found.example" in result.trust
    assert "the POP3 server localhost itself named the issuer" in result.trust
    assert result.values == {
        "issuer": authorization_server.issuer,
        "scope": f"{MAIL_SCOPE} offline_access",
        "pop3_host": "localhost",
        "pop3_port": dovecot.pop3s_port,
        "domains": [DOMAIN],
    }


def test_srv_with_starttls(names: Names, dovecot: Dovecot, authorization_server: AuthorizationServer) -> None:
    names(
        srv={
            f"_pop3s._tcp.{DOMAIN}": [None],  # the target ".": there is none
            f"_pop3._tcp.{DOMAIN}": [("localhost", dovecot.pop3_port, 0, 1)],
        }
    )
    result = find()
    assert (result.provider.starttls, result.provider.pop3_port) == (True, dovecot.pop3_port)
    assert result.provider.issuer == authorization_server.issuer


def test_the_order_of_srv_records(names: Names) -> None:
    names(
        srv={
            f"_pop3s._tcp.{DOMAIN}": [("c.found.example", 3, 20, 9), ("b.found.example", 2, 10, 1),
                                      ("a.found.example", 1, 10, 7)],
            f"_pop3._tcp.{DOMAIN}": [("d.elsewhere.example", 4, 0, 0)],
        }
    )  # fmt: skip
    found = srv.look_up(DOMAIN)
    assert [(server.pop3_host, server.pop3_port, server.starttls) for server in found] == [
        ("a.found.example", 1, False),
        ("b.found.example", 2, False),
        ("c.found.example", 3, False),
        ("d.elsewhere.example", 4, True),
    ]
    assert ["outside" in server.trust for server in found] == [False, False, False, True]


def test_the_next_server_where_the_first_does_not_answer(names: Names, dovecot: Dovecot) -> None:
    names(srv={f"_pop3s._tcp.{DOMAIN}": [("localhost", 1, 0, 1), ("localhost", dovecot.pop3s_port, 5, 1)]})
    result = find()
    assert result.provider.pop3_port == dovecot.pop3s_port
    assert [rung.outcome for rung in result.rungs if rung.name == "SRV"] == ["fault", "found"]


def test_autoconfig_without_an_issuer_asks_the_pop3_server(
    names: Names, site: Site, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    names()
    site.put(AUTOCONFIG, xml("", server_xml("localhost", dovecot.pop3s_port)))
    result = find()
    assert (result.source, result.provider.issuer) == (f"autoconfig {AUTOCONFIG[0]}", authorization_server.issuer)
    assert "itself named the issuer" in result.trust


def test_no_name_of_a_person_is_sent_to_ask(dovecot: Dovecot, certificates: Certificates, home: Path) -> None:
    before = len(dovecot.log())
    openid_configuration.look_up("localhost", dovecot.pop3s_port, domain=DOMAIN, ca_certs=str(certificates.ca_file))
    deadline = time.monotonic() + 5
    while "method=OAUTHBEARER" not in (log := dovecot.log()[before:]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "user=<discovery@found.example>, method=OAUTHBEARER" in log


def test_a_pop3_server_whose_certificate_is_not_to_be_trusted_is_not_asked(
    dovecot_factory: Callable[..., Dovecot], certificates: Certificates, home: Path
) -> None:
    server = dovecot_factory(certificate="wrong-name")
    with pytest.raises(Pop3Error, match="is not trusted"):
        openid_configuration.look_up("localhost", server.pop3s_port, ca_certs=str(certificates.ca_file))


def test_a_pop3_server_without_oauthbearer(
    dovecot_factory: Callable[..., Dovecot], certificates: Certificates, home: Path
) -> None:
    server = dovecot_factory(mechanisms=("plain", "login"))
    with pytest.raises(Pop3Error, match="does not offer OAUTHBEARER, but PLAIN"):
        openid_configuration.look_up("localhost", server.pop3s_port, ca_certs=str(certificates.ca_file))


# --- what everybody could publish


@pytest.mark.parametrize(
    "issuer", ["accounts.google.com", "https://accounts.google.com", "https://ACCOUNTS.google.com"]
)
def test_a_known_authorization_server_with_somebody_elses_pop3_server_is_refused(
    issuer: str, names: Names, site: Site
) -> None:
    names()
    site.put(AUTOCONFIG, xml(issuer))
    assert "it would have tokens of google sent to pop.found.example" in nothing()


def test_a_client_id_of_ones_own_does_not_hide_whose_servers_they_are(
    names: Names, site: Site, product: Product
) -> None:
    names(mx={"company.example": ["aspmx.l.google.com"]})
    product.configure('[providers.google]\nclient_id = "mine"\n')
    site.put(AUTOCONFIG, xml("accounts.google.com"))
    assert "it would have tokens of google sent to pop.found.example" in nothing()
    result = find("ann@company.example")
    assert (result.source, result.provider.name, result.provider.client_id) == ("MX", "google", "mine")


def test_metadata_that_borrows_a_known_authorization_endpoint_is_refused(names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, xml("found.example"))
    metadata = {
        "issuer": "https://found.example",
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_endpoint": "https://found.example/token",
    }
    site.put((DOMAIN, "/.well-known/oauth-authorization-server"), json.dumps(metadata))
    assert "it would have tokens of google sent to pop.found.example" in nothing()


def test_a_known_provider_that_is_named_with_its_own_pop3_server(names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, xml("accounts.google.com", server_xml("pop.gmail.com")))
    result = find()
    assert (result.provider.name, result.known, dict(result.values)) == ("google", True, {})
    assert [rung.outcome for rung in result.rungs].count("found") == 1
    assert "a known provider" in result.trust


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


# --- the ladder


def test_all_together_in_order(
    names: Names, site: Site, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    """Take away what answered, and the next one answers."""
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
    assert rung(last, "MX") == "mail goes to mx1.hoster.example"


def test_all_absent(names: Names, site: Site) -> None:
    names(hosts=())
    message = nothing()
    for name in ("your config", "built-in table", "plugins", "MX: there is no MX record", "PACC", "ISPDB", "SRV"):
        assert name in message
    assert site.requests == []


def test_a_name_server_that_does_not_answer_is_a_passing_fault(
    names: Names, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oauth2_pop3.providers import mx

    names(hosts=()).port = 1
    for module in (mx, srv):
        monkeypatch.setattr(module, "LIFETIME", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror("no names")))
    with pytest.raises(NetworkError, match="no provider is found"):
        find()


@pytest.mark.parametrize(
    "domain", ["a/b.example", "x?.example", "a:1", "[127.0.0.1]", "a..example", "-a.example", "a#", "a@", "x" * 300]
)
def test_domains_that_are_none(domain: str) -> None:
    with pytest.raises(ConfigError):
        ascii_domain(domain)


def test_a_domain_in_letters_of_its_own() -> None:
    assert ascii_domain("Grüße.example") == "xn--grsse-lva.example"


def test_a_scope_with_control_characters() -> None:
    with pytest.raises(OAuthError, match="cannot be a scope"):
        Discovered("x", "", "p.example", 995, False, "https://as.example", scope="a\nb")


# --- the command


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
    answer = json.loads(capsys.readouterr().out)
    assert (answer["source"], answer["issuer"], answer["known"]) == ("PACC", authorization_server.issuer, False)
    assert answer["tried"][-1]["outcome"] == "found"
    assert not Config.load().providers


def test_the_command_where_nothing_is_found(names: Names, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names(hosts=())
    assert cli.main(["discover", ADDRESS]) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Tried your config" in captured.err
    assert cli.main(["discover", "ann"]) == 78
