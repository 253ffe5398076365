"""What a provider's grant makes of the provider's row."""

from oauth2_pop3.oauth2.grants import grant_of
from oauth2_pop3.providers.provider import Provider


def complete(provider: Provider) -> Provider:
    """The row with the endpoints and the scope that its grant uses."""
    return grant_of(provider).complete(provider)
