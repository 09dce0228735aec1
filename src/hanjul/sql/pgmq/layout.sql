-- What makes a table q_<name> fast, whoever made it: pgmq.create, or PGMQ (adopt.sql). The columns of PGMQ come first.
-- Half-empty pages and no index on vt make taking a lease a heap-only update. Three columns are ours: `released` counts
-- the deliveries that were given back, so that attempts charged = read_ct - released; `settled` is the newest delivery
-- that was nacked or released, so that none is twice; `due` is vt where a message is parked (find.sql), and null where
-- reads walk over it. b_<name> is the scan bound.

-- _lay_out(queue_name): adds what is missing; can be run again. No table is rewritten, indexes are built.
-- Locks: ACCESS EXCLUSIVE on q_<name>; on a_<name> one that lets reads pass, and only if its index is missing.
create or replace function pgmq._lay_out(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
    q regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass;
    btable text := format('pgmq.%I', pgmq.format_table_name(queue_name, 'b'));
    heap regclass;
    ids regclass := pg_get_serial_sequence(q::text, 'msg_id')::regclass;
begin
    execute format($ddl$
        alter table %s add column if not exists released integer not null default 0,
                       add column if not exists settled integer not null default 0,
                       add column if not exists due timestamp with time zone
    $ddl$, q);
    for heap in select pgmq._heaps(q) loop
        execute format('alter table %s set (%s)', heap, pgmq._hot_storage());
    end loop;
    if not exists (select from pg_index i where i.indrelid = q and pg_get_indexdef(i.indexrelid) like '% (due, msg_id)%') then
        execute format('create index on %s (due, msg_id) with (deduplicate_items = off)', q);  -- no two are alike
    end if;
    if not exists (select from pg_trigger t where t.tgrelid = q and t.tgname = 'due_follows_vt') then
        execute format($ddl$
            create trigger due_follows_vt before update on %s
            for each row when (old.due is not null) execute function pgmq._due_follows_vt()
        $ddl$, q);
    end if;
    if to_regclass(btable) is null then
        execute format($ddl$
            create sequence %1$s minvalue 0 start 0;
            grant select on sequence %1$s to public  -- a number; who may read a queue needs no further right
        $ddl$, btable);
        perform pgmq._give_to_owner_of(q, btable::regclass);
        execute format('alter sequence %s owned by %s.due', btable, q);
    elsif not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = to_regclass(btable)
                      and d.refclassid = 'pg_class'::regclass and d.refobjid = q) then
        raise exception 'relation "%" is in the way of queue "%"', btable, queue_name  -- whose it is decides what readers see
            using errcode = 'duplicate_table';
    end if;
    if exists (select from pg_class c where c.oid = ids and c.relpersistence = 'u') then
        execute format('alter sequence %s set logged', ids);  -- a crash empties the queue, ids still go on
    end if;
    perform pgmq._index_archive(queue_name);
    perform pgmq.create_fifo_index(queue_name);
    perform pgmq._plan(queue_name);
end
$$;

-- _heaps(tab): where its rows lie: itself, or its partitions.
create or replace function pgmq._heaps(tab regclass)
returns setof regclass language sql stable set search_path = pg_catalog, pg_temp as $$
    select c.oid::regclass from pg_class c where c.oid = tab and c.relkind = 'r'
    union all
    select t.relid from pg_partition_tree(tab) t where t.isleaf and t.relid <> tab;
$$;

-- _hot_storage(): the settings of a table whose rows are leased and deleted: room for leases on their own page, a vacuum
-- that follows at once. A partitioned table has none itself.
create or replace function pgmq._hot_storage()
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select 'fillfactor = 45, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, '
           'autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0.2';
$$;

-- _index_archive(queue_name): by archived_at, under the name that PGMQ gives the index; one that is cut into partitions by
-- that column gets its index with them.
create or replace function pgmq._index_archive(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    a regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))::regclass;
    index_name text := 'archived_at_idx_' || queue_name;
begin
    if exists (select from pg_index i where i.indrelid = a and pg_get_indexdef(i.indexrelid) like '% (archived_at)')
       or pg_get_partkeydef(a) = 'RANGE (archived_at)' then
        return;
    elsif octet_length(index_name) > 63 then  -- let the server choose: a cut name could be another queue's
        execute format('create index on %s (archived_at)', a);
    else
        execute format('create index %I on %s (archived_at)', index_name, a);
    end if;
end
$$;

-- _give_to_owner_of(heap, sequence): where somebody else than the table's owner lays it out.
create or replace function pgmq._give_to_owner_of(heap regclass, sequence regclass)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    owner regrole := (select c.relowner from pg_class c where c.oid = heap);
begin
    if owner <> (select c.relowner from pg_class c where c.oid = sequence) then
        execute format('alter sequence %s owner to %s', sequence, owner);
    end if;
end
$$;
