-- Ending queues, and emptying them.

-- drop_queue(queue_name): true; false and a notice if there is none. Live messages and the archive go with it, partitions
-- with their parents. What stays is the last id, for a queue that is made again under the name, and dead letters.
create or replace function pgmq.drop_queue(queue_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    atable text := pgmq.format_table_name(queue_name, 'a');
    removed integer;
begin
    perform pgmq.acquire_queue_lock(lower(queue_name));
    delete from pgmq.meta m where lower(m.queue_name) = lower(drop_queue.queue_name);
    get diagnostics removed = row_count;
    if removed = 0 then
        raise notice 'pgmq queue `%` does not exist', queue_name;
        return false;
    end if;
    perform pgmq._forget_partman(qtable, atable);
    perform pgmq._end_ids(queue_name);
    execute format('drop table if exists pgmq.%I, pgmq.%I', qtable, atable);
    perform pgmq._unplan(queue_name);
    return true;
end
$$;

-- _forget_partman(qtable, atable): where PGMQ made the queue with pg_partman, that keeps a row and a template of each table,
-- and PGMQ a converted archive's old rows in a_<name>_old.
create or replace function pgmq._forget_partman(qtable text, atable text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    partman text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_partman');
    known record;
begin
    if partman is null then
        return;
    end if;
    for known in execute format('delete from %I.part_config where parent_table in (%L, %L) returning parent_table, template_table',
                                partman, 'pgmq.' || qtable, 'pgmq.' || atable)
    loop
        if to_regclass(known.template_table) is not null then
            execute format('drop table %s', to_regclass(known.template_table));
        end if;
        if known.parent_table = 'pgmq.' || atable
           and not exists (select from pgmq.meta m where pgmq.format_table_name(m.queue_name, 'a') = atable || '_old') then
            execute format('drop table if exists pgmq.%I', atable || '_old');
        end if;
    end loop;
end
$$;

create or replace function pgmq.drop_queue(queue_name text, partitioned boolean)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise warning 'drop_queue(queue_name, partitioned) is deprecated and will be removed in PGMQ v2.0. Use drop_queue(queue_name) instead';
    perform pgmq.drop_queue(queue_name);
    return true;
end
$$;

-- delete_queue(queue_name): the name that other SDKs use for drop_queue.
create or replace function pgmq.delete_queue(queue_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pgmq.drop_queue(queue_name);
end
$$;

create or replace function pgmq.detach_archive(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq.format_table_name(queue_name, 'a');
    raise warning 'detach_archive(queue_name) is deprecated and is a no-op. It will be removed in PGMQ v2.0. Archive tables are no longer member objects.';
end
$$;

-- purge_queue(queue_name): how many messages were thrown away. Locks: ACCESS EXCLUSIVE, it waits for open readers.
-- The archive stays, ids go on from where they were.
create or replace function pgmq.purge_queue(queue_name text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    purged bigint;
begin
    execute format('lock table pgmq.%I in access exclusive mode', qtable);  -- before counting: what is counted is what goes
    execute format('select count(*) from pgmq.%I', qtable) into purged;
    execute format('truncate pgmq.%I', qtable);
    return purged;
end
$$;
