"""Findings are checked: they come from strangers."""

from __future__ import annotations

import pytest

from oauth2_pop3.discovery.finding import Finding, ascii_domain
from oauth2_pop3.errors import ConfigError, OAuthError


@pytest.mark.parametrize(
    "domain", ["a/b.example", "x?.example", "a:1", "[127.0.0.1]", "a..example", "-a.example", "a#", "a@", "x" * 300]
)
def test_domains_that_are_none(domain: str) -> None:
    with pytest.raises(ConfigError):
        ascii_domain(domain)


def test_a_domain_in_letters_of_its_own() -> None:
    assert ascii_domain("Grüße.example") == "xn--grsse-lva.example"


@pytest.mark.parametrize("key", ["issuer", "authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize("url", ["https://[[[", "https://", "https://a:99999/", "https://\u2100/", "https:", "//a"])
def test_urls_that_are_none(key: str, url: str) -> None:
    with pytest.raises(OAuthError, match=f"names the {key} .* is not an https:// URL"):
        Finding("x", "", "p.example", 995, False, **{"issuer": "", key: url})


def test_a_scope_with_control_characters() -> None:
    with pytest.raises(OAuthError, match="a scope that is too long"):
        Finding("x", "", "p.example", 995, False, "https://as.example", scope="a\nb")
