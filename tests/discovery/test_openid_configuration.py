"""The issuer that a POP3 server (Dovecot) names when it refuses a token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oauth2_pop3.discovery import openid_configuration
from oauth2_pop3.errors import Pop3Error
from servers.authorization_server import AuthorizationServer
from servers.certificates import Certificates
from servers.dovecot import Dovecot
from support.discovery import (
    AUTOCONFIG,
    DOMAIN,
    Names,
    Site,
    find,
    server_xml,
    xml,
)
from support.hosts import until


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
    until(lambda: "method=OAUTHBEARER" in dovecot.log()[before:])
    assert "user=<discovery@found.example>, method=OAUTHBEARER" in dovecot.log()[before:]


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
    with pytest.raises(Pop3Error, match="does not offer OAUTHBEARER; it offers PLAIN"):
        openid_configuration.look_up("localhost", server.pop3s_port, ca_certs=str(certificates.ca_file))
