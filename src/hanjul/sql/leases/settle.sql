-- Settling deliveries. All are fenced: a pair (msg_id, attempt) is settled only while that attempt is the newest
-- delivery of the message and was not settled before. The pairs that were refused come back, with the message's newest
-- attempt (null: it is no longer in the queue); no row means that all is done. Repeating a call is safe.
-- They call the functions of the queue (pgmq/leases.sql); `_..._upstream` are for tables that the pgmq extension made.
-- Locks: the rows named, in the order of their ids, so that two batches cannot deadlock.

-- ack(...): done. The messages are deleted, or moved to the archive.
create or replace function hanjul.ack(queue_name text, msg_ids bigint[], attempts integer[], archive boolean default false)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned(case when archive then 'ack_to_archive' else 'ack' end, queue_name);
begin
    if planned is null then
        return query select * from hanjul._ack_upstream(queue_name, msg_ids, attempts, archive);
    else
        return query execute pg_catalog.format('select * from %s($1, $2)', planned)
            using msg_ids, attempts;
    end if;
end
$$;

-- nack(...): failed; due again after its own delay, in seconds. The attempt counts.
create or replace function hanjul.nack(queue_name text, msg_ids bigint[], attempts integer[], delays_s double precision[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned('nack', queue_name);
begin
    if planned is null then
        return query select * from hanjul._postpone_upstream(queue_name, msg_ids, attempts, delays_s);
    else
        return query execute pg_catalog.format('select * from %s($1, $2, $3)', planned)
            using msg_ids, attempts, delays_s;
    end if;
end
$$;

-- release(...): given back; the attempt is not charged. read_ct goes on counting, or a late settlement of this
-- delivery would pass for one of the next; a table without the column `released` can only take the read back.
create or replace function hanjul.release(queue_name text, msg_ids bigint[], attempts integer[], delays_s double precision[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned('release', queue_name);
begin
    if planned is null then
        return query select * from hanjul._postpone_upstream(queue_name, msg_ids, attempts, delays_s, reads => 1);
    else
        return query execute pg_catalog.format('select * from %s($1, $2, $3)', planned)
            using msg_ids, attempts, delays_s;
    end if;
end
$$;

-- extend(...): the lease ends lease_s from now.
create or replace function hanjul.extend(queue_name text, msg_ids bigint[], attempts integer[], lease_s double precision)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned('extend', queue_name);
begin
    if planned is null then
        return query select * from hanjul._postpone_upstream(queue_name, msg_ids, attempts, array[lease_s]);
    else
        return query execute pg_catalog.format('select * from %s($1, $2, $3)', planned)
            using msg_ids, attempts, lease_s;
    end if;
end
$$;

create or replace function hanjul._ack_upstream(queue_name text, msg_ids bigint[], attempts integer[], archive boolean)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    keep text := '';
    done_ids bigint[];
    done_attempts integer[];
begin
    if archive then
        keep := format(', kept as (insert into pgmq.%I (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers) select * from done)',
                       pgmq.format_table_name(queue_name, 'a'));
    end if;
    execute format($ack$
        with lease as materialized (select * from unnest($1, $2) as u (msg_id, attempt) order by 1),
        done as (
            delete from pgmq.%I m using lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers) %s
        select array_agg(d.msg_id), array_agg(d.read_ct) from done d
    $ack$, qtable, keep)
        into done_ids, done_attempts using msg_ids, attempts;
    if cardinality(msg_ids) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused(qtable, msg_ids, attempts, done_ids, done_attempts);
    end if;
end
$$;

-- _postpone_upstream(...): nack, release and extend: a new due time for those that still hold the lease. One delay is
-- for all; `reads`: how many are taken back.
create or replace function hanjul._postpone_upstream(queue_name text, msg_ids bigint[], attempts integer[], delays_s double precision[], reads integer default 0)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    done_ids bigint[];
    done_attempts integer[];
begin
    execute format($postpone$
        with lease as materialized (
            select u.msg_id, u.attempt, case when cardinality($3) = 1 then $3[1] else u.delay_s end as delay_s
            from unnest($1, $2, $3) as u (msg_id, attempt, delay_s) order by 1),
        done as (
            update pgmq.%I m set vt = $4 + make_interval(secs => l.delay_s), read_ct = m.read_ct - $5
            from lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt
            returning l.msg_id, l.attempt)
        select array_agg(d.msg_id), array_agg(d.attempt) from done d
    $postpone$, qtable)
        into done_ids, done_attempts using msg_ids, attempts, delays_s, clock_timestamp(), reads;
    if cardinality(msg_ids) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused(qtable, msg_ids, attempts, done_ids, done_attempts);
    end if;
    perform hanjul.wake(queue_name);
end
$$;

-- _refused(...): the pairs that are not among those done, and who holds the message: a statement of its own, because
-- one that has waited for a row still sees the message as it was before. `again`: those settled before are done too.
create or replace function hanjul._refused(qtable text, msg_ids bigint[], attempts integer[], done_ids bigint[], done_attempts integer[],
                                           again boolean default false)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($refused$
        with pair as materialized (
            select * from unnest($1, $2) as u (msg_id, attempt) except select * from unnest($3, $4) order by 1, 2)
        select p.msg_id, p.attempt, m.read_ct
        from pair p left join pgmq.%1$I m on m.msg_id = p.msg_id %2$s
        order by 1, 2
    $refused$, qtable, case when again then 'where (m.read_ct = p.attempt and m.settled = p.attempt) is not true' else '' end)
        using msg_ids, attempts, done_ids, done_attempts;
end
$$;
