-- Reads that wait for messages on the server: one attempt at least, then one every poll_interval_ms until something comes
-- or max_poll_seconds are over; the last attempt is at that moment, none later. What comes first is returned, even if it
-- is less than qty. Under READ COMMITTED each attempt sees what was committed before it.
-- A wait holds a connection and a snapshot, which keeps vacuum from what died meanwhile: hanjul's own consumers sleep in
-- the client, until they are woken.

-- _poll(attempt, ...): `attempt` is the call that reads, of $1 queue_name, $2 vt, $3 qty, $4 conditional.
create or replace function pgmq._poll(attempt text, queue_name text, vt integer, qty integer,
                                      max_poll_seconds integer, poll_interval_ms integer, conditional jsonb default '{}')
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    pause interval := make_interval(secs => greatest(poll_interval_ms, 1) / 1000.0);  -- greatest: null and 0 do not spin
    deadline timestamptz := clock_timestamp() + make_interval(secs => coalesce(max_poll_seconds, 0));
    remaining interval;
begin
    loop
        return query execute 'select * from ' || attempt using queue_name, vt, qty, conditional;
        exit when found;
        remaining := deadline - clock_timestamp();
        exit when remaining <= interval '0';
        perform pg_sleep_for(least(pause, remaining));
    end loop;
end
$$;

create or replace function pgmq.read_with_poll(
    queue_name text, vt integer, qty integer,
    max_poll_seconds integer default 5, poll_interval_ms integer default 100, conditional jsonb default '{}')
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq._poll(
        'pgmq.read($1, $2, $3, $4)', queue_name, vt, qty, max_poll_seconds, poll_interval_ms, conditional);
end
$$;

create or replace function pgmq.read_grouped_with_poll(
    queue_name text, vt integer, qty integer, max_poll_seconds integer default 5, poll_interval_ms integer default 100)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq._poll(
        'pgmq.read_grouped($1, $2, $3)', queue_name, vt, qty, max_poll_seconds, poll_interval_ms);
end
$$;

create or replace function pgmq.read_grouped_rr_with_poll(
    queue_name text, vt integer, qty integer, max_poll_seconds integer default 5, poll_interval_ms integer default 100)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq._poll(
        'pgmq.read_grouped_rr($1, $2, $3)', queue_name, vt, qty, max_poll_seconds, poll_interval_ms);
end
$$;

create or replace function pgmq.read_grouped_head_with_poll(
    queue_name text, vt integer, qty integer, max_poll_seconds integer default 5, poll_interval_ms integer default 100)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq._poll(
        'pgmq.read_grouped_head($1, $2, $3)', queue_name, vt, qty, max_poll_seconds, poll_interval_ms);
end
$$;
