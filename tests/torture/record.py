"""What was done so far, over all runs: kept in .runs/record.json, by the text of the SQL that was tortured."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from hanjul.sql.files import functions_mark

KEPT = Path(__file__).parent / ".runs"


SHOWN = ("kills", "crashes", "freezes", "cuts", "sent", "deliveries")


@dataclass
class Run:
    """One run, and its sums."""

    started: str
    sql: str
    rounds: int = 0
    violations: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def now(cls) -> Self:
        """A run of the SQL as it is."""
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), functions_mark().split()[-1][:10])

    def add(self, struck: Counter[str], size: dict[str, int], violations: int) -> None:
        """One round more."""
        self.rounds += 1
        self.violations += violations
        self.counts += struck + Counter(size)

    @property
    def kills(self) -> int:
        """Processes that were killed."""
        return self.counts["kills"]

    @property
    def crashes(self) -> int:
        """How often the server went down."""
        return self.counts["crashes"]

    def __str__(self) -> str:
        counts = ", ".join(
            f"{self.counts[what]:,} {what}" for what in ("kills", "crashes", "freezes", "cuts", "sent", "deliveries")
        )
        return f"{self.rounds} rounds: {counts}, {self.violations} violations"

    def table(self) -> str:
        """A row for docs/reliability.md, and its head."""
        what = (*SHOWN, "terminated", "operations")
        sums = " | ".join(f"{self.counts[name]:,}" for name in what)
        head = f"| date | SQL | rounds | {' | '.join(what)} | violations |\n|{' --- |' * (len(what) + 4)}"
        return f"{head}\n| {self.started[:10]} | {self.sql} | {self.rounds} | {sums} | {self.violations} |"


@dataclass
class Record:
    """All runs."""

    runs: list[Run]

    @classmethod
    def load(cls) -> Self:
        """As it was left."""
        if not (KEPT / "record.json").exists():
            return cls([])
        return cls([Run(**run | {"counts": Counter(run["counts"])}) for run in json.loads((KEPT / "record.json").read_text())])

    def put(self, run: Run) -> None:
        """Keep a run, as far as it has come; others may do the same meanwhile."""
        self.runs = [one for one in self.load().runs if one.started != run.started] + [run]
        KEPT.mkdir(exist_ok=True)
        fresh = KEPT / "record.json.new"
        fresh.write_text(json.dumps([vars(one) | {"counts": dict(one.counts)} for one in self.runs], indent=1))
        fresh.replace(KEPT / "record.json")

    def total(self, sql: str) -> Run:
        """All runs with that SQL together."""
        total = Run("", sql)
        for run in self.runs:
            if run.sql == sql:
                total.started = run.started
                total.rounds, total.violations = total.rounds + run.rounds, total.violations + run.violations
                total.counts += run.counts
        return total
