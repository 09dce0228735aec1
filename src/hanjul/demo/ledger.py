"""The demo's books: what was sent, what arrived, and whether that is what was promised."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hanjul.demo.mailbox import Arrival


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the demo ended.

    twice: delivered again, because their worker was killed before it could say that they were done.
    unexplained: delivered more than once for any other reason.  waits_s: from enqueued to handled, of each e-mail.
    """

    sent: int
    delivered: int
    twice: int
    unexplained: int
    damaged: int
    left_in_queue: int
    seconds: float
    waits_s: Sequence[float]

    @property
    def lost(self) -> int:
        """Sent, and never delivered."""
        return self.sent - self.delivered

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.unexplained or self.damaged or self.left_in_queue)

    @property
    def rate(self) -> float:
        """E-mails a second, from the first worker's start to the last delivery."""
        return self.delivered / self.seconds

    def wait_s(self, percent: int) -> float:
        """The wait that `percent` of the e-mails did not exceed; not a number if fewer than two arrived."""
        if len(self.waits_s) < 2:
            return float("nan")
        return statistics.quantiles(self.waits_s, n=100)[percent - 1]


def verdict(
    sent_at: Mapping[str, float],
    arrivals: Mapping[str, Sequence[Arrival]],
    *,
    killed: int,
    in_flight_limit: int,
    started_at: float,
    damaged: int,
    left_in_queue: int,
) -> Verdict:
    """Balance the books.

    killed: the process id of the worker that was killed; what it had in flight (at most in_flight_limit) may arrive
    twice: once by it, once by another. Nothing else may.
    """
    again = {id_: came for id_, came in arrivals.items() if len(came) > 1}
    explained = [came for came in again.values() if len(came) == 2 and came[0].worker == killed != came[1].worker]
    firsts = {id_: came[0].at for id_, came in arrivals.items()}
    return Verdict(
        sent=len(sent_at),
        delivered=len(firsts.keys() & sent_at.keys()),
        twice=len(explained),
        unexplained=len(again) - min(len(explained), in_flight_limit) + len(firsts.keys() - sent_at.keys()),
        damaged=damaged,
        left_in_queue=left_in_queue,
        seconds=max(firsts.values(), default=started_at) - started_at or 1.0,
        waits_s=[at - sent_at[id_] for id_, at in firsts.items() if id_ in sent_at],
    )
