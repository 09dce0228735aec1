-- History: a partition for each day (UTC), made ahead, dropped when it is old.
-- Both need a short lock that every ending job would have to wait for behind us: they are given up after 200 ms, and made
-- at the next call. Until then jobs end in job_history_rest.

-- keep_days(ahead): partitions for today and the days ahead, at most 31. How many were made.
-- None while much lies outside of days, because nobody kept them: to attach a day, the server looks through all of that, and
-- every ending job would wait. New jobs end there as well then; docs/jobs.md tells the way out.
-- SECURITY DEFINER: partitions are their table's owner's to make, and any worker may be the one who does.
create or replace function hanjul.keep_days(ahead integer default 3)
returns integer language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '200ms' as $$
declare
    day date;
    made integer := 0;
begin
    if (ahead between 0 and 31) is not true then
        raise exception 'ahead must be between 0 and 31, not %', coalesce(ahead::text, 'NULL') using errcode = 'invalid_parameter_value';
    end if;
    begin
        if pg_table_size('hanjul.job_history_rest') > 16777216 then
            raise warning 'no days of history are made: hanjul.job_history_rest has more than 16 MiB'
                using hint = 'Prune it, and run VACUUM FULL hanjul.job_history_rest in a quiet minute.';
            return 0;
        end if;
    exception when lock_not_available then  -- somebody attaches a day
        return 0;
    end;
    for day in select current_date + n from generate_series(0, ahead) n loop
        if to_regclass(hanjul._day(day)) is null then
            begin
                perform hanjul._make_day(day);
                made := made + 1;
            exception when lock_not_available or duplicate_table then
                null;
            end;
        end if;
    end loop;
    return made;
end
$$;

-- prune(older_than): remove jobs that ended longer ago outside of days, and statistics that are older, and drop one day: the
-- oldest that is over by then. How many days were dropped: 1 means that there may be more. Call it until it is 0.
-- By one at a time: who comes second has nothing to do. Who does not own the tables cannot drop them: an admin deletes what
-- is in them, which takes longer.
-- Locks: to drop a day, all of job_history, against everybody, for as long as a drop takes: so it comes last, and is one.
-- Before that the day itself against those who would retry one of its jobs, while they are counted.
create or replace function hanjul.prune(older_than interval default '30 days')
returns integer language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '200ms' as $$
declare
    owns_days boolean := pg_has_role((select c.relowner from pg_class c where c.oid = 'hanjul.job_history'::regclass), 'usage');
    day regclass;
begin
    perform hanjul._check_age(older_than);
    if not pg_try_advisory_xact_lock(1751215724, 2) then  -- somebody prunes already
        return 0;
    end if;
    execute format($forget$
        with old as (delete from %s h where h.completed_at < now() - $1 returning h.queue, h.kind, h.status)
        insert into hanjul.job_flow select now(), o.queue, o.kind, o.status, null, count(*) from old o group by 2, 3, 4
    $forget$, case when owns_days then 'hanjul.job_history_rest' else 'hanjul.job_history' end) using older_than;
    if not owns_days then
        return 0;
    end if;
    delete from hanjul.job_minute m where m.minute < now() - older_than;
    day := (
        select i.inhrelid from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'hanjul.job_history'::regclass and c.relname ~ '^job_history_\d{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= (now() - older_than)::date
        order by c.relname limit 1);
    if day is null then
        return 0;
    end if;
    begin
        execute format('lock table %s in share mode', day);
        insert into hanjul.job_flow
        select now(), s.queue, s.kind, s.status, null, s.n
        from hanjul._count_day(day) s;
        execute format('drop table %s', day);
        return 1;
    exception when lock_not_available then
        return 0;
    end;
end
$$;

-- prune_unique_keys(older_than, qty): forget up to qty unique keys, the oldest first, that were taken longer ago and whose
-- job is not kept any more. How many; less than qty means that it is through. Call it until then: with a day of history the
-- keys of all its jobs fall due together.
-- Locks: the rows that go, SKIP LOCKED: nobody waits for those who enqueue.
create or replace function hanjul.prune_unique_keys(older_than interval default '30 days', qty integer default 10000)
returns integer language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off
set enable_bitmapscan = off set jit = off as $$
declare
    pruned integer;
begin
    perform hanjul._check_age(older_than);
    if (qty > 0) is not true then
        raise exception 'qty must be more than 0, not %', coalesce(qty::text, 'NULL') using errcode = 'invalid_parameter_value';
    end if;
    delete from hanjul.job_unique u where u.unique_key = any (array(
        select k.unique_key from hanjul.job_unique k
        where k.created_at < now() - older_than and hanjul._status(k.job_id) is null
        order by k.created_at limit qty for update skip locked));
    get diagnostics pruned = row_count;
    return pruned;
end
$$;

-- _check_age(older_than): 22023 if it is none.
create or replace function hanjul._check_age(older_than interval)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if (older_than >= interval '0') is not true then
        raise exception 'older_than must not be negative, not %', coalesce(older_than::text, 'NULL') using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _day(day): the name of its partition.
create or replace function hanjul._day(day date)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select 'hanjul.job_history_' || to_char(day, 'YYYYMMDD');
$$;

-- _make_day(day): its partition, with what has ended on it already. Made first and attached then: other ways lock more.
-- A job that ends while a partition for its day is attached would be refused: it has been sent to job_history_rest, which is
-- not for that day any more. So a day that has begun, or soon will, is attached when no job is ending, and none ends meanwhile.
create or replace function hanjul._make_day(day date)
returns void language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
begin
    if day <= (clock_timestamp() + interval '1 hour')::date then
        lock table hanjul.job_history in share row exclusive mode;
    end if;
    execute format('create table %s (like hanjul.job_history including defaults including constraints)', hanjul._day(day));
    if exists (select from hanjul.job_history_rest h where h.completed_at >= day and h.completed_at < day + 1) then
        lock table hanjul.job_history_rest in share row exclusive mode;
        execute format($move$
            with late as (delete from hanjul.job_history_rest h where h.completed_at >= %L and h.completed_at < %L returning h.*)
            insert into %s select * from late
        $move$, day, day + 1, hanjul._day(day));
    end if;
    execute format('alter table hanjul.job_history attach partition %s for values from (%L) to (%L)', hanjul._day(day), day, day + 1);
end
$$;

-- _count_day(day): what a partition holds.
create or replace function hanjul._count_day(day regclass)
returns table (queue text, kind text, status text, n bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format('select h.queue, h.kind, h.status, count(*) from %s h group by 1, 2, 3', day);
end
$$;
