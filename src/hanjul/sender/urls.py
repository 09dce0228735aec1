"""Where a request goes. Read strictly, and put together anew for libcurl, so that both speak of the same host."""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote, unquote

from hanjul.sender.failures import Unsendable

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?:(?P<userinfo>[^@]*)@)?(?P<host>\[[^\]@]*\]|[^@:\[\]]+)(?::(?P<port>[0-9]*))?")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_SHORT = 2048
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the web.

    host: in lower case, without a final dot; an IPv6 address without brackets.  given: as the URL has it, for the wire.
    userinfo: user and password, as they stand in the URL.  rest: path and query; no fragment.
    """

    scheme: str
    given: str
    host: str
    port: int
    userinfo: str | None = field(repr=False)
    rest: str

    @property
    def url(self) -> str:
        """For libcurl."""
        login = "" if self.userinfo is None else f"{self.userinfo}@"
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{login}{self.given}{port}{self.rest}"

    @property
    def place(self) -> str:
        """Host and port, as settings name them and as limits are kept."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def with_login_of(self, other: "Target") -> "Target":
        """This place, with the other's user and password."""
        return replace(self, userinfo=other.userinfo)

    def is_of_the_origin_of(self, other: "Target") -> bool:
        """Whether scheme, host and port are the same."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


def target(url: str) -> Target:
    """The place that a URL names; raises Unsendable."""
    return _known(url) if len(url) <= _SHORT else _read(url)


def _read(url: str) -> Target:
    try:
        url.encode()
    except UnicodeEncodeError:
        raise Unsendable("invalid URL: it has half a character (a lone surrogate)") from None
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Unsendable("invalid URL: Bad scheme")
    scheme = parts["scheme"].lower()
    if scheme not in _PORTS:
        raise Unsendable("Unsupported protocol")
    if not parts["authority"]:
        raise Unsendable("invalid URL: No host part in the URL")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None or _BLANK.search(parts["authority"]) or "\\" in parts["authority"]:
        raise Unsendable("invalid URL: Bad hostname")
    port = int(authority["port"]) if authority["port"] and len(authority["port"]) < 9 else 0
    if authority["port"] and not 0 < port < 1 << 16:
        raise Unsendable("invalid URL: Port number was not a decimal number between 0 and 65535")
    given = _host(authority["host"])
    host = given.lower().strip("[]").removesuffix(".")
    return Target(scheme, given, host, port or _PORTS[scheme], authority["userinfo"], _rest(parts["rest"]))


_known = lru_cache(maxsize=1024)(_read)  # hooks are called again and again


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            if "%" in text:
                raise AddressValueError("a zone is of this machine, not of the address")
            return f"[{IPv6Address(text[1:-1]).compressed}]"
        except AddressValueError:
            raise Unsendable("invalid URL: Bad IPv6 address") from None
    try:
        name = unquote(text, errors="strict")
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise Unsendable("invalid URL: Bad hostname") from None
    if not _NAME.fullmatch(name) or len(name) > 255 or not name.strip("."):
        raise Unsendable("invalid URL: Bad hostname")
    return name


def _rest(text: str) -> str:
    """Path and query. A path beyond ASCII is percent-encoded, a query is not: as pg_net sends them."""
    path, mark, query = text.partition("#")[0].partition("?")
    if _BLANK.search(path + query):
        raise Unsendable("invalid URL: Bad path or query: it has a blank or a control character")
    return (path if path.isascii() else quote(path, safe=_ASCII)) + mark + query
