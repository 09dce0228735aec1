"""What a consumer is: a queue, a handler, and how the two are put together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.errors import InvalidSettings
from hanjul.model.names import queue_name
from hanjul.runtime.handlers import Handler

MAX_CONCURRENCY = 1000
MAX_PREFETCH = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms one delivery is handled.

    into: the type of its body.  timeout_s: how long the handler may take.  max_attempts, delay_s: as in Retry.
    """

    into: Any
    timeout_s: float | None
    max_attempts: int
    delay_s: Callable[[int], float]


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """One consumer as it was declared.

    concurrency: handlers that run at once.  prefetch: deliveries held at once, buffered and running.
    lease_s: for how long others do not see what is held; renewed while it is held.
    timeout_s: how long a handler may take (None: as long as it likes).  stop_timeout_s: how long it may take to stop.
    archive: keep acked messages in the queue's archive.
    ordered: of each group (header x-pgmq-group) one message at a time, in order; the next when it is acked or dead.
    topics: patterns of routing keys to bind the queue to, when the consumer starts.
    max_concurrency: what its kind of work allows.
    """

    queue: str
    handler: Handler
    concurrency: int = 1
    prefetch: int = 10
    lease_s: float = 30.0
    timeout_s: float | None = None
    stop_timeout_s: float = 10.0
    archive: bool = False
    ordered: bool = False
    topics: tuple[str, ...] = ()
    retry: Retry = field(default_factory=Retry)
    max_concurrency: ClassVar[int] = MAX_CONCURRENCY
    _terms: Terms = field(init=False, repr=False)

    def terms(self, _delivery: Delivery[Any]) -> Terms:
        """The same for all messages of a queue."""
        return self._terms

    def __post_init__(self) -> None:
        queue_name(self.queue)
        _between("concurrency", self.concurrency, 1, self.max_concurrency)
        _between("prefetch", self.prefetch, 1, MAX_PREFETCH)
        if not isinstance(self.concurrency, int) or not isinstance(self.prefetch, int):
            raise InvalidSettings(f"concurrency and prefetch must be whole numbers, not {self.concurrency!r}, {self.prefetch!r}")
        if not isinstance(self.retry, Retry):
            raise InvalidSettings(f"retry must be a Retry, as in Retry(max_attempts=3), not {self.retry!r}")
        for name, value in (("archive", self.archive), ("ordered", self.ordered)):
            if not isinstance(value, bool):
                raise InvalidSettings(f"{name} must be True or False, not {value!r}")
        if not isinstance(self.topics, tuple) or not all(isinstance(pattern, str) for pattern in self.topics):
            raise InvalidSettings(f"topics must be patterns, as in ('orders.#',), not {self.topics!r}")
        _between("lease_s", self.lease_s, 0.1, 86_400)
        _between("stop_timeout_s", self.stop_timeout_s, 0, 86_400)
        if self.timeout_s is not None:
            _between("timeout_s", self.timeout_s, 0.001, 86_400)
        terms = Terms(self.handler.into, self.timeout_s, self.retry.max_attempts, self.retry.delay_s)
        object.__setattr__(self, "_terms", terms)


def _between(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidSettings(f"{name} must be from {low} to {high}, not {value!r}")
