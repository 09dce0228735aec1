"""What a process did, one JSON object a line: an invocation before each statement, a completion after it.

Every line is one write and is synced before the statement goes out, so that a killed process leaves whole lines. Where many
small jobs pass, nothing is synced: only a machine that goes down would lose lines then.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """The journal of one process. `n` numbers its operations."""

    def __init__(self, directory: str | os.PathLike[str], actor: str, *, synced: bool = True) -> None:
        self.actor, self._synced = actor, synced
        self._file = os.open(Path(directory, f"{actor}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._n = 0
        self._turn = threading.Lock()

    def invoke(self, op: str, **told: Any) -> int:
        """About to ask for something; returns its number."""
        with self._turn:
            self._n += 1
            n = self._n
        self._write({"n": n, "at": time.time(), "op": op, **told})
        return n

    def complete(self, n: int, **told: Any) -> None:
        """What came of it."""
        self._write({"n": n, "done": time.time(), **told})

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        if self._synced:
            os.fdatasync(self._file)


def read_journals(directory: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The lines of each actor. A last line that is not whole was never followed by a statement, and is left out."""
    for file in sorted(directory.glob("*.jsonl")):
        lines = file.read_bytes().splitlines(keepends=True)
        yield file.stem, [json.loads(line) for line in lines if line.endswith(b"\n")]
