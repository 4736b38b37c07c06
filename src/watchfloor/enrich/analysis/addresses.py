"""Addresses: whether one lies inside the company's networks, and whether it is internal at all."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

# RFC 1918, RFC 6598, RFC 4193, link-local and loop-back. `ipaddress.is_private` also counts documentation networks.
_INTERNAL = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
    "fc00::/7", "fe80::/10", "::1/128",
)  # fmt: skip


def internal(address: str) -> bool:
    """Whether a text is an address of a private network; False for what is no address."""
    return within(address, _INTERNAL)


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of some networks or equals one of some addresses."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    ip = (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
    return any(net is not None and ip in net for net in map(_network, networks))


@lru_cache(maxsize=4_096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
