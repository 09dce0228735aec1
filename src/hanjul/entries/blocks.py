"""Blocks that several kinds share: the lifecycle of a service, redelivery, dead letters."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hanjul.entries.fields import Duration, Later, Model, Number, Reference, Truth, Whole
from hanjul.model.backoff import Retry


class Restart(Model):
    """How a service that failed is started again."""

    initial_delay: Annotated[Duration, Later()] = 1.0
    max_delay: Annotated[Duration, Later()] = 90.0
    backoff_factor: Annotated[Number, Field(ge=1), Later()] = 2.0
    jitter: Annotated[Number, Field(ge=0, le=1), Later()] = 0.1
    max_attempts: Annotated[Whole, Field(ge=0), Later()] = 0


class Lifecycle(Model):
    """Whether and when a service runs."""

    auto_start: Truth = False
    startup: Annotated[Literal["required", "optional"], Later()] = "required"
    requires: list[Reference] = []
    """What must have started before it."""
    depends_on: list[Reference] = []
    """The older word for requires; both count."""
    start_timeout: Annotated[Duration, Later()] = 10.0
    stop_timeout: Duration = 10.0
    stable_threshold: Annotated[Duration, Later()] = 5.0
    restart: Restart = Restart()
    security: Annotated[dict[str, Any] | None, Later()] = None

    @property
    def required(self) -> "list[tuple[tuple[str | int, ...], str]]":
        """What it requires, by either word, and where that is said."""
        both = (("requires", self.requires), ("depends_on", self.depends_on))
        return [(("lifecycle", word, n), id_) for word, ids in both for n, id_ in enumerate(ids)]


class Redelivery(Model):
    """How long a message waits after a failed attempt."""

    initial_delay: Duration = 1.0
    max_delay: Duration = 300.0
    backoff_factor: Annotated[Number, Field(ge=1), Later("each wait is twice the one before")] = 2.0
    jitter: Annotated[Number, Field(ge=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _grows(self) -> "Redelivery":
        if self.initial_delay > self.max_delay:
            raise ValueError("needs an initial_delay that is not longer than its max_delay")
        return self

    def retry(self, max_attempts: int) -> Retry:
        """The same for the loop."""
        return Retry(max_attempts, base_s=self.initial_delay, cap_s=self.max_delay, jitter=self.jitter)


class DeadLetter(Model):
    """Where a message goes that failed too often."""

    queue: Annotated[Reference | None, Later("without it they go to the queue's own dead letters")] = None
    max_attempts: Annotated[Whole, Field(ge=1, le=2**31 - 1)] = 5
