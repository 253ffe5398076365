"""A POP3 proxy: what stands between the two ends of a relay. This one changes nothing."""

from __future__ import annotations

BLOCK = 65536
"""Octets that are moved at once, and kept for an end that does not take them."""


class Passthrough:
    """A POP3 proxy that changes nothing: whatever comes from one end goes to the other unchanged.

    A proxy does no input or output. The relay gives it what has come, and takes what is for each end.
    """

    def __init__(self) -> None:
        self.for_client = bytearray()
        self.for_server = bytearray()

    def from_client(self, data: bytes) -> None:
        """Take octets that the client sent."""
        self.for_server += data

    def from_server(self, data: bytes) -> None:
        """Take octets that the server sent. Raises Pop3Error if they cannot be a response."""
        self.for_client += data

    @property
    def can_do_without_server(self) -> bool:
        """Whether the client may still ask for something that is here, although the server has closed."""
        return False

    @property
    def owes_nothing(self) -> bool:
        """Whether it is known that the client waits for no response."""
        return False

    @property
    def is_out_of_step(self) -> bool:
        """Whether the client waits for a response that the server may never give."""
        return False

    @property
    def takes_from_client(self) -> bool:
        """Whether there is room for more from the client."""
        return len(self.for_server) < BLOCK

    @property
    def takes_from_server(self) -> bool:
        """Whether there is room for more from the server."""
        return len(self.for_client) < BLOCK
