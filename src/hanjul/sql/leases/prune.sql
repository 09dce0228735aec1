-- Throwing away in batches what is not needed any more, beside work that goes on: each call takes up to `qty` rows, the
-- oldest first, and says how many they were; less than `qty` means that it is through. Call it until then.
-- Locks: the rows that go, SKIP LOCKED: nobody waits.

-- purge(queue_name, qty): messages, whatever their state, except those that somebody is at. pgmq.purge_queue takes all at
-- once, and locks the table.
create or replace function hanjul.purge(queue_name text, qty integer default 10000)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set jit = off as $$
declare
    purged bigint;
begin
    execute format($purge$
        delete from pgmq.%1$I m where m.msg_id = any (array(
            select c.msg_id from pgmq.%1$I c order by c.msg_id limit $1 for update skip locked))
    $purge$, pgmq.format_table_name(queue_name, 'q')) using qty;
    get diagnostics purged = row_count;
    return purged;
end
$$;

-- prune_archive(queue_name, older_than, qty): messages that were archived longer ago than that.
create or replace function hanjul.prune_archive(queue_name text, older_than interval, qty integer default 10000)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set jit = off as $$
declare
    pruned bigint;
begin
    execute format($prune$
        delete from pgmq.%1$I a where (a.archived_at, a.msg_id) in (
            select c.archived_at, c.msg_id from pgmq.%1$I c
            where c.archived_at < $1 order by c.archived_at limit $2 for update skip locked)
    $prune$, pgmq.format_table_name(queue_name, 'a')) using now() - older_than, qty;
    get diagnostics pruned = row_count;
    return pruned;
end
$$;

-- prune_dead_letters(queue_name, older_than, qty): dead letters that died longer ago than that; also of a queue that is gone.
create or replace function hanjul.prune_dead_letters(queue_name text, older_than interval, qty integer default 10000)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    pruned bigint;
begin
    delete from hanjul.dead_letter d where d.id = any (array(
        select c.id from hanjul.dead_letter c
        where c.queue_name = lower(prune_dead_letters.queue_name) and c.died_at < now() - older_than
        order by c.id limit qty for update skip locked));
    get diagnostics pruned = row_count;
    return pruned;
end
$$;
