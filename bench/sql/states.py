"""What a queue's tables look like when the calls come."""

from collections.abc import Callable

from bench.sql.bench import Queue
from bench.sql.script import repeat
from bench.sql.systems import PUBLIC

FILL = """
do $fill$
declare
    given jsonb[] := (select msgs from bench.given);
    thousand jsonb[] := array(select given[1 + g % 100] from generate_series(1, 1000) as g);
begin
    for batch in 1 .. {count} / 1000 loop
        perform pgmq.send_batch('bench', thousand, {delay});
        commit;
    end loop;
end
$fill$
"""

FILL_GROUPS = """
do $fill$
declare
    given jsonb[] := (select msgs from bench.given);
    thousand jsonb[] := array(select given[1 + g % 100] from generate_series(1, 1000) as g);
    headers jsonb[];
begin
    for turn in 1 .. {per_group} loop
        for start in 0 .. {groups} - 1 by 1000 loop
            headers := array(select jsonb_build_object('x-pgmq-group', 'g' || g) from generate_series(start, start + 999) as g);
            perform pgmq.send_batch('bench', thousand, headers);
            commit;
        end loop;
    end loop;
end
$fill$
"""

LEFT = 10_000
"""Ready messages on a bloated table."""
LEASE_CALLS = "select count(*) from pgmq.read('bench', 36000, 1000)"


def fill(queue: Queue, count: int, delay: int = 0) -> None:
    """Send so many messages."""
    queue.run(FILL.format(count=count, delay=delay))


def tidy(queue: Queue) -> None:
    """What autovacuum would have done."""
    queue.run("vacuum (analyze)")


def fresh(_queue: Queue, _count: int) -> None:
    """As created: no message, no statistics."""


def analysed(queue: Queue, count: int) -> None:
    """A backlog, vacuumed and analysed."""
    fill(queue, count)
    tidy(queue)


def bloated(queue: Queue, count: int) -> None:
    """As many dead rows in front of a few ready ones, and statistics of when all of them lived."""
    queue.run("alter table pgmq.q_bench set (autovacuum_enabled = off)")
    fill(queue, count)
    queue.run("analyze")
    repeat(queue, PUBLIC, ("read", "delete"), 1000, count // 1000)
    fill(queue, LEFT)


def delayed(queue: Queue, count: int) -> None:
    """Nothing but messages that fall due in ten hours."""
    fill(queue, count, 36_000)
    tidy(queue)


def leased(queue: Queue, count: int) -> None:
    """Nothing but messages that others hold for ten hours."""
    fill(queue, count)
    for _ in range(count // 1000):
        queue.run(LEASE_CALLS)
    tidy(queue)


def grouped(queue: Queue, groups: int, per_group: int) -> None:
    """Groups with as many messages each, sent in turn, and the index that PGMQ advises."""
    queue.run("select pgmq.create_fifo_index('bench')")
    queue.run(FILL_GROUPS.format(groups=groups, per_group=per_group))
    tidy(queue)


STATES: dict[str, tuple[Callable[[Queue, int], None], int | None]] = {
    "fresh": (fresh, None),
    "analysed": (analysed, None),
    "bloated": (bloated, None),
    "huge": (analysed, 1_000_000),
}
"""How a state is made, and of how many messages, if not of as many as the run's backlog."""
