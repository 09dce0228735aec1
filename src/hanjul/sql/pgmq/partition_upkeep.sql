-- Partitions look after themselves, at the commits of those who send: no worker, no cron.
--
-- A row trigger that is deferred to the commit, and passed by one message in many, looks whether all partitions are there
-- that the next messages will need. DDL there holds its locks for the rest of the commit, however long the transaction
-- was open. What is done:
--   1. Add: the partition of the newest message and `premake` more. A burst that is faster than this lands in the default
--      partition, where messages are read as anywhere.
--   2. Empty the default partition, piece by piece: make the missing partition of its oldest row, move the rows, attach.
--   3. Retain: drop what is older than the retention: of an archive, partitions with all their rows; of a queue, partitions
--      without a row. A message that is not finished has a row; so has one whose sender is still open, and his lock keeps
--      the partition from being dropped.
-- Locks: dropping needs the parent for itself. Attaching needs the default partition, and the parent without writers: an
-- insert under way knows the partitions that were there when it began, and would fail. Both wait 50 ms for it, then leave
-- it to a later commit, at least a second later: whoever keeps a transaction open cannot make senders wait. A transaction
-- that has locked one parent so (hanjul.partitions_held) waits for no other: whoever archives holds the one and asks for
-- the other, and would be told of a deadlock.
-- Nothing here can fail a send: what goes wrong is undone, and told in the server's log.
-- Rights: each queue has "upkeep.<queue>", a function that belongs to the queue's owner and runs with his rights, so that
-- whoever may send has the partitions made, and nobody's tables are touched with the rights of somebody else.

-- _follow_partitions(...): the trigger. By time, a message in the default partition means that the queue was idle for
-- long: then every one of them asks.
create or replace function pgmq._follow_partitions(parent text, fallback text, control text, partition_interval text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    step bigint := case when control = 'msg_id' then greatest(1, least(1000, partition_interval::bigint / 4)) else 100 end;
begin
    execute format('create constraint trigger partitions_follow after insert on pgmq.%I deferrable initially deferred '
                   'for each row when (new.msg_id %% %s = 0) execute function pgmq._partitions_follow(%L)', parent, step, parent);
    if control <> 'msg_id' then
        execute format('create constraint trigger default_follows after insert on pgmq.%I deferrable initially deferred '
                       'for each row execute function pgmq._partitions_follow(%L)', fallback, parent);
    end if;
end
$$;

-- _partitions_follow(): once a transaction and table, whatever the number of its messages.
create or replace function pgmq._partitions_follow()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('hanjul.partitions_seen', true) is distinct from tg_argv[0]
       and current_setting('transaction_isolation') like 'read %'  -- others see what was, not what is
       and coalesce(current_query(), '') !~* '\mprepare\s+transaction\M' then  -- it would keep its locks until the second phase
        perform set_config('hanjul.partitions_seen', tg_argv[0], true);
        execute format('select pgmq.%I($1, $2)', pgmq._planned_name('upkeep', substr(tg_argv[0], 3)))
            using tg_argv[0], interval '100 milliseconds';
    end if;
    return null;
exception when others then
    raise log 'hanjul: the partitions of % are left as they are: %', tg_argv[0], sqlerrm;
    return null;
end
$$;

-- maintain_partitions(queue_name): all of it now, by hand; false if something is left, because somebody was in the way, or
-- after a second of moving rows: call again. Nothing for a queue without partitions. It is called by cron with whatever
-- rights: what merely has the name of the queue's function, and is not its owner's to run with his rights, is let be.
create or replace function pgmq.maintain_partitions(queue_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    planned regprocedure := to_regprocedure(format('pgmq.%I(text, interval)', pgmq._planned_name('upkeep', queue_name)));
    prefix text;
    done boolean;
    all_done boolean := true;
begin
    if current_setting('transaction_isolation') not like 'read %' then
        raise exception 'partitions are maintained under READ COMMITTED only' using errcode = 'invalid_transaction_state';
    end if;
    if planned is not null then
        if not exists (select from pg_proc p join pg_class c on c.relowner = p.proowner
                       where p.oid = planned and p.prosecdef
                         and c.oid = to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')))) then
            raise warning 'the partitions of queue "%" are left as they are: % is not a function of its owner', queue_name, planned;
            return false;
        end if;
        foreach prefix in array array['q', 'a'] loop
            execute format('select %s($1, $2)', planned::regproc) into done
                using pgmq.format_table_name(queue_name, prefix), interval '1 second';
            all_done := done and all_done;
        end loop;
    end if;
    return all_done;
end
$$;

-- _plan_upkeep(queue_name): write the queue's function, for the owner of its tables. SECURITY DEFINER: see above.
create or replace function pgmq._plan_upkeep(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    named text := pgmq._planned_name('upkeep', queue_name);
    owner regrole := (select c.relowner from pg_class c where c.oid = format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass);
begin
    execute format($plan$
        create or replace function pgmq.%I(table_name text, patience interval)
        returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $upkeep$
        begin
            return lower(substr(table_name, 3)) = %L and pgmq._upkeep(table_name, least(patience, interval '1 second'));
        end
        $upkeep$
    $plan$, named, lower(queue_name));
    if owner::oid <> (select p.proowner from pg_proc p where p.oid = format('pgmq.%I', named)::regproc) then
        execute format('alter function pgmq.%I owner to %s', named, owner);
    end if;
end
$$;

-- _upkeep(table_name, patience): true if nothing is left to do. Locks are waited for half as long as patience lasts. Each of the two parts is undone alone where it fails.
create or replace function pgmq._upkeep(table_name text, patience interval)
returns boolean language plpgsql
set search_path = pg_catalog, pg_temp set lock_timeout = 0 set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
    p pgmq.partitioning;
    dropped boolean := true;
    added boolean := true;
    moved boolean := false;
begin
    select * into p from pgmq.partitioning t where t.table_name = _upkeep.table_name;
    if not found then
        return true;
    elsif not pg_try_advisory_xact_lock(1751215724, hashtext(table_name)) then  -- somebody else is at it
        return false;
    elsif p.tried_at > clock_timestamp() - interval '1 second' and patience < interval '1 second' then
        return false;
    end if;
    perform set_config('lock_timeout', (extract(epoch from patience) * 500)::integer::text, true);
    begin
        perform pgmq._drop_partitions(p);
    exception when others then
        dropped := false;
        raise log 'hanjul: old partitions of % stay: %', table_name, sqlerrm;
    end;
    begin
        moved := pgmq._add_partitions(p, patience);
    exception when others then
        added := false;
        raise log 'hanjul: no new partitions of % now: %', table_name, sqlerrm;
    end;
    if not (dropped and added) then
        update pgmq.partitioning t set tried_at = clock_timestamp() where t.table_name = _upkeep.table_name;  -- for other senders
    end if;
    return dropped and moved;
end
$$;

-- _nowait(p): how to lock p: without waiting in a transaction that holds another.
create or replace function pgmq._nowait(p pgmq.partitioning)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when coalesce(current_setting('hanjul.partitions_held', true), '') in ('', p.table_name) then '' else 'nowait' end;
$$;

-- _newest(p): the position that partitions are counted from: the newest id given out, or now; of an archive the newest id
-- in it: its messages may be far behind those sent.
create or replace function pgmq._newest(p pgmq.partitioning)
returns numeric language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    newest numeric;
begin
    if p.control <> 'msg_id' then
        return extract(epoch from clock_timestamp());
    elsif p.table_name = pgmq.format_table_name(p.queue_name, 'q') then
        newest := pgmq._last_id(format('pgmq.%I', p.table_name)::regclass);
    else
        execute format('select max(m.msg_id) from pgmq.%I m', p.table_name) into newest;
    end if;
    return coalesce(newest, 0);
end
$$;

-- _add_partitions(p, patience): 1 and 2 of the list above; rows are moved for as long as `patience`. True if none is left.
create or replace function pgmq._add_partitions(p pgmq.partitioning, patience interval)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
    began timestamp with time zone := clock_timestamp();
    fallback regclass := (select t.partdefid from pg_partitioned_table t where t.partrelid = format('pgmq.%I', p.table_name)::regclass);
    covered nummultirange := (select range_agg(numrange(x.low, x.high)) from pgmq._partitions(format('pgmq.%I', p.table_name)::regclass) x
                              where not x.is_default);
    "position" numeric := pgmq._newest(p);
    oldest text;
    moved boolean := false;
begin
    for ahead in 0 .. p.premake loop
        if covered @> "position" is not true then
            perform pgmq._add_partition(p, fallback, "position");
        end if;
        "position" := pgmq._partition_end(p.partition_interval, "position");
    end loop;
    loop
        execute format('select min(m.%I)::text from %s m', p.control, fallback) into oldest;
        exit when oldest is null or moved and clock_timestamp() > began + patience;
        perform pgmq._add_partition(p, fallback, pgmq._position(oldest));
        moved := true;
    end loop;
    return oldest is null;
end
$$;

-- _add_partition(p, fallback, position): the partition of a position that has none, with what is in the default partition
-- of it. At most 20,000 rows are moved: if there are more, the partition becomes smaller.
create or replace function pgmq._add_partition(p pgmq.partitioning, fallback regclass, "position" numeric)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    low numeric;
    high numeric;
    partition text;
    range text;
    next_one text;
begin
    select greatest(pgmq._partition_start(p.partition_interval, "position"), max(x.high) filter (where x.high <= "position")),
           least(pgmq._partition_end(p.partition_interval, "position"), min(x.low) filter (where x.low > "position"))
    into low, high
    from pgmq._partitions(format('pgmq.%I', p.table_name)::regclass) x;
    execute format('lock table only pgmq.%I in share row exclusive mode %s', p.table_name, pgmq._nowait(p));
    execute format('lock table %s in access exclusive mode %s', fallback, pgmq._nowait(p));
    perform set_config('hanjul.partitions_held', p.table_name, true);
    range := format('m.%1$I >= %2$L and m.%1$I < ', p.control, pgmq._bound(p.control, low));
    execute format('select m.%1$I::text from %2$s m where %3$s %4$L order by m.%1$I offset 20000 limit 1',
                   p.control, fallback, range, pgmq._bound(p.control, high)) into next_one;
    if pgmq._position(next_one) > low then
        high := pgmq._position(next_one);
    end if;
    partition := pgmq._partition_name(p.table_name, pgmq._partition_suffix(p.control, low));
    perform pgmq._create_partition(p.table_name, partition);
    execute format('with moved as (delete from %s m where %s %L returning m.*) insert into pgmq.%I select * from moved',
                   fallback, range, pgmq._bound(p.control, high), partition);
    execute format('alter table pgmq.%I attach partition pgmq.%I for values from (%L) to (%L)',
                   p.table_name, partition, pgmq._bound(p.control, low), pgmq._bound(p.control, high));
end
$$;

-- _drop_partitions(p): 3 of the list above.
create or replace function pgmq._drop_partitions(p pgmq.partitioning)
returns void language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
    parent regclass := format('pgmq.%I', p.table_name)::regclass;
    is_queue boolean := p.table_name = pgmq.format_table_name(p.queue_name, 'q');
    oldest_kept numeric := pgmq._oldest_kept(p);
    old regclass;
begin
    if oldest_kept is null then
        return;
    end if;
    for old in select x.partition from pgmq._partitions(parent) x where x.high <= oldest_kept loop
        if not (is_queue and pgmq._has_rows(old)) then
            execute format('lock table only %s, only %s in access exclusive mode %s', parent, old, pgmq._nowait(p));
            perform set_config('hanjul.partitions_held', p.table_name, true);
            if not (is_queue and pgmq._has_rows(old)) then
                execute format('drop table %s', old);
            end if;
        end if;
    end loop;
    if not is_queue then  -- archived after its partition went
        execute format('delete from %s m where m.%I < %L', (select x.partition from pgmq._partitions(parent) x where x.is_default),
                       p.control, pgmq._bound(p.control, oldest_kept));
    end if;
end
$$;

-- _oldest_kept(p): the position before which the retention has passed; null: there is no retention.
create or replace function pgmq._oldest_kept(p pgmq.partitioning)
returns numeric language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if p.control = 'msg_id' then
        return pgmq._newest(p) - p.retention_interval::bigint;
    end if;
    return extract(epoch from clock_timestamp() - p.retention_interval::interval);
end
$$;

create or replace function pgmq._has_rows(partition regclass)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_one boolean;
begin
    execute format('select exists (select from %s)', partition) into found_one;
    return found_one;
end
$$;
