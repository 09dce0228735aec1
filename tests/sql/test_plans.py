"""Hot calls stay cheap on large tables, whatever the planner believes about them: counted, not timed."""

import pytest

pytestmark = pytest.mark.xdist_group("plans")  # the large queues are filled once
MANY = 200_000
STATES = {  # rows, before they come, after
    "never analysed": (MANY, "", ""),
    "analysed": (MANY, "", "analyze pgmq.q_big"),
    "analysed while empty": (MANY, "analyze pgmq.q_big", ""),
    "analysed while all was leased": (
        MANY,
        "",
        "update pgmq.q_big set vt = 'infinity'; analyze pgmq.q_big; update pgmq.q_big set vt = now()",
    ),
    "full of dead rows": (MANY, "", "delete from pgmq.q_big where msg_id between 1000 and 199000; analyze pgmq.q_big"),
    "small": (400, "", "analyze pgmq.q_big"),  # where reading it whole looks cheap, and locks rows in another order
}
IDS = "(select array_agg(n) from generate_series(1, 100) n)"
ONES = "array_fill(1, array[100])"
MIXED = "array_append(array_fill(1, array[99]), 2)"
CALLS = {
    "pgmq.read('big', 30, 10)": 100,
    "pgmq.read('big', 30, 100)": 1000,
    "hanjul.claim('big', 30, 100)": 1000,
    "pgmq.pop('big', 100)": 1000,
    "pgmq.peek('big', 100)": 1000,
    "pgmq.delete('big', 7)": 10,
    f"pgmq.delete('big', {IDS})": 1000,
    f"pgmq.archive('big', {IDS})": 1000,
    f"pgmq.set_vt('big', {IDS}, 5)": 1000,
    "hanjul.ack('big', '{7}', '{0}')": 10,
    f"hanjul.ack('big', {IDS}, {ONES}, true)": 1000,
    f"hanjul.ack('big', {IDS}, {MIXED})": 1000,
    f"hanjul.extend('big', {IDS}, {MIXED}, 30)": 1000,
    f"hanjul.nack('big', {IDS}, {ONES}, array_fill(0.0::float8, array[100]))": 1000,
    f"hanjul.release('big', {IDS}, {ONES}, array_fill(0.0::float8, array[100]))": 1000,
    f"hanjul.extend('big', {IDS}, {ONES}, 30)": 1000,
    f"hanjul.reject('big', {IDS}, {ONES}, array_fill('no'::text, array[100]), array_fill('no'::text, array[100]))": 1000,
}
LOOKED_AT = "select coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'q_big'"


@pytest.fixture(scope="module", params=STATES)
def big(request, open_database):
    """A queue of 200,000 messages, of which the first hundred were delivered once."""
    rows, before, after = STATES[request.param]
    with open_database() as session:
        session.run("select pgmq.create('big')")
        session.run("alter table pgmq.q_big set (autovacuum_enabled = off)")
        session.run(before or "select 1")
        session.run("insert into pgmq.q_big (vt, read_ct) select now(), (n <= 100)::int from generate_series(1, %s) n", rows)
        session.run(after or "select 1")
        yield session


@pytest.mark.parametrize("call", CALLS)
def test_a_call_looks_at_few_rows_of_a_large_queue(big, call):
    big.run("begin")
    [(scans, rows)] = big.rows(LOOKED_AT)

    big.run(f"select * from {call}")

    [(scans_after, rows_after)] = big.rows(LOOKED_AT)
    big.run("rollback")
    assert scans_after - scans == 0
    assert rows_after - rows <= CALLS[call]
