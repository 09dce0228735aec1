"""The sender: sends what requests say, tells them what came of it, and judges by their policy what happens next."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hanjul.model.errors import InvalidSettings, Unavailable
from hanjul.model.outcome import Outcome, Reject, Release
from hanjul.model.request import Answer, Request
from hanjul.sender import retry
from hanjul.sender.failures import CONNECT, DNS, INVALID, PROTOCOL, TIMEOUT, TLS, Unsendable
from hanjul.sender.guard import Guard
from hanjul.sender.headers import Header, headers_of
from hanjul.sender.hosts import Hosts
from hanjul.sender.limits import SenderLimits
from hanjul.sender.proxies import Proxies
from hanjul.sender.redirects import Sending
from hanjul.sender.sockets import room_for
from hanjul.sender.urls import Target, target

if TYPE_CHECKING:
    from hanjul.sender.attempt import Attempted, Attempts
    from hanjul.sender.transfers import Transfers

_log = logging.getLogger("hanjul.net")

_METHODS = frozenset({"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"})
_LONG_TO_SIGN_BYTES = 256 << 10
"""Signing more than this would hold up the event loop."""
_OF_THE_HOST = frozenset({DNS, CONNECT, TLS, TIMEOUT, PROTOCOL})
"""Failures that may be of all requests to a host."""
_HOLDS = frozenset({429, 503})
"""Statuses whose Retry-After is about all requests to a host."""


class Sender:
    """Sends HTTP requests, any number at once, in one thread of libcurl; open it in the event loop that it is used in.

    Raises InvalidSettings for limits that cannot work.
    """

    def __init__(self, limits: SenderLimits | None = None) -> None:
        self.limits = limits or SenderLimits()
        self._guard = Guard(self.limits.http_allow)
        self._hosts = Hosts(self.limits)
        self._proxies = Proxies(self.limits, self._guard)
        self._transfers: Transfers | None = None
        self._attempts: Attempts | None = None

    async def open(self) -> None:
        """Start the thread; raises InvalidSettings if libcurl is not there, or its files are not.

        The process gets as many sockets as it may have; limits.concurrency is lowered, with a warning, to what they allow.
        """
        try:
            from hanjul.sender.attempt import Attempts
            from hanjul.sender.transfers import Transfers
        except ImportError as error:
            raise InvalidSettings(
                f"sending HTTP requests needs pycurl and certifi: pip install 'hanjul[http]' ({error})"
            ) from error
        concurrency = room_for(self.limits.concurrency)
        if concurrency < self.limits.concurrency:
            _log.warning("http concurrency is %d, not %d: the process may have no more sockets (ulimit -n)",
                         concurrency, self.limits.concurrency)  # fmt: skip
            self.limits = replace(self.limits, concurrency=concurrency)
        self._transfers = Transfers(self.limits, self._guard)
        self._attempts = Attempts(self.limits, self._proxies, self._transfers)

    async def close(self) -> None:
        """End everything within seconds; what is on its way is released, to be sent again."""
        if self._transfers is not None and not await self._transfers.close():
            _log.warning("the thread of HTTP requests has not ended yet; it ends with the process")

    async def send(self, request: Request) -> Outcome:
        """Make one attempt. Sets request.answer, but for what is released: that was not sent, or not to its end.

        Ack: there is an answer.  Nack: again after its delay_s.  Reject: it failed for good.  Release: not now.
        """
        if self._attempts is None:
            raise Unavailable("the sender is not open")
        try:
            return await self._send(self._attempts, request)
        except Unsendable as error:
            request.answer = Answer(error=error.text, error_kind=error.kind)
        except Exception as error:  # noqa: BLE001  (logged, and recorded: one request must not stop the others)
            _log.exception("request %s could not be sent", request.id)
            request.answer = Answer(error=f"the sender failed: {type(error).__name__}: {error}", error_kind=INVALID)
        return Reject(str(request.answer.error))

    async def _send(self, attempts: "Attempts", request: Request) -> Outcome:
        if request.method.upper() not in _METHODS:
            raise Unsendable(f"the method {request.method[:40]!r} is none of {', '.join(sorted(_METHODS))}")
        for name, value in (("retry policy", request.retry), ("options", request.options)):
            if not isinstance(value or {}, Mapping):
                raise Unsendable(f"the {name} of a request must be a JSON object, not {str(value)[:100]}")
        place = target(request.url)
        headers = await self._headers(request, place)
        entered = await self._hosts.enter(place, request)
        if isinstance(entered, Release):
            return entered
        attempted: Attempted | None = None
        try:
            sending = Sending(request.method.upper(), place, tuple(headers), request.payload)
            attempted = await attempts.make(request, sending)
        finally:
            entered.leave(failed=_failed(attempted), hold_s=_asked_s(attempted))
        if attempted.answer is None:
            return Release(reason="the sender was closed while it was on its way")
        return _judged(request, attempted.answer)

    async def _headers(self, request: Request, place: Target) -> list[Header]:
        if request.sign_with is not None and len(request.payload or b"") > _LONG_TO_SIGN_BYTES:
            return await asyncio.to_thread(headers_of, request, place, time.time(), self._guard)
        return headers_of(request, place, time.time(), self._guard)


def _failed(attempted: "Attempted | None") -> bool | None:
    """Whether the host is to blame; None if nobody knows, or somebody else is."""
    if attempted is None or attempted.answer is None or attempted.redirected:
        return None
    kind = attempted.answer.error_kind
    return False if kind is None else (True if kind in _OF_THE_HOST else None)


def _asked_s(attempted: "Attempted | None") -> float | None:
    """How long the host asks everybody to wait."""
    if attempted is None or attempted.answer is None or attempted.redirected or attempted.answer.status_code not in _HOLDS:
        return None
    return retry.retry_after_s(attempted.answer, datetime.now(UTC))


def _judged(request: Request, answer: Answer) -> Outcome:
    if answer.status_code is not None and retry.failed_by(request.retry, answer.status_code):
        answer = replace(answer, error=f"the answer's status is {answer.status_code}", error_kind=retry.STATUS)
    request.answer = answer
    return retry.judge(request, answer, datetime.now(UTC))
