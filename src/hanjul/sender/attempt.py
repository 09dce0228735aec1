"""One attempt: a request sent, and its redirects followed, until there is an answer or none can come."""

import asyncio
import time
from dataclasses import dataclass, replace

from hanjul.model.request import Answer, Request
from hanjul.sender.answers import answer_of, without_answer
from hanjul.sender.failures import INVALID, TIMED_OUT, TOO_MANY_REDIRECTS, Unsendable, failure
from hanjul.sender.limits import SenderLimits
from hanjul.sender.proxies import Proxies
from hanjul.sender.redirects import Sending, followed, leads_on
from hanjul.sender.transfer import Hop, Transfer
from hanjul.sender.transfers import Transfers

_LARGE_BYTES = 256 << 10
_MOST_REDIRECTS = 100


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of it. answer: None if the sender was closed meanwhile.  redirected: whether it ended elsewhere."""

    answer: Answer | None
    redirected: bool = False


class Attempts:
    """Makes attempts, by the limits of one sender."""

    def __init__(self, limits: SenderLimits, proxies: Proxies, transfers: Transfers) -> None:
        self._limits, self._proxies, self._transfers = limits, proxies, transfers

    async def make(self, request: Request, sending: Sending) -> Attempted:
        """The answer of the last hop; all hops share the request's timeout."""
        hops: list[Transfer] = []
        most = _option(request, "max_redirects", self._limits.max_redirects, least=0)
        max_bytes = _option(request, "max_response_bytes", self._limits.max_response_bytes, least=1)
        ends = time.monotonic() + self._timeout_ms(request) / 1000
        try:
            while True:
                hop = await self._hop(sending, ends, min(max_bytes, self._limits.max_response_bytes))
                transfer = await self._transfers.run(hop)
                if transfer.went_stale:  # libcurl gives up after five such
                    transfer = await self._transfers.run(replace(hop, timeout_ms=_left_ms(ends), fresh=True))
                hops.append(transfer)
                if transfer.lost is not None:
                    return self._lost(hops)
                if transfer.code or not most or not leads_on(transfer.status, transfer.location):
                    return Attempted(await self._answer(request, hops), redirected=len(hops) > 1)
                if len(hops) > most:
                    kind, text = failure(TOO_MANY_REDIRECTS, "")
                    return Attempted(without_answer(hops, kind, text), redirected=True)
                sending = followed(sending, transfer.status, str(transfer.location))
                transfer.body.clear()
        except Unsendable as error:
            return Attempted(without_answer(hops, error.kind, error.text), redirected=bool(hops))

    async def _hop(self, sending: Sending, ends: float, max_bytes: int) -> Hop:
        proxy = self._proxies.of(sending.target)
        if proxy is not None:
            await self._proxies.check(sending.target, ends - time.monotonic())
        lines = tuple(header.line for header in sending.headers)
        return Hop(sending.method, sending.target, lines, sending.body, _left_ms(ends), max_bytes, proxy)

    async def _answer(self, request: Request, hops: list[Transfer]) -> Answer:
        allowed_ms = self._allowed_ms(request, hops[-1])
        if _takes_a_while(hops[-1]):
            return await asyncio.to_thread(answer_of, hops, allowed_ms)
        return answer_of(hops, allowed_ms)

    def _lost(self, hops: list[Transfer]) -> Attempted:
        last = hops[-1]
        if last.closed:
            return Attempted(None)
        return Attempted(without_answer(hops, INVALID, str(last.lost)))

    def _allowed_ms(self, request: Request, last: Transfer) -> float:
        """What ran out, if time did: the limit of a connection, or that of the request."""
        connect_ms = self._limits.connect_timeout_s * 1000
        in_connect = last.code == TIMED_OUT and not last.times.sent
        return connect_ms if in_connect and connect_ms < last.hop.timeout_ms else self._timeout_ms(request)

    def _timeout_ms(self, request: Request) -> float:
        """The request's own, but never longer than the sender's: what has none would hold its place for ever."""
        longest_ms = self._limits.longest_attempt_s * 1000
        return min(request.timeout_ms, longest_ms) if request.timeout_ms > 0 else longest_ms


def _left_ms(ends: float) -> int:
    """Until then, on the monotonic clock; never 0, which libcurl takes for ever."""
    return max(1, round((ends - time.monotonic()) * 1000))


def _takes_a_while(last: Transfer) -> bool:
    """Whether to decompress the body and to decode it would hold up the event loop."""
    return len(last.body) > _LARGE_BYTES or b"content-encoding" in b"".join(last.lines).lower()


def _option(request: Request, name: str, default: int, *, least: int) -> int:
    """What the request's options say, which can only lower what the sender allows."""
    value = request.options.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Unsendable(f"options: {name} must be a whole number from {least}, not {value!r}")
    return min(value, _MOST_REDIRECTS if name == "max_redirects" else default)
