"""What every grant must have, whichever it is."""

from __future__ import annotations

import pytest

from oauth2_pop3.oauth2.grants import grant_of
from oauth2_pop3.oauth2.grants.grant import AppGrant, PersonGrant
from oauth2_pop3.providers.provider import ENDPOINTS, GRANTS, Provider


@pytest.mark.parametrize("name", ["", *GRANTS])
def test_the_provider_and_the_grant_agree_on_who_signs_in(name: str) -> None:
    """The provider knows it without loading a grant; status and translate ask it for each account."""
    provider = Provider(name="x", grant=name)
    grant = grant_of(provider)
    assert isinstance(grant, PersonGrant if provider.needs_person else AppGrant)


@pytest.mark.parametrize("name", GRANTS)
def test_each_name_has_a_class_of_its_own(name: str) -> None:
    others = [type(grant_of(Provider(name="x", grant=other))) for other in GRANTS if other != name]
    assert type(grant_of(Provider(name="x", grant=name))) not in others


@pytest.mark.parametrize("name", GRANTS)
def test_it_asks_for_endpoints_that_there_are(name: str) -> None:
    grant = grant_of(Provider(name="x", grant=name))
    assert {*grant.endpoints, grant.may_use} <= {*ENDPOINTS, ""}
    assert "token_endpoint" in grant.endpoints
