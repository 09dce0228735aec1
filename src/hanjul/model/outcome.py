"""How a delivery ends. A handler that returns acks, one that raises nacks; raising (or returning) one of these steers."""


class Outcome(Exception):
    """The root of the outcomes. Exceptions, so that a handler can end anywhere with one."""


class Ack(Outcome):
    """Done: the message leaves the queue."""


class Nack(Outcome):
    """Failed: delivered again after `delay_s`, or after the consumer's backoff if that is None. The attempt counts."""

    def __init__(self, reason: str = "", *, delay_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.delay_s = reason, delay_s


class Release(Outcome):
    """Given back: delivered again after `delay_s`; the attempt is not charged."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        super().__init__()
        self.delay_s = delay_s


class Reject(Outcome):
    """To the dead letters now, whatever attempts are left.

    kind: the field's name for why: rejected, max_attempts, decode_error.
    """

    def __init__(self, reason: str = "", *, kind: str = "rejected") -> None:
        super().__init__(reason)
        self.reason, self.kind = reason, kind
