"""What a rule says."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Violation:
    """One promise that was broken, about one message of a queue (or about nothing in particular)."""

    invariant: str
    queue: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} [{self.queue}] {self.what}"


INVARIANTS = {
    "I1": "no loss after an acknowledged send",
    "I2": "no delivery before the commit or the due time, none after a rollback",
    "I3": "one live lease",
    "I4": "attempts are counted",
    "I5": "one ending",
    "I6": "fencing",
    "I7": "FIFO within a group",
    "I8": "bounded attempts, then dead exactly once",
    "I9": "effects exactly once",
    "I10": "bounded redelivery",
    "I11": "no starvation",
    "I12": "payloads unchanged",
    "I13": "conservation, and metrics that say the same",
    "I14": "ids are never reused",
    "I15": "no residue",
    "errors": "no statement is refused without a strike",
}
