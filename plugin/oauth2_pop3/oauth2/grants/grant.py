"""Grant: what every way to an access token has in common, and the person who takes part in some of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from oauth2_pop3.oauth2.token import Token
from oauth2_pop3.providers.provider import Provider

if TYPE_CHECKING:
    from oauth2_pop3.oauth2.client import Client

TokenResponse = Mapping[str, object]
"""The token endpoint's response to a grant (RFC 6749 section 5.1)."""


class Person(ABC):
    """How a grant reaches the person who signs in.

    terminal: whether there is a terminal, at which the person can paste a redirect.
    """

    terminal: bool

    @abstractmethod
    def show_url(self, url: str, listens: bool) -> None:
        """Show the authorization URL, and open it in a browser if there is one.

        listens: whether a browser on this machine can bring the redirect back, so that nobody has to paste it.
        """

    @abstractmethod
    def show_device(self, verification_uri: str, user_code: str, verification_uri_complete: str) -> None:
        """Show the URL and the code of the device authorization grant (RFC 8628 section 3.3).

        verification_uri_complete: a URL that holds the code; "" if the server gives none.
        """

    @abstractmethod
    def say(self, text: str) -> None:
        """Show a line that the person should read."""

    @abstractmethod
    def password(self, address: str) -> str:
        """Ask for the password of an address."""


class Grant(ABC):
    """One way to an access token.

    The class attributes say what signing in takes, so that callers never ask for a grant by its name.
    """

    needs_client_id: ClassVar[bool] = True
    """Whether the person must have registered a client. A service account's key file names its own."""
    opens_every_mailbox: ClassVar[bool] = False
    """Whether one token opens all mailboxes that the client may read: they share one entry in the store."""
    token_per_mailbox: ClassVar[bool] = False
    """Whether a token opens only the mailbox that it was made for, so that each mailbox has its own."""

    endpoints: ClassVar[tuple[str, ...]] = ("token_endpoint",)
    """The endpoints that it cannot do without."""
    may_use: ClassVar[str] = ""
    """An endpoint that it looks for, too."""

    def complete(self, provider: Provider) -> Provider:
        """The provider with the endpoints and the scope that this grant uses. Raises what metadata.complete raises."""
        from oauth2_pop3.oauth2 import metadata

        return metadata.complete(provider, self.endpoints, self.may_use)

    def needs_secret(self, provider: Provider) -> bool:
        """Whether the client cannot sign in without a secret."""
        return self.needs_client_id and not provider.client_private_key and provider.client_secret_policy == "required"

    @abstractmethod
    def sign_in(self, client: Client, person: Person, accept: Callable[[TokenResponse], Token]) -> Token:
        """Get tokens, and return what `accept` makes of the token endpoint's response.

        accept: checks the tokens and keeps them. It is called before the person is told how the sign-in ended.
        Raises ConfigError, OAuthError, AuthorizationRequired, NetworkError, and what `accept` raises.
        """

    def read(self, client: Client, response: TokenResponse) -> Token:
        """The tokens in the token endpoint's response. Raises UnusableResponse if it holds no usable ones."""
        return Token.from_response(response, scope=client.provider.scope)

    @abstractmethod
    def renew(self, client: Client, token: Token) -> Token:
        """Get a new access token without a person. `token` is the present one.

        The new token may hold a new refresh token: save it before anything else, and so the one of UnusableResponse.
        Raises AuthorizationRequired if a person must sign in again, NetworkError if it may work later, OAuthError,
        ConfigError.
        """


class PersonGrant(Grant):
    """A grant that a person takes part in once; after that, the refresh token takes their place."""

    def renew(self, client: Client, token: Token) -> Token:
        """By the refresh token."""
        from oauth2_pop3.oauth2.grants.refresh_token import refresh

        return refresh(client, token)


class AppGrant(Grant):
    """A grant that no person takes part in. There is no refresh token: a new token is asked for instead."""

    def complete(self, provider: Provider) -> Provider:
        """With the scope that the provider has for apps."""
        complete = super().complete(provider)
        return replace(complete, scope=complete.app_scope or complete.scope)

    @abstractmethod
    def request(self, client: Client) -> TokenResponse:
        """Ask for a token: the token endpoint's response."""

    def sign_in(self, client: Client, person: Person, accept: Callable[[TokenResponse], Token]) -> Token:  # noqa: ARG002
        """Ask for a token; nobody has to do anything."""
        return accept(self.request(client))

    def read(self, client: Client, response: TokenResponse) -> Token:
        """The access token only: a refresh token, which RFC 6749 section 4.4.3 does not want here, is left out."""
        return super().read(client, {key: value for key, value in response.items() if key != "refresh_token"})

    def renew(self, client: Client, token: Token) -> Token:
        """Ask for another one. A client_secret that was typed at the sign-in is kept with it."""
        return replace(self.read(client, self.request(client)), client_secret=token.client_secret)
