"""All questions to all systems, in rounds, so that a busy moment of the machine does not meet one system alone."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import psycopg
from rich.console import Console

from bench.harness.processes import ChildFailed
from bench.harness.report import Figure, Samples

Question = Callable[[str], dict[Figure, float]]
"""Asks one system, by name."""


def ask_all(questions: Sequence[Question], systems: Sequence[str], rounds: int, limit_s: float, progress: Console) -> Samples:
    """What came out of each round; what failed is told and left out.

    limit_s: no round is begun that would probably end later.
    """
    began = time.monotonic()
    samples: dict[Figure, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in systems})
    for count in range(1, rounds + 1):
        if (time.monotonic() - began) * count > limit_s * (count - 1) > 0:
            progress.print(f"no time for round {count} of {rounds}")
            break
        for question in questions:
            for name in systems:
                with progress.status(f"round {count} of {rounds}: {name}"):
                    try:
                        found = question(name)
                    except (ChildFailed, psycopg.Error) as failure:
                        progress.print(f"{name} failed: {failure}", style="red", markup=False)
                        continue
                progress.print(f"{count}/{rounds} {name}: {_told(found)}", markup=False, highlight=False, soft_wrap=True)
                for figure, number in found.items():
                    samples[figure][name].append(number)
    return samples


def _told(found: dict[Figure, float]) -> str:
    return "; ".join(f"{figure.question} {number:,.4g} {figure.unit}" for figure, number in found.items())
