-- Looking at queues. Nothing here waits for, or takes, a row lock.

create or replace function pgmq.list_queues()
returns setof pgmq.queue_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select m.queue_name, m.is_partitioned, m.is_unlogged, m.created_at from pgmq.meta m order by m.queue_name;
end
$$;

-- _length(table_name): exact up to 100,000 rows; beyond, what the server's statistics say.
create or replace function pgmq._length(table_name text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    counted bigint;
    live bigint;
begin
    execute format('select count(*) from (select from pgmq.%I limit 100001) c', table_name) into counted;
    if counted > 100000 then
        select sum(pg_stat_get_live_tuples(c.oid)) into live from pg_class c
        where c.oid = format('pgmq.%I', table_name)::regclass
           or c.oid in (select t.relid from pg_partition_tree(format('pgmq.%I', table_name)::regclass) t where t.isleaf);
    end if;
    return greatest(counted, live);
end
$$;

-- metrics(queue_name): exact up to 100,000 messages. Counting costs what is counted, and nobody should pay for a long
-- queue by being asked how long it is: beyond, queue_length is what the server's statistics say, which follow within
-- about a minute, the visible part is estimated from a sample, and the ages are those of the smallest and the largest id.
-- Ages in whole seconds, null when empty; total_messages survives deletes and purges, and counts from where a queue that
-- was made again began.
create or replace function pgmq.metrics(queue_name text)
returns pgmq.metrics_result language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    counted bigint;
    result pgmq.metrics_result;
begin
    execute format($metrics$
        select $1, count(*),
               extract(epoch from now() - max(m.enqueued_at))::integer,
               extract(epoch from now() - min(m.enqueued_at))::integer,
               (select case when s.is_called then s.last_value - n.seqstart + 1 else 0 end
                from %2$s s join pg_sequence n on n.seqrelid = %2$L::regclass),
               now(),
               count(*) filter (where m.vt <= now()),
               pgmq._default_partition_length($1)
        from (select c.enqueued_at, c.vt from pgmq.%1$I c limit 100001) m
    $metrics$, qtable, pg_get_serial_sequence(format('pgmq.%I', qtable), 'msg_id'))
        into result using queue_name;
    counted := result.queue_length;
    if counted > 100000 then
        result.queue_length := pgmq._length(qtable);
        result.queue_visible_length := round(result.queue_visible_length::numeric / counted * result.queue_length);
        execute format($ages$
            select extract(epoch from now() - (select m.enqueued_at from pgmq.%1$I m order by m.msg_id desc limit 1))::integer,
                   extract(epoch from now() - (select m.enqueued_at from pgmq.%1$I m order by m.msg_id limit 1))::integer
        $ages$, qtable) into result.newest_msg_age_sec, result.oldest_msg_age_sec;
    end if;
    return result;
end
$$;

-- metrics_all(): one row a queue; one that is dropped meanwhile is left out instead of failing the call.
create or replace function pgmq.metrics_all()
returns setof pgmq.metrics_result language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    queue record;
begin
    for queue in select m.queue_name from pgmq.meta m order by m.queue_name loop
        begin
            return next pgmq.metrics(queue.queue_name);
        exception when undefined_table then
            continue;
        end;
    end loop;
end
$$;

-- q_info(queue_name): metrics, and how the rest of the messages stand; counted and estimated as metrics does.
create or replace function pgmq.q_info(queue_name text)
returns setof pgmq.queue_info language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($info$
        select m.*,
               round(hidden.in_flight * hidden.scale)::bigint, round(hidden.delayed * hidden.scale)::bigint, pgmq._length(%2$L),
               meta.is_partitioned, meta.is_unlogged, meta.created_at
        from pgmq.metrics($1) m
        cross join lateral (
            select count(*) filter (where q.vt > now() and q.read_ct > 0) as in_flight,
                   count(*) filter (where q.vt > now() and q.read_ct = 0) as delayed,
                   m.queue_length::numeric / greatest(count(*), 1) as scale
            from (select c.vt, c.read_ct from pgmq.%1$I c limit 100001) q) hidden
        left join pgmq.meta meta on lower(meta.queue_name) = lower($1)
    $info$, pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a'))
        using queue_name;
end
$$;

-- peek(queue_name, qty): the next visible messages, oldest first, left as they are; found as find.sql tells, what a slow
-- sender has left below the scan bound included, unless the transaction is read-only: then the bound cannot go back.
create or replace function pgmq.peek(queue_name text, qty integer default 1)
returns setof pgmq.message_record language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    ts timestamptz := clock_timestamp();
    found_ids bigint[];
begin
    for look in 1 .. 2 loop
        execute format($look$
            select array(
                select c.msg_id from pgmq.%1$I c
                where c.vt <= $1 and c.msg_id = any (
                    array(select c.msg_id from pgmq.%1$I c
                          where c.due is null and c.msg_id >= (select b.last_value from pgmq.%2$I b) and c.vt <= $1
                          order by c.due, c.msg_id limit $2)
                    || array(select c.msg_id from pgmq.%1$I c where c.due <= $1 order by c.due limit $2 + 256))
                order by c.msg_id limit $2)
        $look$, pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'b'))
            into found_ids using ts, qty;
        exit when cardinality(found_ids) >= qty or current_setting('transaction_read_only')::boolean;
        exit when not pgmq._missed(queue_name);
    end loop;
    return query execute format($peek$
        select m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers
        from pgmq.%I m where m.msg_id = any ($1) order by m.msg_id
    $peek$, pgmq.format_table_name(queue_name, 'q')) using found_ids;
end
$$;
