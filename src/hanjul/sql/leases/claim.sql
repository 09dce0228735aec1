-- claim(queue_name, lease_s, qty): pgmq.read for workers: what a delivery needs, and fractions of a second.
-- `attempt` is the fence that settles the delivery; `released` of the attempts before it were given back uncharged.
-- Locks: row locks on the claimed messages only; SKIP LOCKED, so workers never wait for one another.
create or replace function hanjul.claim(queue_name text, lease_s double precision, qty integer)
returns table (msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)
language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned('claim', queue_name);
begin
    if planned is null then
        return query select * from hanjul._claim_upstream(queue_name, lease_s, qty);
    else
        return query execute pg_catalog.format('select * from %s($1, $2)', planned) using lease_s, qty;
    end if;
end
$$;

-- _claim_upstream(...): the same from a table that the pgmq extension made.
create or replace function hanjul._claim_upstream(queue_name text, lease_s double precision, qty integer)
returns table (msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($claim$
        with leased as (
            update pgmq.%1$I m
            set read_ct = m.read_ct + 1, last_read_at = $1, vt = $1 + make_interval(secs => $2)
            where m.msg_id = any (array(
                select c.msg_id from pgmq.%1$I c
                where c.vt <= $1
                order by c.msg_id limit $3 for update skip locked))
            returning m.msg_id, m.read_ct, 0, m.enqueued_at, m.message::text, m.headers::text)
        select * from leased order by msg_id
    $claim$, pgmq.format_table_name(queue_name, 'q'))
        using clock_timestamp(), lease_s, qty;
end
$$;

-- counts_releases(qtable): false for a table that the pgmq extension made: it lacks the columns released and settled.
create or replace function hanjul.counts_releases(qtable text)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return exists (select from pg_attribute a
                   where a.attrelid = to_regclass(format('pgmq.%I', qtable)) and a.attname = 'released' and not a.attisdropped);
end
$$;
