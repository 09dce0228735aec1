"""The judge: all rules over a round."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.torture import rules_ends, rules_keeping, rules_leases, rules_order
from tests.torture.facts import Facts, load
from tests.torture.verdict import Violation

RULES: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
    rules_ends.no_loss,
    rules_order.not_too_early,
    rules_leases.one_live_lease,
    rules_leases.attempts_are_counted,
    rules_ends.one_ending,
    rules_leases.fencing,
    rules_order.fifo_within_groups,
    rules_ends.dead_letters,
    rules_ends.effects_once,
    rules_leases.bounded_redelivery,
    rules_leases.all_is_drained,
    rules_order.no_starvation,
    rules_ends.payloads_unchanged,
    rules_ends.conservation,
    rules_ends.ids_are_unique,
    rules_ends.no_residue,
    rules_keeping.routes_are_taken,
    rules_keeping.each_life_follows_the_last,
    rules_keeping.what_is_put_back_is_there,
    rules_keeping.partitions_come_and_go,
    rules_ends.no_surprises,
)


def judge(facts: Facts) -> list[Violation]:
    """Everything that is wrong."""
    return sorted({violation for rule in RULES for violation in rule(facts)})


def judge_round(directory: Path) -> tuple[list[Violation], dict[str, int]]:
    """What is wrong with a round, and how much there was to judge."""
    facts = load(directory)
    size = {
        "sent": sum(send.fate.value != "no" for send in facts.sends.values()),
        "deliveries": sum(len(found) for found in facts.deliveries.values()),
        "operations": len(facts.ops),
    }
    failures = [line for line in (directory / "errors.log").read_text().splitlines() if line[:1].strip()]  # a trace is indented
    failed = [Violation("errors", "-", f"an actor failed: {failures[-1]}")] if failures else []
    return judge(facts) + failed, size
