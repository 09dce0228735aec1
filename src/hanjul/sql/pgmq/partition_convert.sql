-- Cutting an archive into partitions when it has grown. Its rows stay where they are: the old table becomes the first
-- partition, a_<name>_old, so it costs one look at each row and moves none. It goes when all of it is past the retention.

-- convert_archive_partitioned(table_name, ...): `table_name` is a queue's name; the intervals as in create_partitioned;
-- `leading_partition`: how many partitions are made ahead. Locks: the archive, until the end of the transaction.
create or replace function pgmq.convert_archive_partitioned(table_name text, partition_interval text default '10000',
                                                            retention_interval text default '100000', leading_partition integer default 10)
returns void language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
    atable text := pgmq.format_table_name(table_name, 'a');
    control text := case when pgmq._counts_messages(partition_interval) then 'msg_id' else 'archived_at' end;
    kept text := pgmq._partition_name(atable, 'old');
    newest text;
    bound text;
begin
    perform pgmq.acquire_queue_lock(lower(table_name));
    if to_regclass(format('pgmq.%I', atable)) is null then
        raise notice 'Table %s does not exists', atable;
        return;
    elsif exists (select from pg_partitioned_table t where t.partrelid = format('pgmq.%I', atable)::regclass) then
        raise notice 'Table %s is already partitioned', atable;
        return;
    end if;
    perform pgmq._check_partitioning(partition_interval, retention_interval, leading_partition);
    execute format('lock table pgmq.%I in access exclusive mode', atable);
    execute format('alter table pgmq.%I rename to %I', atable, kept);
    execute format('create table pgmq.%I (like pgmq.%I including defaults) partition by range (%I)', atable, kept, control);
    perform pgmq._pass_rights(format('pgmq.%I', kept)::regclass, format('pgmq.%I', atable)::regclass);
    execute format('select max(m.%I)::text from pgmq.%I m', control, kept) into newest;
    bound := pgmq._bound(control, pgmq._partition_end(partition_interval, case
        when control = 'msg_id' then coalesce(newest::numeric, 0)
        else extract(epoch from greatest(newest::timestamp with time zone, clock_timestamp())) end));
    execute format('alter table pgmq.%I attach partition pgmq.%I for values from (minvalue) to (%L)', atable, kept, bound);
    perform pgmq._start_partitions(table_name, 'a', control, partition_interval, retention_interval, leading_partition);
end
$$;

-- _pass_rights(old, new): the new table has the owner, the grants and the row-level security of the old one.
create or replace function pgmq._pass_rights(old regclass, new regclass)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    source pg_class := (select c from pg_class c where c.oid = old);
    g record;
begin
    if exists (select from pg_policy y where y.polrelid = old) then
        raise exception 'the archive % has policies of row-level security', old using errcode = 'feature_not_supported',
            hint = 'Drop them, convert the archive, and create them again on it: they are not copied.';
    end if;
    if source.relowner <> (select c.relowner from pg_class c where c.oid = new) then
        execute format('alter table %s owner to %s', new, source.relowner::regrole);
    end if;
    for g in
        select case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as role, a.privilege_type, a.is_grantable
        from aclexplode(source.relacl) a
        where a.grantee <> source.relowner
    loop
        execute format('grant %s on %s to %s %s', g.privilege_type, new, g.role, case when g.is_grantable then 'with grant option' end);
    end loop;
    if source.relrowsecurity then
        execute format('alter table %s enable row level security', new);
    end if;
    if source.relforcerowsecurity then
        execute format('alter table %s force row level security', new);
    end if;
end
$$;
