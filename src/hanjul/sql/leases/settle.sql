-- Settling deliveries. All are fenced: a pair (msg_id, attempt) is settled only while that attempt is the newest
-- delivery of the message. The pairs that were refused come back, with the attempt that holds the message now (null:
-- it is no longer in the queue); no row means that all is done. Repeating a call is safe.
-- Locks: the rows named, in the order of their ids, so that two batches cannot deadlock.

-- ack(...): done. The messages are deleted, or moved to the archive.
create or replace function hanjul.ack(queue_name text, msg_ids bigint[], attempts integer[], archive boolean default false)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    keep text := '';
begin
    if archive then
        keep := format(', kept as (insert into pgmq.%I (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers)
                       select d.msg_id, d.read_ct, d.enqueued_at, d.last_read_at, d.vt, d.message, d.headers from done d)',
                       pgmq.format_table_name(queue_name, 'a'));
    end if;
    return query execute format($ack$
        with lease as materialized (select distinct * from unnest($1, $2) as u (msg_id, attempt) order by 1),
        done as (
            delete from pgmq.%1$I m using lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt
            returning m.*) %2$s
        select l.msg_id, l.attempt, (select m.read_ct from pgmq.%1$I m where m.msg_id = l.msg_id)
        from lease l
        where not exists (select from done d where d.msg_id = l.msg_id and d.read_ct = l.attempt)
    $ack$, qtable, keep)
        using msg_ids, attempts;
end
$$;

-- _postpone(...): the one statement behind nack, release and extend: a new due time for those that still hold the lease.
create or replace function hanjul._postpone(qtable text, msg_ids bigint[], attempts integer[], delays_s double precision[], also text)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    return query execute format($postpone$
        with lease as materialized (
            select distinct on (u.msg_id, u.attempt) * from unnest($1, $2, $3) as u (msg_id, attempt, delay_s) order by 1, 2),
        done as (
            update pgmq.%1$I m set vt = $4 + make_interval(secs => l.delay_s) %2$s
            from lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt
            returning l.msg_id, l.attempt)
        select l.msg_id, l.attempt, (select m.read_ct from pgmq.%1$I m where m.msg_id = l.msg_id)
        from lease l
        where not exists (select from done d where d.msg_id = l.msg_id and d.attempt = l.attempt)
    $postpone$, qtable, also)
        using msg_ids, attempts, delays_s, clock_timestamp();
end
$$;

-- nack(...): failed; due again after its own delay, in seconds. The attempt counts.
create or replace function hanjul.nack(queue_name text, msg_ids bigint[], attempts integer[], delays_s double precision[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from hanjul._postpone(pgmq.format_table_name(queue_name, 'q'), msg_ids, attempts, delays_s, '');
    perform hanjul.wake(queue_name);
end
$$;

-- release(...): given back; the attempt is not charged. read_ct goes on counting, or a late settlement of this
-- delivery would pass for one of the next; a table without the column `released` can only take the read back.
create or replace function hanjul.release(queue_name text, msg_ids bigint[], attempts integer[], delays_s double precision[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
begin
    return query select * from hanjul._postpone(qtable, msg_ids, attempts, delays_s,
        case when hanjul.counts_releases(qtable) then ', released = m.released + 1' else ', read_ct = m.read_ct - 1' end);
    perform hanjul.wake(queue_name);
end
$$;

-- extend(...): the lease ends lease_s from now.
create or replace function hanjul.extend(queue_name text, msg_ids bigint[], attempts integer[], lease_s double precision)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from hanjul._postpone(pgmq.format_table_name(queue_name, 'q'), msg_ids, attempts,
        array_fill(lease_s, array[cardinality(msg_ids)]), '');
end
$$;
