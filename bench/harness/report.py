"""What came out: a table for people, a list for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One number about a system.  more_is_better: False for what is spent or waited."""

    question: str
    unit: str
    more_is_better: bool = True


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
    """The medians, and behind each how many times better ours is."""
    shown = Table("question", "unit", *systems, title=title)
    for column in shown.columns[2:]:
        column.justify = "right"
    for figure, by_system in samples.items():
        cells = [_cell(figure, by_system, name, ours) for name in systems]
        shown.add_row(figure.question, figure.unit, *cells)
    return shown


def console() -> Console:
    """stdout; wide enough for the table where it is no terminal."""
    out = Console()
    return out if out.is_terminal else Console(width=150)


def _cell(figure: Figure, by_system: Mapping[str, Sequence[float]], name: str, ours: str) -> str:
    if not by_system.get(name):
        return "-"
    number = median(by_system[name])
    if name == ours or not by_system.get(ours):
        return _number(number)
    return f"{_number(number)} [dim]x{ratio(figure, median(by_system[ours]), number):.3g}[/dim]"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
