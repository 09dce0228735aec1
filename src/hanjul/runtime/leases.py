"""Keeping leases alive, from a thread that a blocked event loop cannot stop.

    fetch --------- lease_s / 3 ---------> renewed --- ... --- settled
                                    \\__ refused: another attempt holds the message      -> lost
                                    \\__ no answer, and the lease is about to end        -> lost

`Delivery.lease_until` is the one truth: the thread moves it on, or back to 0 when the lease is refused; the event loop
looks at it, never waits for anybody, and counts a delivery as lost a tenth of the lease before its end, so that its
handler is told while nobody else has the message.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Renewer
from hanjul.model.errors import Unavailable

_log = logging.getLogger("hanjul.consumer")

RENEWALS = 12
"""How often within one lease the thread looks for leases to renew."""
LOOKS = 25
"""How often within one lease the event loop looks for lost ones."""
STOP_S = 1.0
"""How long a stopping consumer waits for a renewal."""


class Leases:
    """Renews what a consumer holds. `held` is read by the thread.

    lost, cancel: are told, on the event loop, of what is lost, and of what somebody wants to end.
    """

    def __init__(
        self,
        held: Mapping[Any, Delivery[Any]],
        renewer: Callable[[], Renewer],
        lease_s: float,
        lost: Callable[[Delivery[Any]], None],
        cancel: Callable[[Delivery[Any]], None],
    ) -> None:
        self._held, self._make_renewer, self._lease_s, self._lost, self._cancel = held, renewer, lease_s, lost, cancel
        self._renewer: Renewer | None = None
        self._stopped, self._ended = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="hanjul-leases", daemon=True)

    def start(self) -> None:
        """Start to renew, and to look."""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._lease_s / LOOKS, self._look_again)
        self._thread.start()

    def stop(self) -> None:
        """Stop both."""
        self._timer.cancel()
        self._stopped.set()

    async def ended(self) -> None:
        """Wait for the thread, after `stop`, but not longer than STOP_S for a renewal that is under way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._ended.wait()

    def _look_again(self) -> None:
        self._timer = self._loop.call_later(self._lease_s / LOOKS, self._look_again)
        self._look()

    def _look(self) -> None:
        ends = time.monotonic() + self._lease_s / 10
        for delivery in [d for d in self._held.values() if d.lease_until < ends]:
            self._lost(delivery)

    def _run(self) -> None:
        while not self._stopped.wait(self._lease_s / RENEWALS):
            try:
                self._renew(self._ageing())
            except Unavailable as error:
                _log.warning("renewing leases: %s; trying again", error)
            except Exception:  # noqa: BLE001  (a thread that ends in silence would lose every lease)
                _log.exception("renewing leases failed; trying again")
        if self._renewer is not None:
            self._renewer.close()
        self._tell(self._ended.set)

    def _ageing(self) -> list[Delivery[Any]]:
        """What a third of the lease has gone of; not what counts as lost already."""
        now = time.monotonic()
        low, high = now + self._lease_s / 10, now + self._lease_s * 2 / 3
        return [delivery for delivery in list(self._held.values()) if low <= delivery.lease_until < high]

    def _renew(self, deliveries: list[Delivery[Any]]) -> None:
        if not deliveries:
            return
        self._renewer = self._renewer or self._make_renewer()
        started = time.monotonic()
        refused = {refusal.delivery: refusal for refusal in self._renewer.extend(deliveries, self._lease_s)}
        for delivery in deliveries:
            if (refusal := refused.get(delivery)) is None:
                delivery.lease_until = started + self._lease_s
            elif refusal.cancel:
                delivery.lease_until = started + self._lease_s
                self._tell(partial(self._cancel, delivery))
            elif not refusal.unknown and not _is_our_own_end(refusal):
                delivery.lease_until = 0.0
        if refused:
            self._tell(self._look)

    def _tell(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is no handler left to tell
            self._loop.call_soon_threadsafe(function)


def _is_our_own_end(refusal: Refusal) -> bool:
    """Whether it was refused because we have just settled it: its message is gone, or still has our fence."""
    return refusal.delivery.settled and refusal.held_by in {None, refusal.delivery.fence}
