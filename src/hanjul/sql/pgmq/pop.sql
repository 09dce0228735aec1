-- pop(queue_name, qty): take visible messages out of the queue at once, oldest id first: at most once, no lease.
-- Returned as stored: a pop is not a read, read_ct and last_read_at stay what they were.

create or replace function pgmq._plan_pop(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_one(queue_name, 'pop', '(qty integer) returns setof pgmq.message_record', pgmq._one_scan(), $plan$
declare
    ts timestamptz := clock_timestamp();
    ids bigint[];
begin
    {find}
    return query {by id}
        delete from {q} m where m.msg_id = any (ids)
        returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers{end};
end
    $plan$);
end
$$;

create or replace function pgmq.pop(queue_name text, qty integer default 1)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s($1)', pgmq._planned('pop', queue_name)) using qty;
end
$$;
