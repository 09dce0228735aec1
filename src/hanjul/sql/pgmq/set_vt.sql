-- set_vt: move the moment at which messages become visible, whatever their state. hanjul.extend is the fenced form.
-- Locks: the rows named, in the order of their ids.

create or replace function pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone)
returns setof pgmq.message_record language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($set_vt$
        with moved as (
            update pgmq.%I m set vt = $1 where m.msg_id = any ($2)
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
        select * from moved order by msg_id
    $set_vt$, pgmq.format_table_name(queue_name, 'q'))
        using vt, msg_ids;
    if found then
        perform pgmq._wake(queue_name);
    end if;
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.set_vt(queue_name, msg_ids, clock_timestamp() + make_interval(secs => vt));
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.set_vt(queue_name, array[msg_id], vt);
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.set_vt(queue_name, array[msg_id], clock_timestamp() + make_interval(secs => vt));
end
$$;
