"""What ours shall reach: each Figure that has a goal is named here."""

from bench.harness.report import Goal

OWN = ", own path"
"""Marks a question about what our client calls instead of the public functions."""

WORSE_BY_NONE = Goal(ratio=1.0)
OWN_OTHERS = Goal(ratio=1.5)
NUMBERS = {
    "send 1": Goal(ratio=1.8),
    "read 1": Goal(ratio=2.4),
    "read 100": Goal(ratio=2.0),
    "delete 100": Goal(ratio=1.2),
    "send 1" + OWN: Goal(ratio=3.0),
    "read 1" + OWN: Goal(ratio=3.5),
    "read 100" + OWN: Goal(ratio=2.0),
    "delete 100" + OWN: Goal(ratio=1.5),
}


def of_call(question: str) -> Goal:
    """For the time of a call on a table in its usual state."""
    return NUMBERS.get(question, OWN_OTHERS if question.endswith(OWN) else WORSE_BY_NONE)
