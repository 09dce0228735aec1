-- pop(queue_name, qty): take visible messages out of the queue at once, oldest id first: at most once, no lease.
-- Returned as stored: a pop is not a read, read_ct and last_read_at stay what they were.
create or replace function pgmq.pop(queue_name text, qty integer default 1)
returns setof pgmq.message_record language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($pop$
        with popped as (
            delete from pgmq.%1$I m
            where m.msg_id = any (array(
                select c.msg_id from pgmq.%1$I c
                where c.vt <= $1
                order by c.msg_id limit $2 for update skip locked))
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
        select * from popped order by msg_id
    $pop$, pgmq.format_table_name(queue_name, 'q'))
        using clock_timestamp(), qty;
end
$$;
