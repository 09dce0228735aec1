"""The guard: which addresses may be connected to. It is asked about the very address of each connection.

A name may have many addresses, and others a moment later: so neither URLs nor answers of the DNS are judged, but what the
socket is about to be connected to. There is no time between this check and its use.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hanjul.model.errors import InvalidSettings

_Network = IPv4Network | IPv6Network

EVERYTHING = "*"

_NOT_PUBLIC = tuple(ip_network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
))  # fmt: skip
_GLOBAL_UNICAST = ip_network("2000::/3")
_NOT_PUBLIC_6 = tuple(ip_network(text) for text in (
    "2001::/23",         # protocols: Teredo, benchmarks, ORCHID and others, none of them a web server's
    "2001:db8::/32", "3fff::/20",  # documentation
    "2620:4f:8000::/48",  # AS112
))  # fmt: skip
_NAT64, _SIX_TO_FOUR = ip_network("64:ff9b::/96"), ip_network("2002::/16")


class Guard:
    """allow: what may be reached though it is not public: addresses, networks, names, name:port, or "*" for everything.

    Raises InvalidSettings.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks: list[_Network] = []
        self._names: set[str] = set()
        self.off = False
        for entry in allow:
            self._take(entry.strip())

    def _take(self, entry: str) -> None:
        if entry == EVERYTHING:
            self.off = True
            return
        try:
            self._networks.append(ip_network(entry.strip("[]") if "]:" not in entry else entry, strict=False))
        except ValueError:
            name, _, port = entry.rpartition(":")
            name = name if name and port.isdecimal() else entry
            looks_numeric = all(character in "0123456789./" for character in entry)
            if not entry or looks_numeric or "/" in entry or any(character.isspace() for character in entry):
                raise InvalidSettings(
                    f"http_allow: {entry!r} is no address, network (10.0.0.0/8), host name, host:port, or *"
                ) from None
            self._names.add(f"{name.lower().removesuffix('.')}{entry[len(name) :]}")

    def refusal(self, host: str, port: int, address: str) -> str | None:
        """Why a connection to this address, for the sake of this host and port, is refused; None if it may be made."""
        if self.off:
            return None
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return f"refused: {address!r} is not an address of the internet"
        if is_public(ip) or any(ip in network or _plain(ip) in network for network in self._networks):
            return None
        if self._names & {host, _place(host, port), _place(str(ip), port)}:
            return None
        return f"refused: {ip} is not a public address (allow it with http_allow)"

    def trusts(self, host: str, port: int) -> bool:
        """Whether a secret may go there without TLS: to this machine, and to what is allowed by its address or by its name."""
        if self.off or self._names & {host, _place(host, port)}:
            return True
        try:
            ip = _plain(ip_address(host))
        except ValueError:
            return host == "localhost"  # libcurl does not ask anybody where that is
        return ip.is_loopback or any(ip in network for network in self._networks)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether it is an address that the internet routes to one machine: global unicast, and nothing inside it that is not."""
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC)
    plain = _plain(ip)
    if isinstance(plain, IPv4Address):
        return is_public(plain)
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_6)


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, NAT64; else itself."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
        if ip in _SIX_TO_FOUR:
            return IPv4Address(int(ip) >> 80 & 0xFFFFFFFF)
    return ip
