"""What counts as this machine: the same for URLs, redirects, the POP3 server and clients of the bridge."""

from __future__ import annotations

import pytest

from oauth2_pop3.net.loopback import is_loopback, is_loopback_address


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_addresses_of_this_machine(address: str) -> None:
    assert is_loopback_address(address)
    assert is_loopback(address)
    assert is_loopback(f"[{address}]") or "." in address


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "localhost."])
def test_a_name_of_this_machine_is_no_address(name: str) -> None:
    assert is_loopback(name)
    assert not is_loopback_address(name)


@pytest.mark.parametrize(
    "host",
    ["", "192.0.2.1", "::2", "::ffff:192.0.2.1", "0.0.0.0", "::", "localhost.example.org", "127.0.0.1.example.org"],
)
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)
    assert not is_loopback_address(host)
