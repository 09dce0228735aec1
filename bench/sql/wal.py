"""How many bytes are written ahead for a message that is read and deleted?"""

from bench.harness.report import Figure, Goal
from bench.sql.bench import Bench
from bench.sql.script import repeat
from bench.sql.states import analysed
from bench.sql.systems import PUBLIC

FIGURE = Figure("WAL of read 100 + delete 100", "bytes/message", more_is_better=False, goal=Goal(ratio=1 / 0.6))
WRITTEN = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """After a checkpoint, so with the images of the pages that are touched."""
    count = bench.sizes.drained
    with bench.queue(name) as queue:
        analysed(queue, count)
        queue.run("checkpoint")
        before = queue.number(WRITTEN)
        repeat(queue, PUBLIC, ("read", "delete"), 100, count // 100)
        return {FIGURE: (queue.number(WRITTEN) - before) / count}
