"""How a delivery ends. A handler that returns acks, one that raises nacks; raising (or returning) one of these steers."""

from hanjul.model.errors import BadInput

MAX_SECONDS = 2**31 - 1


class Outcome(Exception):
    """The root of the outcomes. Exceptions, so that a handler can end anywhere with one."""


class Ack(Outcome):
    """Done: the message leaves the queue.

    result: of a job, as JSON text; messages have none.
    """

    def __init__(self, result: str | None = None) -> None:
        super().__init__()
        self.result = result


class Nack(Outcome):
    """Failed: delivered again after `delay_s`, or after the consumer's backoff if that is None. The attempt counts."""

    def __init__(self, reason: str = "", *, delay_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.delay_s = reason, None if delay_s is None else seconds("delay_s", delay_s)


class Release(Outcome):
    """Given back: delivered again after `delay_s`; the attempt is not charged.

    reason: for whoever looks at a job; messages keep none.
    """

    def __init__(self, *, delay_s: float = 0.0, reason: str = "") -> None:
        super().__init__(reason)
        self.delay_s, self.reason = seconds("delay_s", delay_s), reason


class Reject(Outcome):
    """To the dead letters now, whatever attempts are left.

    kind: the field's name for why: rejected, max_attempts, decode_error, cancelled.
    """

    def __init__(self, reason: str = "", *, kind: str = "rejected") -> None:
        super().__init__(reason)
        self.reason, self.kind = reason, kind


def seconds(name: str, value: float) -> float:
    """A delay that can be kept; raises BadInput, which names it, for anything but 0 to 68 years."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        raise BadInput(f"{name} must be a number of seconds from 0 to {MAX_SECONDS}, not {value!r}")
    return value
