"""One attempt: a request sent, and its redirects followed, until there is an answer or none can come."""

import time
from dataclasses import dataclass

from hanjul.model.request import Answer, Request
from hanjul.net.answers import answer_of, without_answer
from hanjul.net.failures import INVALID, TIMED_OUT, TOO_MANY_REDIRECTS, Unsendable, failure
from hanjul.net.limits import SenderLimits
from hanjul.net.proxies import Proxies
from hanjul.net.redirects import Sending, followed, leads_on
from hanjul.net.transfer import Hop, Transfer
from hanjul.net.transfers import Transfers

_LONGEST_MS = 2**31 - 1


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
        most = min(max(int(request.options.get("max_redirects", self._limits.max_redirects)), 0), 1000)
        max_bytes = int(request.options.get("max_response_bytes", self._limits.max_response_bytes))
        ends = time.monotonic() + request.timeout_ms / 1000 if request.timeout_ms > 0 else None
        try:
            while True:
                hop = await self._hop(sending, ends, min(max_bytes, self._limits.max_response_bytes))
                transfer = await self._transfers.run(hop)
                hops.append(transfer)
                if transfer.lost is not None:
                    return self._lost(hops)
                if transfer.code or not most or not leads_on(transfer.status, transfer.location):
                    return Attempted(answer_of(hops, self._allowed_ms(request, transfer)), redirected=len(hops) > 1)
                if len(hops) > most:
                    kind, text = failure(TOO_MANY_REDIRECTS, "")
                    return Attempted(without_answer(hops, kind, text), redirected=True)
                sending = followed(sending, transfer.status, str(transfer.location))
                transfer.chunks.clear()
        except Unsendable as error:
            return Attempted(without_answer(hops, error.kind, error.text), redirected=bool(hops))

    async def _hop(self, sending: Sending, ends: float | None, max_bytes: int) -> Hop:
        proxy = self._proxies.of(sending.target)
        if proxy is not None:
            await self._proxies.check(sending.target)
        left_ms = 0 if ends is None else min(max(1, round((ends - time.monotonic()) * 1000)), _LONGEST_MS)
        lines = tuple(header.line for header in sending.headers)
        return Hop(sending.method, sending.target, lines, sending.body, left_ms, max_bytes, proxy)

    def _lost(self, hops: list[Transfer]) -> Attempted:
        last = hops[-1]
        if last.closed:
            return Attempted(None)
        return Attempted(without_answer(hops, INVALID, str(last.lost)))

    def _allowed_ms(self, request: Request, last: Transfer) -> float:
        """What ran out, if time did: the limit of a connection, or that of the request."""
        connect_ms = self._limits.connect_timeout_s * 1000
        in_connect = last.code == TIMED_OUT and not last.times.sent
        if in_connect and (request.timeout_ms <= 0 or connect_ms < last.hop.timeout_ms):
            return connect_ms
        return request.timeout_ms
