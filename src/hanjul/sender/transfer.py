"""One exchange with one server: what goes out, and what is collected as it comes in. A redirect is another transfer."""

import asyncio
from dataclasses import dataclass, field

from hanjul.sender.guard import Guard
from hanjul.sender.urls import Target

_BROKEN = frozenset({16, 52, 55, 56, 92})
"""libcurl's codes for a connection that ended in the middle."""


@dataclass(frozen=True, slots=True)
class Hop:
    """What goes out. body: None: none.  timeout_ms: of this transfer; 0: none.  proxy: its URL; None: straight to the target.

    fresh: over a connection of its own.
    """

    method: str
    target: Target
    headers: tuple[bytes, ...]
    body: bytes | None
    timeout_ms: int
    max_bytes: int
    proxy: str | None = None
    fresh: bool = False


@dataclass(slots=True)
class Times:
    """When what had happened, in microseconds since the start; 0: not so far."""

    dns: int = 0
    connected: int = 0
    sent: int = 0
    first_byte: int = 0
    total: int = 0

    def phases(self) -> tuple[int, int, int]:
        """What DNS, the handshake and the rest took. A phase that ran out of time has all that was left, later ones have 0.

        All of a connection that was used again is there at once: a phase that was completed took at least a microsecond.
        """
        if self.sent:
            dns = max(self.dns, 1)
            handshake = max(self.connected - dns, 1)
            return dns, handshake, max(self.total - dns - handshake, 1)
        if self.dns:
            return self.dns, max(self.total - self.dns, 1), 0
        return self.total, 0, 0


@dataclass(slots=True, eq=False)
class Transfer:
    """A hop on its way. The thread of libcurl fills it in, then tells `done`, which belongs to the event loop.

    lines: of the heads, as received.  body: at most max_bytes of it.  opened: whether it needed
    a connection of its own.  refusal: the guard's.
    code: libcurl's, 0 if an answer came whole; detail: its own words.  lost: no answer for a reason that is not libcurl's;
    closed: which is that the sender was closed.
    location: where a redirect leads.
    """

    hop: Hop
    done: "asyncio.Future[None]"
    lines: list[bytes] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    received: int = 0
    truncated: bool = False
    opened: bool = False
    refusal: str | None = None
    code: int = 0
    detail: str = ""
    lost: str | None = None
    closed: bool = False
    status: int = 0
    times: Times = field(default_factory=Times)
    address: str | None = None
    location: str | None = None

    @property
    def went_stale(self) -> bool:
        """Whether all it met were connections kept from before, which the server has closed meanwhile: nothing came back."""
        return self.code in _BROKEN and not (self.opened or self.hop.fresh or self.lines or self.received)

    def take(self, chunk: bytes) -> int:
        """Keep a piece of the body; whatever is not the piece's length ends the transfer."""
        self.received += len(chunk)
        if self.received > self.hop.max_bytes:
            self.body += chunk[: len(chunk) - (self.received - self.hop.max_bytes)]
            self.truncated = True
            return 0
        self.body += chunk
        return len(chunk)

    def refuse(self, guard: Guard, address: str) -> bool:
        """Ask the guard about an address that is about to be connected to."""
        refusal = guard.refusal(self.hop.target.host, self.hop.target.port, address)
        self.refusal = refusal or self.refusal
        return refusal is not None
