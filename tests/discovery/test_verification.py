"""Whose servers a finding names, and what anybody could publish."""

from __future__ import annotations

import json

import pytest

from support.discovery import (
    AUTOCONFIG,
    DOMAIN,
    ISPDB,
    WELL_KNOWN,
    Names,
    Site,
    find,
    nothing,
    server_xml,
    xml,
)
from support.product import Product


def test_an_issuer_without_metadata_is_taken_with_the_endpoints_that_come_with_it(names: Names, site: Site) -> None:
    names()
    more = "<authURL>https://found.example/authorize</authURL><tokenURL>https://found.example/token</tokenURL>"
    site.put(AUTOCONFIG, xml("found.example", more=more))
    result = find()
    assert "no metadata to compare" in result.trust
    assert result.provider.token_endpoint == "https://found.example/token"
    assert result.provider.issuer == ""


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


@pytest.mark.parametrize(
    "issuer", ["accounts.google.com", "https://accounts.google.com", "https://ACCOUNTS.google.com"]
)
def test_a_known_authorization_server_with_somebody_elses_pop3_server_is_refused(
    issuer: str, names: Names, site: Site
) -> None:
    names()
    site.put(AUTOCONFIG, xml(issuer))
    assert "tokens of google would go to pop.found.example" in nothing()


def test_a_client_id_of_ones_own_does_not_hide_whose_servers_they_are(
    names: Names, site: Site, product: Product
) -> None:
    names(mx={"company.example": ["aspmx.l.google.com"]})
    product.configure('[providers.google]\nclient_id = "mine"\n')
    site.put(AUTOCONFIG, xml("accounts.google.com"))
    assert "tokens of google would go to pop.found.example" in nothing()
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
    assert "tokens of google would go to pop.found.example" in nothing()


def test_a_known_provider_that_is_named_with_its_own_pop3_server(names: Names, site: Site) -> None:
    names()
    site.put(AUTOCONFIG, xml("accounts.google.com", server_xml("pop.gmail.com")))
    result = find()
    assert (result.provider.name, result.known, dict(result.values)) == ("google", True, {})
    assert [attempt.outcome for attempt in result.tried].count("found") == 1
    assert "a known provider" in result.trust


# Regression: fetched again for every source that names it
def test_the_metadata_of_an_issuer_is_fetched_once(names: Names, site: Site) -> None:
    names()
    for where in (AUTOCONFIG, WELL_KNOWN, ISPDB):
        site.put(where, xml("found.example"))
    assert nothing().count("found.example has no metadata") == 3
    fetched = [path for _, path in site.asked() if "oauth-authorization-server" in path or "openid-conf" in path]
    assert fetched == ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
