"""Counting what is made."""

from __future__ import annotations

import pytest

from oauth2_pop3.providers.provider import Provider
from oauth2_pop3.providers.tables import TableLocation


def built_providers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the providers that are made from now on, one for each time."""
    built: list[str] = []
    check = Provider.check

    def counted(self: Provider, location: TableLocation) -> None:
        built.append(self.name)
        check(self, location)

    monkeypatch.setattr(Provider, "check", counted)
    return built
