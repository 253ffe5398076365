"""`login` at a domain that only discovery knows."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from oauth2_pop3.accounts.config import Config
from oauth2_pop3.discovery.finding import FoundProvider
from oauth2_pop3.errors import OAuth2Pop3Error
from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.sign_in.login import login
from oauth2_pop3.sign_in.person import LoginPerson
from oauth2_pop3.sign_in.request import SignInRequest
from support.discovery import ADDRESS, DOMAIN, PACC, Names, Site, digest, pacc_document

ISSUER = f"https://{DOMAIN}"
METADATA = (DOMAIN, "/.well-known/oauth-authorization-server")


class SentToTheBrowser(OAuth2Pop3Error):
    """Ends the sign-in at the point at which a person would have to act."""


class Somebody(LoginPerson):
    """Has registered a client by hand, and types what they are asked for."""

    terminal = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    def show_discovered(self, found: FoundProvider) -> None:
        self.asked.append(f"shown {found.provider.name}")

    def client_id(self, provider: Provider) -> str:
        self.asked.append(f"client_id of {provider.name}")
        return "typed-id"

    def client_secret(self, provider: Provider, *, required: bool) -> str:
        self.asked.append(f"client_secret of {provider.name}")
        return ""

    def show_url(self, url: str, listens: bool) -> None:
        self.url = url
        raise SentToTheBrowser("enough")

    def show_device(self, verification_uri: str, user_code: str, verification_uri_complete: str) -> None:
        raise AssertionError

    def say(self, text: str) -> None:
        pass

    def password(self, address: str) -> str:
        raise AssertionError


@pytest.fixture
def web(names: Names, site: Site) -> Site:
    """A domain that publishes its provider; the authorization server registers no clients."""
    body = pacc_document(ISSUER)
    names(txt=digest(body))
    site.put(PACC, body)
    endpoints = {f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token")}
    site.put(METADATA, json.dumps({"issuer": ISSUER, **endpoints}))
    return site


def sign_in(person: LoginPerson, **request: object) -> None:
    with pytest.raises(SentToTheBrowser):
        login(SignInRequest(address=ADDRESS, screen=True, **request), Config.load(), person)  # type: ignore[arg-type]


def test_a_server_that_registers_no_clients(web: Site, home: Path) -> None:
    """The client_id that was typed is used. Once, the sign-in continued with a config without the new provider."""
    person = Somebody()
    sign_in(person)
    name = DOMAIN.replace(".", "-")
    assert person.asked == [f"shown {name}", f"client_id of {name}", f"client_secret of {name}"]
    query = {key: values[0] for key, values in parse_qs(urlsplit(person.url).query).items()}
    assert (query["client_id"], query["login_hint"]) == ("typed-id", ADDRESS)
    assert set(Config.load().providers) == {name}


def test_other_settings_go_with_it(web: Site, home: Path) -> None:
    """More of the same kind: everything that makes the account again after discovery has found the provider."""
    person = Somebody()
    sign_in(person, settings={"client_id": "given", "redirect_uri": "http://localhost/x"}, also=("imap",))
    query = {key: values[0] for key, values in parse_qs(urlsplit(person.url).query).items()}
    assert query["client_id"] == "given"
    assert urlsplit(query["redirect_uri"]).path == "/x"
    assert person.asked == [f"shown {DOMAIN.replace('.', '-')}"]


def test_the_metadata_is_fetched_once(web: Site, home: Path) -> None:
    """Discovery, the choice of the grant, registration and the sign-in itself: each needs it."""
    person = Somebody()
    with pytest.raises(SentToTheBrowser):
        login(SignInRequest(address=ADDRESS), Config.load(), person)  # without a screen, the grant is looked for too
    assert web.asked().count(METADATA) == 1
