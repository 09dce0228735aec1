-- Settling deliveries. All are fenced: a pair (msg_id, attempt) is settled only while that attempt is the newest
-- delivery of the message and was not settled before. The pairs that were refused come back, with the message's newest
-- attempt (null: it is no longer in the queue); no row means that all is done. Repeating a call is safe.
-- Locks: the rows named, in the order of their ids, so that two batches cannot deadlock.

-- ack(...): done. The messages are deleted, or moved to the archive.
create or replace function hanjul.ack(queue_name text, msg_ids bigint[], attempts integer[], archive boolean default false)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    keep text := '';
    planned text := hanjul._planned(case when archive then 'ack_to_archive' else 'ack' end, queue_name);
    done_ids bigint[];
    done_attempts integer[];
begin
    if planned is not null then
        return query execute format('select * from %s($1, $2)', planned) using msg_ids, attempts;
        return;
    end if;
    if archive then
        keep := format(', kept as (insert into pgmq.%I (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers)
                       select d.msg_id, d.read_ct, d.enqueued_at, d.last_read_at, d.vt, d.message, d.headers from done d)',
                       pgmq.format_table_name(queue_name, 'a'));
    end if;
    execute format($ack$
        with lease as materialized (select * from unnest($1, $2) as u (msg_id, attempt) order by 1),
        done as (
            delete from pgmq.%1$I m using lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt %3$s
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt %4$s) %2$s
        select array_agg(d.msg_id), array_agg(d.read_ct) from done d
    $ack$, qtable, keep, hanjul._open(hanjul.counts_releases(qtable)), case when archive then ', m.message, m.headers' end)
        into done_ids, done_attempts using msg_ids, attempts;
    if cardinality(msg_ids) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused(qtable, msg_ids, attempts, done_ids, done_attempts);
    end if;
end
$$;

-- nack(...): failed; due again after its own delay, in seconds. The attempt counts.
create or replace function hanjul.nack(queue_name text, msg_ids bigint[], attempts integer[], delays_s double precision[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
begin
    return query select * from hanjul._postpone(qtable, msg_ids, attempts, delays_s, hanjul.counts_releases(qtable), closes => true);
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
    counts boolean := hanjul.counts_releases(qtable);
begin
    return query select * from hanjul._postpone(qtable, msg_ids, attempts, delays_s, counts, closes => true,
        also => case when counts then ', released = m.released + 1' else ', read_ct = m.read_ct - 1' end);
    perform hanjul.wake(queue_name);
end
$$;

-- extend(...): the lease ends lease_s from now.
create or replace function hanjul.extend(queue_name text, msg_ids bigint[], attempts integer[], lease_s double precision)
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
begin
    return query select * from hanjul._postpone(qtable, msg_ids, attempts, array_fill(lease_s, array[cardinality(msg_ids)]),
        hanjul.counts_releases(qtable), closes => false);
end
$$;

-- _postpone(...): the one statement behind nack, release and extend: a new due time for those that still hold the
-- lease. `counts`: what counts_releases says; `closes`: the delivery ends with it, and is done when that comes again;
-- `also`: what else to set.
create or replace function hanjul._postpone(qtable text, msg_ids bigint[], attempts integer[], delays_s double precision[],
                                            counts boolean, closes boolean, also text default '')
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
declare
    noted boolean := counts and closes;  -- in the column settled
    done_ids bigint[];
    done_attempts integer[];
begin
    execute format($postpone$
        with lease as materialized (select * from unnest($1, $2, $3) as u (msg_id, attempt, delay_s) order by 1),
        done as (
            update pgmq.%1$I m set vt = $4 + make_interval(secs => l.delay_s) %2$s %3$s
            from lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt %4$s
            returning l.msg_id, l.attempt)
        select array_agg(d.msg_id), array_agg(d.attempt) from done d
    $postpone$, qtable, case when noted then ', settled = m.read_ct' end, also, hanjul._open(counts))
        into done_ids, done_attempts using msg_ids, attempts, delays_s, clock_timestamp();
    if cardinality(msg_ids) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused(qtable, msg_ids, attempts, done_ids, done_attempts, again => noted);
    end if;
end
$$;

-- _open(counts): the condition that a delivery was neither nacked nor released yet; nothing where that is not kept.
create or replace function hanjul._open(counts boolean)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return case when counts then 'and m.settled < m.read_ct' else '' end;
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
