"""SRV records, from a real name server (dnsmasq)."""

from __future__ import annotations

from oauth2_pop3.discovery import srv
from oauth2_pop3.providers.provider import MAIL_SCOPE
from servers.authorization_server import AuthorizationServer
from servers.dovecot import Dovecot
from support.discovery import (
    DOMAIN,
    Names,
    find,
)


def test_srv_and_what_the_pop3_server_says(
    names: Names, dovecot: Dovecot, authorization_server: AuthorizationServer
) -> None:
    names(srv={f"_pop3s._tcp.{DOMAIN}": [("localhost", dovecot.pop3s_port, 0, 1)]})
    result = find()
    assert result.source == f"SRV _pop3s._tcp.{DOMAIN}"
    assert "only from the DNS: DNSSEC is not checked, and the server is outside found.example" in result.trust
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
            f"_pop3s._tcp.{DOMAIN}": [
                ("c.found.example", 3, 20, 9),
                ("b.found.example", 2, 10, 1),
                ("a.found.example", 1, 10, 7),
            ],
            f"_pop3._tcp.{DOMAIN}": [("d.elsewhere.example", 4, 0, 0)],
        }
    )
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
    assert [attempt.outcome for attempt in result.tried if attempt.name == "SRV"] == ["fault", "found"]
