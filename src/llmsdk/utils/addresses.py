"""Which hosts a file may be fetched from."""

from __future__ import annotations

from .urls import address_of


def is_private(host_ip: str) -> bool:
    """Whether an IP address is anything but a public host: private, loopback, link-local (where clouds serve their
    metadata), shared (CGNAT), reserved, multicast, or an IPv6 form that wraps such an IPv4 address.

    What is not an address at all counts as private: only a public address may be trusted to be one.
    """
    address = address_of(host_ip)
    return address is None or not address.is_global or address.is_multicast or address.is_reserved
