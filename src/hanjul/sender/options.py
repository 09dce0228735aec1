"""One transfer as options of libcurl. Every option is set anew each time, on a handle that was reset after its last one."""

import socket
from typing import Any

import certifi
import pycurl

from hanjul.sender.guard import Guard
from hanjul.sender.limits import SenderLimits
from hanjul.sender.transfer import Times, Transfer

_WEB = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
_BODILESS = frozenset({"GET", "DELETE", "HEAD", "OPTIONS"})
"""Methods that have no body unless they are given one; of others, none is an empty one."""


class Options:
    """Sets options by the limits of one sender."""

    def __init__(self, limits: SenderLimits, guard: Guard) -> None:
        self._guard = guard
        self._ca_file = (limits.ca_file or certifi.where()).encode()
        self._connect_timeout_ms = int(limits.connect_timeout_s * 1000)

    def apply(self, curl: Any, transfer: Transfer) -> None:
        """Make the handle ready to run the transfer; it is new, or was reset."""
        hop = transfer.hop
        setopt = curl.setopt
        setopt(pycurl.URL, hop.target.url.encode())
        setopt(pycurl.PROTOCOLS, _WEB)
        setopt(pycurl.NOSIGNAL, 1)
        setopt(pycurl.HTTPHEADER, [*hop.headers, b"Expect:"])
        setopt(pycurl.HEADERFUNCTION, transfer.lines.append)
        setopt(pycurl.WRITEFUNCTION, transfer.take)
        setopt(pycurl.TIMEOUT_MS, hop.timeout_ms)
        setopt(pycurl.CONNECTTIMEOUT_MS, self._connect_timeout_ms)
        setopt(pycurl.TCP_KEEPALIVE, 1)
        if hop.fresh:
            setopt(pycurl.FRESH_CONNECT, 1)
        setopt(pycurl.PROXY, hop.proxy or "")  # "": whatever the environment says
        if hop.proxy is not None:
            setopt(pycurl.NOPROXY, "")
        if hop.target.scheme == "https":
            setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
            setopt(pycurl.CAINFO, self._ca_file)
        else:
            setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        setopt(pycurl.OPENSOCKETFUNCTION, _Opening(transfer, None if hop.proxy else self._guard).open)
        _set_method(setopt, hop.method, hop.body)


class _Socket(socket.socket):
    """pycurl makes a duplicate for libcurl, and drops this one: that is its end."""

    def __del__(self) -> None:
        self.close()


class _Opening:
    """Opens a transfer's sockets, but only to where the guard lets it; None: to the proxy, whatever its address."""

    def __init__(self, transfer: Transfer, guard: Guard | None) -> None:
        self._transfer, self._guard = transfer, guard

    def open(self, _purpose: int, address: Any) -> Any:
        self._transfer.opened = True
        if self._guard is not None and self._transfer.refuse(self._guard, str(address.addr[0])):
            return pycurl.SOCKET_BAD
        return _Socket(address.family, address.socktype, address.protocol)


def _set_method(setopt: Any, method: str, body: bytes | None) -> None:
    if method == "HEAD":
        setopt(pycurl.NOBODY, 1)
    elif body or method not in _BODILESS:
        setopt(pycurl.POSTFIELDS, body or b"")
        if method != "POST":
            setopt(pycurl.CUSTOMREQUEST, method)
    elif method != "GET":
        setopt(pycurl.CUSTOMREQUEST, method)


def collect(curl: Any, transfer: Transfer) -> None:
    """What the handle knows when its transfer has ended."""
    get = curl.getinfo
    transfer.status = get(pycurl.RESPONSE_CODE)
    transfer.address = get(pycurl.PRIMARY_IP) or None
    tls, tcp = get(pycurl.APPCONNECT_TIME_T), get(pycurl.CONNECT_TIME_T)
    connected = tls if transfer.hop.target.scheme == "https" else tcp
    was_there = transfer.address is not None and not transfer.opened
    transfer.times = Times(
        dns=get(pycurl.NAMELOOKUP_TIME_T),
        connected=tls or tcp,
        sent=get(pycurl.PRETRANSFER_TIME_T) if connected or was_there else 0,  # libcurl has one for what never came so far
        first_byte=get(pycurl.STARTTRANSFER_TIME_T),
        total=get(pycurl.TOTAL_TIME_T),
    )
    if 300 <= transfer.status < 400:
        location = curl.getinfo_raw(pycurl.REDIRECT_URL)
        transfer.location = location.decode(errors="replace") if location else None
