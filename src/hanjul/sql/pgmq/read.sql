-- Reading: lease visible messages for `vt` seconds, oldest id first, in that order.
-- Locks: row locks on the leased messages only; SKIP LOCKED, so readers never wait for one another.

create or replace function pgmq._plan_read(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_one(queue_name, 'read', '(vt integer, qty integer) returns setof pgmq.message_record',
                           pgmq._one_scan(), $plan$
declare
    ts timestamptz := clock_timestamp();
    ids bigint[];
begin
    {find}
    return query {by id}
        update {q} m set read_ct = m.read_ct + 1, last_read_at = ts, vt = ts + make_interval(secs => $1)
        where m.msg_id = any (ids)
        returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers{end};
end
    $plan$);
end
$$;

-- read(queue_name, vt, qty, conditional): with a condition, only messages whose body contains it. Then the statement is
-- planned at each call with the planner's hands free: it may use an index on message, if the queue has been given one.
create or replace function pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb default '{}'::jsonb)
returns setof pgmq.message_record language plpgsql as $$
begin
    if conditional operator(pg_catalog.<>) '{}' then
        return query select * from pgmq._read_where(queue_name, vt, qty, conditional);
    else
        return query execute pg_catalog.format('select * from %s($1, $2)', pgmq._planned('read', queue_name)) using vt, qty;
    end if;
end
$$;

create or replace function pgmq._read_where(queue_name text, vt integer, qty integer, conditional jsonb)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
begin
    return query execute format($read$
        with leased as (
            update pgmq.%1$I m
            set read_ct = m.read_ct + 1, last_read_at = $1, vt = $1 + make_interval(secs => $2)
            where m.msg_id = any (array(
                select c.msg_id from pgmq.%1$I c
                where c.vt <= $1 and c.message @> $4
                order by c.msg_id limit $3 for update skip locked))
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
        select * from leased order by msg_id
    $read$, pgmq.format_table_name(queue_name, 'q'))
        using clock_timestamp(), vt, qty, conditional;
end
$$;

-- attempts(message): read_ct under the name that tutorials use; `m.attempts` where schema pgmq is on the search_path.
create or replace function pgmq.attempts(message pgmq.message_record)
returns integer language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return message.read_ct;
end
$$;
