"""Settlements that carry something large are made in commits that end in time."""

from collections.abc import Callable, Iterator, Sequence

from hanjul.model.driver import Settlement

SETTLED_S = 10.0
"""How long a settlement may take before its connection counts as dead, and it is made again on another."""
AT_ONCE_BYTES = 4 << 20
"""What is stored in one commit, apart from one that is larger."""
SLOWEST_BYTES_PER_S = 1 << 20
"""How slowly it may travel before its connection counts as dead."""


def parts(some: Sequence[Settlement], weight: Callable[[Settlement], int]) -> Iterator[list[Settlement]]:
    """The settlements in commits of no more than AT_ONCE_BYTES; a larger one in a commit of its own."""
    part: list[Settlement] = []
    bytes_of_part = 0
    for settlement in some:
        bytes_of_part += weight(settlement)
        if part and bytes_of_part > AT_ONCE_BYTES:
            yield part
            part, bytes_of_part = [], weight(settlement)
        part.append(settlement)
    yield part


def settled_s(size: int) -> float:
    """How long a settlement of so many bytes may take."""
    return SETTLED_S + size / SLOWEST_BYTES_PER_S
