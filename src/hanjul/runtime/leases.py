"""Keeping leases alive, from a thread that a blocked event loop cannot stop.

    fetch --------- lease_s / 3 ---------> renewed --- ... --- settled
                                    \\__ refused: another attempt holds the message      -> lost
                                    \\__ no answer, and the lease is about to end        -> lost

A delivery counts as lost a tenth of the lease before its end, so that its handler is told while nobody else has it.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Renewer
from hanjul.model.errors import HanjulError

_log = logging.getLogger("hanjul.consumer")

TICKS = 12
"""How often within one lease the thread looks."""


class Leases:
    """Renews what a consumer holds. `held` is read by the thread; `lost` is called there, with what is lost."""

    def __init__(
        self,
        held: Mapping[Any, Delivery[Any]],
        renewer: Callable[[], Renewer],
        lease_s: float,
        lost: Callable[[Delivery[Any]], None],
    ) -> None:
        self._held, self._make_renewer, self._lease_s, self._lost = held, renewer, lease_s, lost
        self._renewer: Renewer | None = None
        self._given_up: set[Delivery[Any]] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hanjul-leases", daemon=True)

    def start(self) -> None:
        """Start to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to renew; does not wait for a renewal that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._lease_s / TICKS):
            now = time.monotonic()
            old = [d for d in list(self._held.values()) if d.lease_until - now < self._lease_s * 2 / 3]
            if old:
                self._renew([d for d in old if d not in self._given_up])
            self._given_up.intersection_update(self._held.values())
        if self._renewer is not None:
            self._renewer.close()

    def _renew(self, deliveries: list[Delivery[Any]]) -> None:
        started = time.monotonic()
        try:
            refused = {refusal.delivery for refusal in self._extend(deliveries)}
        except HanjulError as error:
            _log.warning("renewing %d leases: %s", len(deliveries), error)
            self._give_up([d for d in deliveries if d.lease_until - time.monotonic() < self._lease_s / 10])
            return
        for delivery in deliveries:
            if delivery not in refused:
                delivery.lease_until = started + self._lease_s
        self._give_up([d for d in refused if d in self._held.values()])

    def _extend(self, deliveries: list[Delivery[Any]]) -> list[Any]:
        if not deliveries:
            return []
        if self._renewer is None:
            self._renewer = self._make_renewer()
        return list(self._renewer.extend(deliveries, self._lease_s))

    def _give_up(self, deliveries: list[Delivery[Any]]) -> None:
        for delivery in deliveries:
            self._given_up.add(delivery)
            self._lost(delivery)
