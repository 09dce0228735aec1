-- Queues in partitions: q_<name> and a_<name> are cut by message id, or by time, so that what is old and finished goes by
-- dropping a table. Partitions are native; pg_partman is not needed and, where it is installed, not asked: its upkeep
-- drops messages that nobody has read, and stops for good once a row is in the default partition (docs/decisions/0009-partitions.md).
-- The queue's own functions, its scan bound and parking work on the parents as on any queue. Who makes and drops
-- partitions as time goes by: partition_upkeep.sql.
-- Inside, ends of partitions are numbers, `position`s: message ids, or seconds since 1970.

-- create_partitioned(queue_name, partition_interval, retention_interval, premake): intervals that are whole numbers count
-- messages; others are lengths of time, `1 day`, by enqueued_at and, in the archive, by archived_at. Retention is how
-- long archived messages stay; null: for ever. A message that is not finished stays, however old.
create or replace function pgmq.create_partitioned(queue_name text, partition_interval text default '10000',
                                                   retention_interval text default '100000', premake integer default 4)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    by_id boolean := pgmq._counts_messages(partition_interval);
begin
    perform pgmq._check_new_name(queue_name);
    perform pgmq._check_partitioning(partition_interval, retention_interval, premake);
    if not pgmq._is_new(queue_name) then
        return;
    end if;
    perform pgmq._create_tables(queue_name, false, case when by_id then 'msg_id' else 'enqueued_at' end,
                                case when by_id then 'msg_id' else 'archived_at' end);
    if not by_id then
        execute format('create index on pgmq.%I (msg_id)', pgmq.format_table_name(queue_name, 'q'));
    end if;
    insert into pgmq.meta (queue_name, is_partitioned, is_unlogged) values (create_partitioned.queue_name, true, false);
    perform pgmq._start_partitions(queue_name, 'q', case when by_id then 'msg_id' else 'enqueued_at' end,
                                   partition_interval, retention_interval, premake);
    perform pgmq._start_partitions(queue_name, 'a', case when by_id then 'msg_id' else 'archived_at' end,
                                   partition_interval, retention_interval, premake);
end
$$;

-- _counts_messages(partition_interval): true: by message id; false: by time.
create or replace function pgmq._counts_messages(partition_interval text)
returns boolean language sql immutable set search_path = pg_catalog, pg_temp as $$
    select partition_interval ~ '^\s*[-+]?\d+\s*$';
$$;

-- _check_partitioning(...): refuses what no partition could be made with.
create or replace function pgmq._check_partitioning(partition_interval text, retention_interval text, premake integer)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    every interval;
begin
    if premake < 1 or premake is null then
        raise exception 'premake must be at least 1, got %', premake;
    elsif partition_interval is null then
        raise exception 'partition_interval cannot be NULL';
    elsif pgmq._counts_messages(partition_interval) then
        if partition_interval::bigint < 1 or retention_interval::bigint < 0 then
            raise exception 'partition_interval must be at least 1 and retention_interval not negative, got % and %',
                partition_interval, retention_interval;
        end if;
        return;
    end if;
    every := partition_interval::interval;
    if every < interval '1 second' or retention_interval::interval < interval '0' then
        raise exception 'partition_interval must be at least a second and retention_interval not negative, got % and %',
            partition_interval, retention_interval;
    elsif date_trunc('month', every) <> interval '0' and date_trunc('month', every) <> every then
        raise exception 'partition_interval must be whole months or shorter units alone, got %', partition_interval;
    end if;
end
$$;

-- _start_partitions(...): a new parent gets its index, its default partition, who follows it, and its first partitions.
-- `prefix`: q or a.
create or replace function pgmq._start_partitions(queue_name text, prefix text, control text,
                                                  partition_interval text, retention_interval text, premake integer)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    parent text := pgmq.format_table_name(queue_name, prefix);
    index_name text := parent || '_part_idx';
    fallback text := pgmq._partition_name(parent, 'default');
begin
    insert into pgmq.partitioning (table_name, queue_name, control, partition_interval, retention_interval, premake)
    select parent, m.queue_name, _start_partitions.control, trim(_start_partitions.partition_interval),
           trim(_start_partitions.retention_interval), _start_partitions.premake
    from pgmq.meta m where lower(m.queue_name) = lower(_start_partitions.queue_name);
    execute format('create %s index %s on pgmq.%I (%I)', case when control = 'msg_id' then 'unique' end,
                   case when octet_length(index_name) <= 63 then quote_ident(index_name) end, parent, control);
    perform pgmq._create_partition(parent, fallback);
    execute format('alter table pgmq.%I attach partition pgmq.%I default', parent, fallback);
    perform pgmq._plan_upkeep(queue_name);
    perform pgmq._follow_partitions(parent, fallback, control, partition_interval);
    perform pgmq._add_partitions(p, interval '0') from pgmq.partitioning p where p.table_name = parent;
end
$$;

-- _create_partition(parent, partition): a table that can be attached.
create or replace function pgmq._create_partition(parent text, partition text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    owner regrole := (select c.relowner from pg_class c where c.oid = format('pgmq.%I', parent)::regclass);
begin
    execute format('create table pgmq.%I (like pgmq.%I including defaults) %s', partition, parent,
                   case when parent like 'q%' then format('with (%s)', pgmq._hot_storage()) end);
    if owner::oid <> (select c.relowner from pg_class c where c.oid = format('pgmq.%I', partition)::regclass) then
        execute format('alter table pgmq.%I owner to %s', partition, owner);
    end if;
end
$$;

-- _partition_name(parent, suffix): q_<name>_p10000; another where that is too long, or the table of somebody else.
create or replace function pgmq._partition_name(parent text, suffix text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    named text := parent || '_' || suffix;
begin
    if octet_length(named) > 63 or to_regclass(format('pgmq.%I', named)) is not null then
        named := left(parent, 1) || '_' || md5(named || clock_timestamp()) || '_' || suffix;
    end if;
    return named;
end
$$;

-- _partition_suffix(control, low): p10000; p20260131 or, where it does not begin at midnight (UTC), p20260131_183000.
create or replace function pgmq._partition_suffix(control text, low numeric)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'p' || case when control = 'msg_id' then low::text
                       else to_char(to_timestamp(low) at time zone 'UTC', case when low % 86400 = 0 then 'YYYYMMDD' else 'YYYYMMDD_HH24MISS' end) end;
$$;

-- _position(bound): a value of the deciding column, as text, as a number.
create or replace function pgmq._position(bound text)
returns numeric language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when bound ~ '^-?\d+$' then bound::numeric else extract(epoch from bound::timestamp with time zone) end;
$$;

-- _bound(control, low): the other way round.
create or replace function pgmq._bound(control text, low numeric)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when control = 'msg_id' then trunc(low)::text else to_timestamp(low)::text end;
$$;

-- _partition_start(every, position): where the regular partition begins that a position is in. Months begin on the first,
-- everything else counts from a Monday, in UTC.
create or replace function pgmq._partition_start(every text, "position" numeric)
returns numeric language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    at timestamp;
    months integer;
begin
    if pgmq._counts_messages(every) then
        return floor("position" / every::numeric) * every::numeric;
    end if;
    at := to_timestamp("position") at time zone 'UTC';
    if date_trunc('month', every::interval) = interval '0' then
        return extract(epoch from date_bin(every::interval, at, timestamp '2001-01-01'));
    end if;
    months := extract(year from every::interval) * 12 + extract(month from every::interval);
    return extract(epoch from timestamp '2001-01-01' + make_interval(months => months * floor(
        ((extract(year from at) - 2001) * 12 + extract(month from at) - 1) / months)::integer));
end
$$;

-- _partition_end(every, position): where that partition ends, and the next one begins.
create or replace function pgmq._partition_end(every text, "position" numeric)
returns numeric language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    start numeric := pgmq._partition_start(every, "position");
begin
    if pgmq._counts_messages(every) then
        return start + every::numeric;
    end if;
    return extract(epoch from (to_timestamp(start) at time zone 'UTC') + every::interval);
end
$$;

-- _partitions(parent): its partitions, the oldest first. Without a beginning: low is -Infinity; the default partition
-- has neither end.
create or replace function pgmq._partitions(parent regclass)
returns table (partition regclass, low numeric, high numeric, is_default boolean)
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
begin
    return query
        select c.oid::regclass,
               case when ends[1] is not null then case when by_id then ends[1]::numeric else extract(epoch from ends[1]::timestamptz) end
                    when ends is not null then '-Infinity' end,
               case when ends[2] is not null then case when by_id then ends[2]::numeric else extract(epoch from ends[2]::timestamptz) end
                    when ends is not null then 'Infinity' end,
               ends is null
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        left join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                       $re$^FOR VALUES FROM \((?:'([^']*)'|MINVALUE)\) TO \((?:'([^']*)'|MAXVALUE)\)$re$) ends on true
        cross join lateral (select coalesce(ends[1], ends[2]) ~ '^-?\d+$' as by_id) kind
        where i.inhparent = parent
        order by 2 nulls last;
end
$$;

-- _default_partition_length(queue_name): how many rows the planner believes to be in the two default partitions; null
-- for a queue that has none.
create or replace function pgmq._default_partition_length(queue_name text)
returns bigint language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (
        select sum(greatest(d.reltuples, 0))::bigint
        from pg_class c
        join pg_partitioned_table t on t.partrelid in (c.oid, to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))))
        join pg_class d on d.oid = t.partdefid
        where c.oid = to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))) and c.relkind = 'p');
end
$$;
