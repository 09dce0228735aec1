"""Calls in a loop on the server, each timed there: what is left out is the client, the network and the flush of the disk."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from bench.sql.bench import Queue
from bench.sql.systems import Calls, statement

SCRIPT = """
do $script$
declare
    msgs jsonb[]; tags jsonb[]; batch jsonb; tagged jsonb; delayed jsonb; ids bigint[]; size bigint;
    began timestamp with time zone;
begin
    select given.msgs, given.headers into msgs, tags from bench.given;
    select jsonb_agg(jsonb_build_array(m)), jsonb_agg(jsonb_build_array(m, h, 0)), jsonb_agg(jsonb_build_array(m, null, 3600))
        into batch, tagged, delayed from unnest(msgs[1:{n}], tags[1:{n}]) as given (m, h);
    for iteration in 1 .. {iterations} loop{body}
    end loop;
end
$script$
"""

CALL = """
        began := clock_timestamp();
        {statement};{told}
        commit;"""
TOLD = """
        insert into took values ('{name}', extract(epoch from clock_timestamp() - began) * 1e6);"""

TIMES = "select call, percentile_cont(0.25) within group (order by us) from took group by call"


@dataclass(frozen=True)
class Life:
    """Calls that follow one another; each is a transaction.

    asked: those that are timed.  sizes: for how many messages a call.
    """

    calls: tuple[str, ...]
    asked: tuple[str, ...]
    sizes: tuple[int, ...] = (1,)


def times_us(queue: Queue, calls: Calls, life: Life, n: int, iterations: int, limit_s: float) -> dict[str, float]:
    """Microseconds of one call, the 25th percentile: iterations in which nobody else was given the CPU.

    limit_s: for all iterations; what was timed until then counts, and a call that was not has no entry.
    """
    queue.run(f"truncate took; set statement_timeout = {limit_s * 1000:.0f}")
    try:
        queue.run(_script(calls, life.calls, life.asked, n, iterations))
    except psycopg.errors.QueryCanceled:
        pass
    finally:
        queue.run("set statement_timeout = 0")
    return {str(call): float(str(us)) for call, us in queue.session.execute(TIMES)}


def repeat(queue: Queue, calls: Calls, names: Sequence[str], n: int, iterations: int) -> None:
    """The same, not timed."""
    queue.run(_script(calls, names, (), n, iterations))


def _script(calls: Calls, names: Sequence[str], asked: Sequence[str], n: int, iterations: int) -> str:
    body = "".join(
        CALL.format(statement=statement(calls, name, n), told=TOLD.format(name=name) if name in asked else "") for name in names
    )
    return SCRIPT.format(n=n, iterations=iterations, body=body)
