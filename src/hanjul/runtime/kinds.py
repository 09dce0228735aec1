"""Jobs of many kinds in one consumer: which function runs a kind, on what terms, and how its result is kept."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.errors import InvalidMessage, InvalidSettings, MessageTooLarge
from hanjul.model.job import Job
from hanjul.model.outcome import Ack, Outcome, Release
from hanjul.model.payload import encoded
from hanjul.runtime.handlers import Handler, LeftBehind, Runner
from hanjul.runtime.spec import ConsumerSpec, Terms

UNKNOWN_KIND_S = 15.0
"""For how long a job is parked whose kind this worker does not know: a deploy may be in progress."""


@dataclass(frozen=True, slots=True, eq=False)  # each is itself: its terms are looked up for every job, and hashed by no field
class Kind:
    """One kind of job as it was declared.

    timeout_s: how long an attempt may run, if the job does not say.  retry: the backoff; how many retries a job has, is
    said when it is enqueued.  Raises InvalidSettings for a backoff that is none: the loop that meets it would end.
    """

    name: str
    queue: str
    handler: Handler
    timeout_s: float | None
    retry: Retry

    def __post_init__(self) -> None:
        if not isinstance(self.retry, Retry):
            raise InvalidSettings(f"retry of job {self.name!r} must be a Retry, as in Retry(base_s=5), not {self.retry!r}")


class Kinds:
    """The kinds that a worker knows: the handler of its consumers.

    max_result_bytes: of what a job returns, as JSON.
    """

    def __init__(self, kinds: dict[str, Kind] | None = None, *, max_result_bytes: int = 16 << 20) -> None:
        self._kinds = {} if kinds is None else kinds
        self._max_result_bytes = max_result_bytes
        self.name = "jobs"
        self.into: Any = Any

    def add(self, kind: Kind) -> None:
        """Raises InvalidSettings if a kind of this name is there."""
        if kind.name in self._kinds:
            raise InvalidSettings(f"there is a job {kind.name!r} already: {self._kinds[kind.name].handler.name}")
        self._kinds[kind.name] = kind

    def get(self, name: str) -> Kind | None:
        """The kind of this name."""
        return self._kinds.get(name)

    def limited(self, max_result_bytes: int) -> "Kinds":
        """The same kinds, those that are added later, too, with another limit."""
        return Kinds(self._kinds, max_result_bytes=max_result_bytes)

    def queues(self) -> list[str]:
        """The queues that the kinds name, each once, in the order of their declaration."""
        return list(dict.fromkeys(kind.queue for kind in self._kinds.values()))

    def runner(self, threads: int) -> "KindsRunner":
        """What runs them in one consumer."""
        return KindsRunner(self, threads, self._max_result_bytes)


@dataclass(frozen=True, slots=True)
class JobsSpec(ConsumerSpec):
    """A consumer of jobs: the terms are those of each job and of its kind."""

    handler: Kinds  # type: ignore[assignment]  # it fulfils what the loop asks of a handler

    def terms(self, delivery: Delivery[Any]) -> Terms:
        """Those of the job's kind; a job's own timeout and retries go first."""
        assert isinstance(delivery, Job)  # noqa: S101  (a source of jobs gives jobs)
        return _terms(self.handler.get(delivery.kind), delivery.timeout_s, delivery.max_retries)


class KindsRunner:
    """Runs each job by the function of its kind. The same face as Runner."""

    def __init__(self, kinds: Kinds, threads: int, max_result_bytes: int) -> None:
        self._kinds, self._threads, self._max_result_bytes = kinds, threads, max_result_bytes
        self._runners: dict[str, Runner] = {}
        self.left_behind: LeftBehind = {}

    def argument(self, delivery: Delivery[Any]) -> tuple[Runner, Any]:
        """Whose function, and what with. Raises InvalidMessage; Release if nobody here knows the kind."""
        assert isinstance(delivery, Job)  # noqa: S101  (a source of jobs gives jobs)
        kind = self._kinds.get(delivery.kind)
        if kind is None:
            raise Release(delay_s=UNKNOWN_KIND_S, reason=f"no worker has taken it that knows jobs of kind {delivery.kind!r}")
        runner = self._runners.get(kind.name)
        if runner is None:
            runner = self._runners[kind.name] = Runner(kind.handler, self._threads, self.left_behind)
        return runner, runner.argument(delivery)

    async def run(self, call: tuple[Runner, Any]) -> Outcome:
        """Run it; what it returns is the job's result.

        Raises what it raises; InvalidMessage for a result that is no JSON, MessageTooLarge for one of too many bytes.
        """
        runner, argument = call
        try:
            result = await runner.run(argument)
        except Ack as ack:
            result = ack
        if isinstance(result, Ack):
            if result.result is not None:
                self._check(_text(result.result))
            return result
        if isinstance(result, Outcome):
            return result
        if result is None:
            return _DONE
        self._check(json := encoded(result))
        return Ack(json.decode())

    def _check(self, json: bytes) -> None:
        size, limit = len(json), self._max_result_bytes
        if size > limit:
            raise MessageTooLarge(size, limit).reworded(
                f"the result is {size:,} bytes of JSON; the limit is {limit:,}. "
                "Store large data elsewhere and return its address, or raise max_message_bytes"
            )

    async def rest(self, delivery: Delivery[Any]) -> None:
        """As Runner.rest."""
        assert isinstance(delivery, Job)  # noqa: S101  (a source of jobs gives jobs)
        if runner := self._runners.get(delivery.kind):
            await runner.rest(delivery)

    def close(self) -> None:
        """Start nothing more."""
        for runner in self._runners.values():
            runner.close()


_DONE = Ack()


def _text(result: object) -> bytes:
    """What an outcome of the user's own carries, which may be anything."""
    if not isinstance(result, str):
        raise InvalidMessage(f"Ack(result) takes JSON text, not {type(result).__name__}; or return the value itself")
    try:
        return result.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"the result is no text: {error}") from error


@lru_cache(maxsize=1024)
def _terms(kind: Kind | None, timeout_s: float | None, max_retries: int) -> Terms:
    if kind is None:
        return Terms(Any, None, max_retries + 1, Retry().delay_s)
    retry = replace(kind.retry, max_attempts=max_retries + 1)
    return Terms(kind.handler.into, kind.timeout_s if timeout_s is None else timeout_s, retry.max_attempts, retry.delay_s)
