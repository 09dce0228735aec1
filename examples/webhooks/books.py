"""The books of the show: what was sent, what came, what came twice and why, and whether every promise was kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

REASONS = {
    "500": "the receiver failed",
    "429": "the receiver asked to wait",
    "Timeout": "the receiver stalled",
    "Couldn't connect": "the receiver was away",
    "Server returned nothing": "the receiver died with it",
    "Failure when receiving": "the receiver died with it",
}
"""What an attempt's status or error begins with -> what had happened."""


@dataclass(frozen=True)
class Attempt:
    """One attempt, as the sender has noted it. message: what the receiver knows as webhook-id."""

    message: str
    status_code: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        """Whether the sender need not try again."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def reason(self) -> str:
        """Why it was to be tried again."""
        said = str(self.status_code or self.error or "")
        return next((what for begin, what in REASONS.items() if said.startswith(begin)), said)


@dataclass(frozen=True)
class Books:
    """expected: customer -> versions.  diary: the receiver's, in the order of its lines.  attempts: the sender's.

    statuses: of the requests, as they ended.  forged: what a message with a wrong signature was answered.
    """

    expected: Mapping[str, int]
    diary: Sequence[Mapping[str, Any]]
    attempts: Sequence[Attempt]
    statuses: Sequence[str]
    forged: int

    @property
    def verified(self) -> list[Mapping[str, Any]]:
        """What came with a good signature."""
        return [line for line in self.diary if line["event"]]

    @property
    def versions(self) -> dict[str, list[int]]:
        """Customer -> the versions that were acted upon, in that order."""
        found: dict[str, list[int]] = {}
        for line in self.verified:
            if line["acted"]:
                record = line["event"]["record"]
                found.setdefault(record["customer"], []).append(record["version"])
        return found

    @property
    def again(self) -> int:
        """Deliveries of events that had been acted upon already."""
        return sum(line["again"] for line in self.verified)

    @property
    def why_again(self) -> Counter[str]:
        """Attempts that were not the last, by what had happened."""
        return Counter(attempt.reason for attempt in self.attempts if not attempt.delivered)

    @property
    def unexplained(self) -> int:
        """Deliveries beyond the attempts that the sender has noted, and attempts after one that had succeeded."""
        came = Counter(line["id"] for line in self.verified)
        made = Counter(attempt.message for attempt in self.attempts)
        succeeded = Counter(attempt.message for attempt in self.attempts if attempt.delivered)
        return sum(max(0, n - made[message]) for message, n in came.items()) + sum(n - 1 for n in succeeded.values())

    def broken(self) -> list[str]:
        """The promises that were not kept; none: it holds."""
        versions, moods = self.versions, {line.get("mood") for line in self.verified}
        promises = {
            "each change has arrived": all(
                set(range(1, n + 1)) <= set(versions.get(who, [])) for who, n in self.expected.items()
            ),
            "nothing has arrived that was rolled back": all(-1 not in found for found in versions.values()),
            "each customer's changes were acted upon in order": all(found == sorted(found) for found in versions.values()),
            "each was acted upon once": all(len(found) == len(set(found)) for found in versions.values()),
            "every signature of the sender was good": len(self.diary) - len(self.verified) == 1,
            "a forged message was refused": self.forged == 401,
            "every request has succeeded": set(self.statuses) == {"SUCCESS"}
            and len(self.statuses) == sum(self.expected.values()),
            "every duplicate is explained": self.unexplained == 0,
            "the receiver has failed, stalled and limited": {"well", "errors", "limits", "stalls"} <= moods,
            "the receiver was away": self.why_again["the receiver was away"] > 0,
        }
        return [promise for promise, kept in promises.items() if not kept]


def table(books: Books, seconds: float) -> Table:
    """What there is to see."""
    shown = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    shown.add_column("")
    shown.add_column("", justify="right")
    shown.add_row("changes of the table", f"{sum(books.expected.values()):,}")
    shown.add_row("arrived, verified by standardwebhooks", f"{len({line['id'] for line in books.verified}):,}")
    shown.add_row("acted upon, each once, in order", f"{sum(len(found) for found in books.versions.values()):,}")
    shown.add_row("attempts of the sender", f"{len(books.attempts):,}")
    for reason, n in sorted(books.why_again.items(), key=lambda found: -found[1]):
        shown.add_row(f"  again, because {reason}", f"{n:,}")
    shown.add_row("came again after they were acted upon", f"{books.again:,}")
    shown.add_row("  of which nobody knows why", f"{books.unexplained:,}")
    shown.add_row("all within", f"{seconds:.1f} s")
    return shown
