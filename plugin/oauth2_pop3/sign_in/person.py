"""LoginPerson: how a sign-in reaches the person, beyond what a grant asks of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from oauth2_pop3.oauth2.grants.grant import Person

if TYPE_CHECKING:
    from oauth2_pop3.discovery.finding import FoundProvider
    from oauth2_pop3.providers.provider import Provider


class LoginPerson(Person):
    """What `login` asks and shows. The command line implements it for a terminal."""

    @abstractmethod
    def show_discovered(self, found: FoundProvider) -> None:
        """Show a provider that was not known before, before anything is sent to it."""

    @abstractmethod
    def client_id(self, provider: Provider) -> str:
        """Ask for the client_id that the person has registered with the provider. Raises UsageError without one."""

    @abstractmethod
    def client_secret(self, provider: Provider, *, required: bool) -> str:
        """Ask for the client's secret; "" if there is none. Raises UsageError if one is required and missing."""
