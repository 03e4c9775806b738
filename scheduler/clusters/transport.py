"""Where an embedded scheduler can be reached from, and how its connections are protected."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import psutil

from models.errors import ConfigurationError

if TYPE_CHECKING:
    from distributed import Security

    from scheduler.clusters.settings import ListeningSite
    from scheduler.progress import Terminal


def listens_beyond_loopback(interface: str | None, *, loopback_by_default: bool) -> bool:
    """Return whether other machines can reach what listens on an interface.

    Parameters
    ----------
    interface
        Name of the network interface; None for the default.
    loopback_by_default
        Whether the default is loopback instead of every interface.

    Raises
    ------
    ConfigurationError
        If this machine has no such interface.

    Examples
    --------
    >>> listens_beyond_loopback("lo", loopback_by_default=False)
    False
    """
    if interface is None:
        return not loopback_by_default
    addresses = psutil.net_if_addrs()
    if interface not in addresses:
        raise ConfigurationError(
            f"'interface': this machine has no network interface '{interface}', only {', '.join(sorted(addresses))}."
        )
    found = [address.address.split("%")[0] for address in addresses[interface]]
    return not all(ipaddress.ip_address(text).is_loopback for text in found if _is_ip(text))


def uses_tls(site: ListeningSite, *, loopback_by_default: bool) -> bool:
    """Return whether the connections of a site are encrypted and authenticated.

    Parameters
    ----------
    site
        Where the scheduler listens and what its `tls` asks for.
    loopback_by_default
        Whether the site listens on loopback if it names no interface.
    """
    beyond = listens_beyond_loopback(site.interface, loopback_by_default=loopback_by_default)
    return site.tls == "always" or (site.tls == "auto" and beyond)


def security_for(site: ListeningSite, terminal: Terminal, *, loopback_by_default: bool) -> Security | None:
    """Return certificates made for this run, or None where connections are not encrypted.

    Parameters
    ----------
    site
        Where the scheduler listens and what its `tls` asks for.
    terminal
        Warned when a scheduler that others can reach is left open.
    loopback_by_default
        Whether the site listens on loopback if it names no interface.
    """
    from distributed import Security

    if uses_tls(site, loopback_by_default=loopback_by_default):
        return Security.temporary()
    if listens_beyond_loopback(site.interface, loopback_by_default=loopback_by_default):
        terminal.say(
            "WARNING: 'tls: never' and the scheduler listens beyond loopback: whoever reaches its port can run code "
            "in your name and read your data. Remove the key, or use it only on a network that you alone can reach."
        )
    return None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
