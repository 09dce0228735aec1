"""What came out: a table for people, a list for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """What ours shall reach: so many times better than every peer, or a number of its own."""

    ratio: float | None = None
    number: float | None = None


@dataclass(frozen=True)
class Figure:
    """One number about a system.

    more_is_better: False for what is spent or waited.  limit: where a measurement was broken off; such a number is a bound.
    """

    question: str
    unit: str
    more_is_better: bool = True
    goal: Goal | None = None
    limit: float | None = None


Samples = Mapping[Figure, Mapping[str, Sequence[float]]]
"""Figure -> system -> one number for each round."""


def ratio(figure: Figure, ours: float, theirs: float) -> float:
    """How many times better ours is; below 1, how much worse."""
    return (ours / theirs) if figure.more_is_better else (theirs / ours)


def comparisons(samples: Samples, ours: str) -> list[dict[str, object]]:
    """One entry for each question and peer: question, ours, peer, peer_name, unit, ratio."""
    found: list[dict[str, object]] = []
    for figure, by_system in samples.items():
        if not by_system.get(ours):
            continue
        mine = median(by_system[ours])
        for peer, numbers in by_system.items():
            if peer != ours and numbers:
                theirs = median(numbers)
                entry = {"question": figure.question, "ours": round(mine, 3), "peer": round(theirs, 3), "peer_name": peer}
                found.append(entry | {"unit": figure.unit, "ratio": round(ratio(figure, mine, theirs), 2)})
    return found


def table(samples: Samples, systems: Sequence[str], ours: str, title: str) -> Table:
    """The medians, behind each how many times better ours is, and the goals if there are any."""
    heads, *rows = _rows(samples, systems, ours)
    shown = Table(*heads, title=title)
    for column in shown.columns[2:]:
        column.justify = "right"
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(samples: Samples, systems: Sequence[str], ours: str) -> str:
    """The same for docs/benchmarks.md."""
    heads, *rows = _rows(samples, systems, ours)
    rule = ["---", "---", *["---:" for _ in heads[2:]]]
    return "".join(f"| {' | '.join(row)} |\n" for row in (heads, rule, *rows))


def console() -> Console:
    """stdout; wide enough for the table where it is no terminal."""
    out = Console()
    return out if out.is_terminal else Console(width=150)


def _rows(samples: Samples, systems: Sequence[str], ours: str) -> list[list[str]]:
    goals = any(figure.goal for figure in samples)
    rows = [["question", "unit", *systems, *(["goal"] if goals else [])]]
    for figure, by_system in samples.items():
        cells = [_cell(figure, by_system, name, ours) for name in systems]
        rows.append([figure.question, figure.unit, *cells, *([_goal(figure, by_system, ours)] if goals else [])])
    return rows


def _cell(figure: Figure, by_system: Mapping[str, Sequence[float]], name: str, ours: str) -> str:
    if not by_system.get(name):
        return "-"
    number = median(by_system[name])
    bound = ">" if figure.limit is not None and number >= figure.limit else ""
    if name == ours or not by_system.get(ours):
        return bound + _number(number)
    return f"{bound}{_number(number)} {bound}x{ratio(figure, median(by_system[ours]), number):.3g}"


def _goal(figure: Figure, by_system: Mapping[str, Sequence[float]], ours: str) -> str:
    if figure.goal is None:
        return ""
    mine, verdicts = by_system.get(ours, []), []
    if figure.goal.number is not None:
        told = f"{'at least' if figure.more_is_better else 'at most'} {_number(figure.goal.number)}"
        met = mine and (median(mine) >= figure.goal.number if figure.more_is_better else median(mine) <= figure.goal.number)
        verdicts.append(f"{told} {'met' if met else 'missed'}")
    if figure.goal.ratio is not None:
        peers = [median(numbers) for name, numbers in by_system.items() if name != ours and numbers]
        met = mine and peers and all(ratio(figure, median(mine), peer) >= figure.goal.ratio for peer in peers)
        verdicts.append(f"x{figure.goal.ratio:.3g} {'met' if met else 'missed'}")
    return ", ".join(verdicts)


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
