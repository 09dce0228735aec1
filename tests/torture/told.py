"""What the journals tell: each operation with what came of it.

An operation whose answer nobody saw may have happened or not: it is `UNKNOWN`, and a rule must hold for both. One in a
transaction whose commit was never asked for has not happened. Times are the database's own (`began`, `ended`: of the
statement, so it acted between the two), or, where no answer was seen, those of the process, which has the same clock.
`done` is when it was committed at the latest: its process had the answer. Only then does everybody see it.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

LINGER_S = 5.0
"""How long after its client was lost a statement may still run."""


class Answer(Enum):
    """Whether an operation has happened."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Op:
    """One operation. `at`, `done`: by the process's clock; `done` is infinite if it saw no answer."""

    actor: str
    op: str
    told: dict[str, Any]
    at: float
    done: float = float("inf")
    answer: Answer = Answer.UNKNOWN
    began: float = 0.0
    ended: float = float("inf")
    rows: list[Any] = field(default_factory=list)
    refusal: str = ""


def operations(actor: str, lines: list[dict[str, Any]]) -> list[Op]:
    """The operations of one actor."""
    ops: dict[int, Op] = {}
    for line in lines:
        if "op" in line:
            ops[line["n"]] = Op(actor, line["op"], line, line["at"], began=line["at"])
        else:
            _complete(ops[line["n"]], line)
    commits = {op.told["tx"]: op for op in ops.values() if op.op == "commit"}
    for op in ops.values():
        if "tx" in op.told and op.op != "commit":
            _commit(op, commits.get(op.told["tx"]))
    return list(ops.values())


def _complete(op: Op, line: dict[str, Any]) -> None:
    op.done = line["done"]
    if line["ok"]:
        op.answer, op.rows = Answer.YES, line.get("rows", [])
        op.began, op.ended = line.get("began", op.at), line.get("ended", op.done)
    else:
        op.answer = Answer.NO if line["sure"] else Answer.UNKNOWN
        op.refusal = f"{line['error']} {line.get('text', '')}".strip() if line["sure"] else ""


def _commit(op: Op, commit: Op | None) -> None:
    """An operation of a transaction has happened if that was committed, and is seen from then on."""
    if commit is None or op.answer is not Answer.YES:
        op.answer, op.done = Answer.NO, float("inf")  # what it has locked may stay so for as long as its process is frozen
        return
    op.answer, op.done = commit.answer, commit.done
    op.told = {**op.told, "asked_at": commit.at}
