"""Topics of the memory driver: which routing keys reach which queues, by the rules of pgmq's."""

import re

from hanjul.model.errors import BadInput

LONGEST = 255
_KEY = re.compile(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*")
_PATTERN = re.compile(r"[a-zA-Z0-9_*#-]+(\.[a-zA-Z0-9_*#-]+)*")
_ADJACENT = re.compile(r"[*#]{2}")


class Topics:
    """Bindings of queues to patterns, and what consumers want to be bound whenever its queue is made."""

    def __init__(self) -> None:
        self._bound: dict[str, dict[str, re.Pattern[str]]] = {}
        self._wanted: dict[object, tuple[str, tuple[str, ...]]] = {}

    def bind(self, pattern: str, queue: str) -> None:
        """Let the queue get what is sent with keys that match; raises BadInput for what is no pattern."""
        self._bound.setdefault(queue, {})[pattern] = compiled(pattern)

    def keep(self, owner: object, queue: str, patterns: tuple[str, ...]) -> None:
        """Bind the queue, and again whenever it is made anew, until the owner lets go; raises BadInput."""
        for pattern in patterns:
            self.bind(pattern, queue)
        self._wanted[owner] = queue, patterns

    def let_go(self, owner: object) -> None:
        """Care no more for what the owner asked for; what is bound stays bound."""
        self._wanted.pop(owner, None)

    def made(self, queue: str) -> None:
        """The queue is new."""
        for wanted, patterns in self._wanted.values():
            if wanted == queue:
                for pattern in patterns:
                    self.bind(pattern, queue)

    def gone(self, queue: str) -> None:
        """The queue was dropped, its bindings with it."""
        self._bound.pop(queue, None)

    def queues(self, routing_key: str) -> list[str]:
        """The queues that a key reaches, by name; raises BadInput for what is no key."""
        if len(routing_key) > LONGEST or not _KEY.fullmatch(routing_key):
            raise BadInput(f"{routing_key!r} is no routing key: words of letters, digits, - and _, with dots between")
        return sorted(q for q, patterns in self._bound.items() if any(p.fullmatch(routing_key) for p in patterns.values()))


def compiled(pattern: str) -> re.Pattern[str]:
    """What a pattern matches: `*` a word or a part of one, `#` any rest."""
    if len(pattern) > LONGEST or not _PATTERN.fullmatch(pattern) or _ADJACENT.search(pattern):
        raise BadInput(f"{pattern!r} is no pattern of routing keys: words as in a key, with * and # not beside each other")
    return re.compile(re.escape(pattern).replace(r"\*", "[^.]+").replace(r"\#", ".*"))
