"""The way through a proxy. The guard cannot see what a proxy connects to: it judges all addresses that the name has here.

What does not resolve here is left to the proxy: in networks that have a proxy, names of the world often do not. So whoever needs
the guard to be sure beside a proxy has the proxy refuse private addresses, too. No answer in time is a failure, no leave to go:
time runs out whenever somebody asks for many names that take long.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

from hanjul.model.errors import InvalidSettings
from hanjul.sender.failures import DNS, REFUSED, Unsendable
from hanjul.sender.guard import Guard
from hanjul.sender.limits import SenderLimits
from hanjul.sender.urls import Target

_SCHEMES = ("http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://")
_RESOLVE_S = 5.0
_NAMES_AT_ONCE = 32


class Proxies:
    """Which hosts are reached through the proxy. Raises InvalidSettings for a proxy that cannot be one."""

    def __init__(self, limits: SenderLimits, guard: Guard) -> None:
        self._proxy, self._guard = limits.proxy, guard
        self._names = ThreadPoolExecutor(_NAMES_AT_ONCE, "hanjul-names")  # has no thread before there is a name
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

    async def check(self, place: Target, within_s: float) -> None:
        """Raises Unsendable if what a proxy is to reach has an address here that is not public, or that is not known in time."""
        if self._guard.off:
            return
        literal = _literal(place.host)
        for address in [literal] if literal is not None else await self._addresses(place, min(within_s, _RESOLVE_S)):
            refusal = self._guard.refusal(place.host, place.port, address)
            if refusal is not None:
                raise Unsendable(refusal, kind=REFUSED)

    async def _addresses(self, place: Target, within_s: float) -> list[str]:
        """Those of a name; none: it does not resolve here."""
        look_up = partial(socket.getaddrinfo, place.host, place.port, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(within_s):
                found = await asyncio.get_running_loop().run_in_executor(self._names, look_up)
        except TimeoutError:
            raise Unsendable("Couldn't resolve host name: no answer in time, so it is not left to the proxy", kind=DNS) from None
        except (OSError, UnicodeError):
            return []
        return [str(address[0]) for *_, address in found]


def _literal(host: str) -> str | None:
    """The address that stands for itself, in any of the forms that libcurl reads (127.1, 0x7f000001); None: a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _covers(entry: str, place: Target) -> bool:
    if entry in {"*", place.host, place.place}:
        return True
    return entry.startswith((".", "*.")) and place.host.endswith(entry.lstrip("*"))
