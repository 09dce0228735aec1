-- Looking at queues. Nothing here waits for, or takes, a row lock.

create or replace function pgmq.list_queues()
returns setof pgmq.queue_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select m.queue_name, m.is_partitioned, m.is_unlogged, m.created_at from pgmq.meta m order by m.queue_name;
end
$$;

-- metrics(queue_name): exact counts; ages in whole seconds, null when empty; total_messages survives deletes and purges.
create or replace function pgmq.metrics(queue_name text)
returns pgmq.metrics_result language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    result pgmq.metrics_result;
begin
    execute format($metrics$
        select $1, count(*),
               extract(epoch from now() - max(m.enqueued_at))::integer,
               extract(epoch from now() - min(m.enqueued_at))::integer,
               (select case when s.is_called then s.last_value else 0 end from %2$s s),
               now(),
               count(*) filter (where m.vt <= now()),
               null::bigint
        from pgmq.%1$I m
    $metrics$, qtable, pg_get_serial_sequence(format('pgmq.%I', qtable), 'msg_id'))
        into result using queue_name;
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

-- q_info(queue_name): metrics, and how the rest of the messages stand.
create or replace function pgmq.q_info(queue_name text)
returns setof pgmq.queue_info language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($info$
        select m.*, waiting.in_flight, waiting.delayed, (select count(*) from pgmq.%2$I),
               meta.is_partitioned, meta.is_unlogged, meta.created_at
        from pgmq.metrics($1) m
        cross join (
            select count(*) filter (where q.read_ct > 0) as in_flight, count(*) filter (where q.read_ct = 0) as delayed
            from pgmq.%1$I q where q.vt > now()) waiting
        left join pgmq.meta meta on lower(meta.queue_name) = lower($1)
    $info$, pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a'))
        using queue_name;
end
$$;

-- peek(queue_name, qty): the next visible messages, oldest first, left as they are.
create or replace function pgmq.peek(queue_name text, qty integer default 1)
returns setof pgmq.message_record language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($peek$
        select m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers
        from pgmq.%I m where m.vt <= $1 order by m.msg_id limit $2
    $peek$, pgmq.format_table_name(queue_name, 'q'))
        using clock_timestamp(), qty;
end
$$;
