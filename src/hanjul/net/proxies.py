"""The way through a proxy. The guard cannot see what a proxy connects to: it judges all addresses that the name has here.

What does not resolve here is left to the proxy: in networks that have a proxy, names of the world often do not. So whoever needs
the guard to be sure beside a proxy has the proxy refuse private addresses, too.
"""

import asyncio
import socket

from hanjul.model.errors import InvalidSettings
from hanjul.net.failures import REFUSED, Unsendable
from hanjul.net.guard import Guard
from hanjul.net.limits import SenderLimits
from hanjul.net.urls import Target

_SCHEMES = ("http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://")
_RESOLVE_S = 5.0


class Proxies:
    """Which hosts are reached through the proxy. Raises InvalidSettings for a proxy that cannot be one."""

    def __init__(self, limits: SenderLimits, guard: Guard) -> None:
        self._proxy, self._guard = limits.proxy, guard
        self._direct = tuple(host.strip().lower().removesuffix(".") for host in limits.no_proxy)
        if self._proxy is not None and not self._proxy.lower().startswith(_SCHEMES):
            raise InvalidSettings(
                f"the proxy's URL must begin with one of {', '.join(_SCHEMES)}"
            )  # not shown: it may have a login

    def of(self, place: Target) -> str | None:
        """The proxy's URL; None: straight to it."""
        if self._proxy is None or any(_covers(entry, place) for entry in self._direct):
            return None
        return self._proxy

    async def check(self, place: Target) -> None:
        """Raises Unsendable if a name that a proxy is to reach has an address here that is not public."""
        if self._guard.off:
            return
        try:
            async with asyncio.timeout(_RESOLVE_S):
                found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            return
        for *_, address in found:
            refusal = self._guard.refusal(place.host, place.port, str(address[0]))
            if refusal is not None:
                raise Unsendable(refusal, kind=REFUSED)


def _covers(entry: str, place: Target) -> bool:
    if entry in {"*", place.host, place.place}:
        return True
    return entry.startswith((".", "*.")) and place.host.endswith(entry.lstrip("*"))
