-- Reading: lease visible messages for `vt` seconds, oldest id first, in that order.
-- Locks: row locks on the leased messages only; SKIP LOCKED, so readers never wait for one another.
-- The planner settings leave one plan, a walk along the primary key: statistics of a queue are always out of date.
-- What they rule out is given a huge cost, at which older servers would compile every call: hence no jit.

create or replace function pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb default '{}'::jsonb)
returns setof pgmq.message_record language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    ts timestamptz := clock_timestamp();  -- once: compared row by row, a volatile clock would rule out every index
begin
    return query execute format($read$
        with leased as (
            update pgmq.%1$I m
            set read_ct = m.read_ct + 1, last_read_at = $1, vt = $1 + make_interval(secs => $2)
            where m.msg_id = any (array(
                select c.msg_id from pgmq.%1$I c
                where c.vt <= $1 %2$s
                order by c.msg_id limit $3 for update skip locked))
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
        select * from leased order by msg_id
    $read$, pgmq.format_table_name(queue_name, 'q'),
            case when conditional <> '{}'::jsonb then 'and c.message @> $4' else '' end)
        using ts, vt, qty, conditional;
end
$$;

-- attempts(message): read_ct under the name that tutorials use; `m.attempts` where schema pgmq is on the search_path.
create or replace function pgmq.attempts(message pgmq.message_record)
returns integer language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return message.read_ct;
end
$$;
