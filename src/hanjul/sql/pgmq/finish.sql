-- Finishing messages by id, whoever holds them: delete forgets, archive keeps. hanjul.ack is the fenced form.
-- Locks: the rows named, in the order of their ids (the only plan left walks the primary key), so that two batches
-- over the same messages cannot deadlock.

create or replace function pgmq.delete(queue_name text, msg_ids bigint[])
returns setof bigint language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($delete$
        with deleted as (delete from pgmq.%I m where m.msg_id = any ($1) returning m.msg_id)
        select msg_id from deleted order by msg_id
    $delete$, pgmq.format_table_name(queue_name, 'q'))
        using msg_ids;
end
$$;

create or replace function pgmq.delete(queue_name text, msg_id bigint)
returns boolean language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    deleted bigint;
begin
    execute format('delete from pgmq.%I m where m.msg_id = $1 returning m.msg_id', pgmq.format_table_name(queue_name, 'q'))
        into deleted using msg_id;
    return deleted is not null;
end
$$;

create or replace function pgmq.archive(queue_name text, msg_ids bigint[])
returns setof bigint language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
begin
    return query execute format($archive$
        with taken as (
            delete from pgmq.%I m where m.msg_id = any ($1)
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers),
        kept as (
            insert into pgmq.%I (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers)
            select * from taken
            returning msg_id)
        select msg_id from kept order by msg_id
    $archive$, pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a'))
        using msg_ids;
end
$$;

create or replace function pgmq.archive(queue_name text, msg_id bigint)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return exists (select from pgmq.archive(queue_name, array[msg_id]));
end
$$;
