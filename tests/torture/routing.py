"""Which queues a routing key reached: from the bindings as they certainly were, and may have been, when it was sent."""

import re
from collections import defaultdict
from collections.abc import Sequence

from tests.torture.scene import BOUND, LOOSE, TOPICS
from tests.torture.told import LINGER_S, Answer, Op

Pair = tuple[str, str]


class Routing:
    """All bindings of a round."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self._changes: dict[Pair, list[Op]] = defaultdict(list)
        for op in ops:
            if op.op in {"bind", "unbind"} and op.answer is not Answer.NO:
                self._changes[op.told["pattern"], op.told["queue"]].append(op)

    def reached(self, op: Op) -> dict[str, Answer]:
        """Whether a message that this operation sent has come to each of the queues, as far as the bindings tell."""
        found = dict.fromkeys(TOPICS, Answer.NO)
        for pattern, queue in (*BOUND, *LOOSE):
            if found[queue] is not Answer.YES and matches(pattern, op.told["route"]):
                bound = self._bound((pattern, queue), op)
                found[queue] = bound if bound is not Answer.NO else found[queue]
        return found

    def _bound(self, pair: Pair, send: Op) -> Answer:
        """What was over before the last certain change began counts no more; what was not may be what the send has seen."""
        changes = [change for change in self._changes[pair] if change.at <= send.ended]
        last = max((c.began for c in changes if c.answer is Answer.YES and c.done <= send.began), default=None)
        seen = {c.op == "bind" for c in changes if last is None or _over(c) >= last}
        if last is None:
            seen.add(pair in BOUND)
        return Answer.UNKNOWN if len(seen) > 1 else Answer.YES if True in seen else Answer.NO


def matches(pattern: str, key: str) -> bool:
    """Whether a routing key is one of a pattern's: * is a word or a part of it, # is anything."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+").replace(r"\#", ".*"), key) is not None


def _over(change: Op) -> float:
    return change.done if change.answer is Answer.YES else change.at + LINGER_S
