"""Which IP addresses are public, so that workflows may call them."""

from __future__ import annotations

import ipaddress

#: RFC 4291 §2.4: all public IPv6 addresses.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: RFC 6052: an IPv4 address behind a translator.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: A public address, but inside Azure it is the host's control endpoint.
_AZURE_HOST = ipaddress.IPv4Address("168.63.129.16")


def is_public(address: str) -> bool:
    """Whether an IP address is public; an unclear one is not.

    >>> [is_public(a) for a in ("1.1.1.1", "10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2606:4700::1111")]
    [True, False, False, False, True]
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return _is_public_v4(ip)
    inner = ip.ipv4_mapped or ip.sixtofour  # RFC 4291 §2.5.5, RFC 3056
    if inner is None and ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return _is_public_v4(inner)
    return ip in _GLOBAL_UNICAST and ip.is_global


def _is_public_v4(ip: ipaddress.IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip != _AZURE_HOST
