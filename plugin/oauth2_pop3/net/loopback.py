"""What counts as this machine (RFC 8252 section 8.3)."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address never leaves this machine: localhost, 127.0.0.0/8, ::1.

    An IPv6 address may be in brackets, as in a URL. An IPv4 address that is mapped into IPv6 counts as itself.
    """
    return host.lower().rstrip(".") == "localhost" or is_loopback_address(host.strip("[]"))


def is_loopback_address(address: str) -> bool:
    """Tell the same of an address only: a name is never one, localhost included."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
