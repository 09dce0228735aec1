-- Jobs by the clock. When a schedule's ticks are, its leader works out (jobs/schedule.py); that each is enqueued once,
-- whoever comes, is decided here: a tick is enqueued by the statement that moves next_tick past it.

-- set_schedule(name, cron, kind, ...): make a schedule, or change it. What is the same stays the same: a tick that is due
-- is not lost because a worker starts and says again what it declares; one that is disabled stays so.
-- cron: five fields, six with seconds first, or @hourly and its like.  timezone: whose clock it is.
-- options: of its jobs: the other fields that hanjul.enqueue_jobs knows, except when they run.
-- missed: of ticks that nobody was there for: skip them, enqueue one job, or all of them, at most the newest max_missed.
create or replace function hanjul.set_schedule(
    name text, cron text, kind text, payload jsonb default '{}', queue text default 'default', timezone text default 'UTC',
    missed text default 'once', max_missed integer default 100, options jsonb default '{}')
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul._refuse_job(hanjul._schedule_problem(name, cron, timezone, missed, max_missed, options));
    perform hanjul._try_job(hanjul._scheduled_job(name, kind, payload, queue, options, null));
    insert into hanjul.schedule as s (name, cron, timezone, kind, payload, queue, options, missed, max_missed, since)
    values (set_schedule.name, set_schedule.cron, set_schedule.timezone, set_schedule.kind, set_schedule.payload, set_schedule.queue,
            set_schedule.options, set_schedule.missed, set_schedule.max_missed, clock_timestamp())
    on conflict on constraint schedule_pkey do update
    set cron = excluded.cron, timezone = excluded.timezone, kind = excluded.kind, payload = excluded.payload, queue = excluded.queue,
        options = excluded.options, missed = excluded.missed, max_missed = excluded.max_missed,
        since = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.since else excluded.since end,
        next_tick = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.next_tick end,
        problem = case when (s.cron, s.timezone) = (excluded.cron, excluded.timezone) then s.problem end
    where (s.cron, s.timezone, s.kind, s.payload, s.queue, s.options, s.missed, s.max_missed)
          is distinct from (excluded.cron, excluded.timezone, excluded.kind, excluded.payload, excluded.queue, excluded.options,
                            excluded.missed, excluded.max_missed);
end
$$;

-- enable_schedule(name, enabled): let it run, or not. What would have been its ticks meanwhile is not made up for. False if
-- there is none of this name.
create or replace function hanjul.enable_schedule(name text, enabled boolean default true)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if enabled is null then
        raise exception 'enabled must be true or false, not NULL' using errcode = 'invalid_parameter_value';
    end if;
    update hanjul.schedule s set enabled = enable_schedule.enabled, since = clock_timestamp(), next_tick = null, problem = null
    where s.name = enable_schedule.name and s.enabled <> enable_schedule.enabled;
    return found or exists (select from hanjul.schedule s where s.name = enable_schedule.name);
end
$$;

-- remove_schedule(name): no more jobs of it; those that are enqueued stay. False if there is none of this name.
create or replace function hanjul.remove_schedule(name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from hanjul.schedule s where s.name = remove_schedule.name;
    return found;
end
$$;

-- list_schedules(): all of them, by name.
create or replace function hanjul.list_schedules()
returns setof hanjul.schedule language sql stable set search_path = pg_catalog, pg_temp as $$
    select * from hanjul.schedule s order by s.name;
$$;

-- due_schedules(): those whose tick has come, or whose next one is not known; and what time it is.
create or replace function hanjul.due_schedules()
returns table (name text, cron text, timezone text, missed text, max_missed integer, since timestamptz, next_tick timestamptz, at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.name, s.cron, s.timezone, s.missed, s.max_missed, s.since, s.next_tick, n.ts
    from (select clock_timestamp() as ts) n, hanjul.schedule s
    where s.enabled and s.problem is null and coalesce(s.next_tick <= n.ts, true)
    order by s.next_tick nulls first, s.name;
$$;

-- advance_schedule(name, since, seen_tick, ticks, next_tick, problem): enqueue a job for each of the ticks and go on to
-- next_tick; nothing if the schedule is not as it was seen any more, because somebody else has done that, or changed it.
-- Of the ticks, those are left out that were enqueued already, and those to come.
-- problem: why there is no next tick. How many jobs were enqueued; null if it was not as seen.
-- SECURITY DEFINER: any worker may be the one who does it; what is enqueued is what set_schedule was told.
-- Locks: the schedule's row, to the end of the transaction: who comes second waits, and finds it advanced.
create or replace function hanjul.advance_schedule(
    name text, since timestamptz, seen_tick timestamptz, ticks timestamptz[], next_tick timestamptz, problem text default null)
returns integer language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    schedule hanjul.schedule;
    fired timestamptz[];
    ids uuid[];
begin
    select * into schedule from hanjul.schedule s where s.name = advance_schedule.name for update;
    if not found or not schedule.enabled or schedule.since <> advance_schedule.since or schedule.next_tick is distinct from seen_tick then
        return null;
    end if;
    fired := array(
        select distinct t from unnest(ticks) t
        where t > schedule.since and t <= clock_timestamp() and t > coalesce(schedule.last_tick, '-infinity') order by t);
    ids := array(select hanjul.enqueue_jobs((
        select coalesce(jsonb_agg(hanjul._scheduled_job(
                   schedule.name, schedule.kind, schedule.payload, schedule.queue, schedule.options, t.tick) order by t.tick), '[]')
        from unnest(fired) t (tick))));
    update hanjul.schedule s
    set next_tick = advance_schedule.next_tick, problem = hanjul._shortened(advance_schedule.problem),
        last_tick = coalesce(fired[cardinality(fired)], s.last_tick), last_job_id = coalesce(ids[cardinality(ids)], s.last_job_id)
    where s.name = advance_schedule.name;
    return cardinality(ids);
end
$$;

-- _scheduled_job(...): the job of a tick, as enqueue_jobs takes it. Its metadata tell of which schedule and tick it is.
-- A unique key that is held is no error here: that tick adds no job.
create or replace function hanjul._scheduled_job(name text, kind text, payload jsonb, queue text, options jsonb, tick timestamptz)
returns jsonb language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
    select options || case when options ->> 'on_conflict' = 'raise' then '{"on_conflict": "keep"}' else '{}'::jsonb end
           || jsonb_build_object(
                  'kind', kind, 'payload', payload, 'queue', queue,
                  'metadata', coalesce(nullif(options -> 'metadata', 'null'), '{}')
                              || jsonb_build_object('schedule', name, 'tick', to_char(tick, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
$$;

-- _cron_problem(cron): a number or a name that its field cannot hold, in an expression of the right shape; null if there is none. All else is
-- for those who work out its ticks: they write down the schedule's problem.
create or replace function hanjul._cron_problem(cron text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    with fields as (
        select b.name, b.lowest, b.highest, b.words, p.part
        from regexp_split_to_table(btrim(cron, E' \t\n\r\f\v'), '\s+') with ordinality p (part, n)
        join (values (1, 'second', 0, 59, '^$'), (2, 'minute', 0, 59, '^$'), (3, 'hour', 0, 23, '^$'), (4, 'day of month', 1, 31, '^(L|LW|W)$'),
                     (5, 'month', 1, 12, '^(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)$'),
                     (6, 'day of week', 0, 7, '^(SUN|MON|TUE|WED|THU|FRI|SAT|L)$')) b (n, name, lowest, highest, words)
             on b.n = p.n + case when cron ~ '^\s*\S+(\s+\S+){4}\s*$' then 1 else 0 end
        where btrim(cron, E' \t\n\r\f\v') !~ '^@')
    select case when btrim(cron, E' \t\n\r\f\v') ~ '^@' then 'it is none of @hourly, @daily, @weekly, @monthly, @yearly, @annually'
                else (select format('%L is no %s', f.part, f.name) from fields f
                      where exists (select from regexp_matches(f.part, '(?:^|[^/#0-9])(\d+)', 'g') m
                                    where m[1]::numeric not between f.lowest and f.highest)
                         or exists (select from regexp_matches(upper(f.part), '[A-Z]+', 'g') m where m[1] is not null and m[1] !~ f.words)
                         or f.part ~ '/0*([^0-9]|$)' or f.part ~ '#([^1-5]|$)' or f.part ~ '(^|,)(,|$)'
                      limit 1)
           end
    where btrim(cron, E' \t\n\r\f\v') !~* '^@(hourly|daily|weekly|monthly|yearly|annually)$';
$$;

-- _schedule_problem(...): what cannot be about a schedule, apart from its job; null if nothing.
create or replace function hanjul._schedule_problem(
    name text, cron text, timezone text, missed text, max_missed integer, options jsonb)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if name is null or length(name) not between 1 and 200 then
        return format('name must be text of 1 to 200 characters, not %L', left(name, 250));
    elsif (length(cron) <= 200 and cron ~ '^\s*(@[a-zA-Z]+|[-0-9A-Za-z*,/#]+(\s+[-0-9A-Za-z*,/#]+){4,5})\s*$') is not true then
        return format('cron must have five fields, six with seconds first, or be one of @hourly, @daily, @weekly, @monthly, @yearly; not %L', left(cron, 250));
    elsif hanjul._cron_problem(cron) is not null then
        return format('cron %L: %s', left(cron, 250), hanjul._cron_problem(cron));
    elsif (missed in ('skip', 'once', 'all')) is not true then
        return format('missed must be skip, once or all, not %L', left(missed, 250));
    elsif (max_missed between 1 and 10000) is not true then
        return format('max_missed must be between 1 and 10000, not %s', coalesce(max_missed::text, 'NULL'));
    elsif jsonb_typeof(options) is distinct from 'object' then
        return 'options must be a JSON object';
    elsif jsonb_exists_any(options, '{kind,payload,queue,run_at,delay_s}') then
        return 'options of a schedule cannot be kind, payload, queue, run_at or delay_s';
    elsif coalesce(jsonb_typeof(options -> 'metadata'), 'null') not in ('null', 'object') then
        return 'metadata of a schedule must be a JSON object: its name and tick are added';
    elsif timezone is null or timezone = '' then
        return format('timezone must be the name of a time zone, like UTC or Asia/Seoul, not %L', timezone);
    end if;
    perform now() at time zone timezone;  -- 22023 if the server does not know it
    return null;
end
$$;

-- _try_job(job): raises what enqueueing it would raise, and enqueues nothing.
create or replace function hanjul._try_job(job jsonb)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul.enqueue_jobs(jsonb_build_array(job));
    raise exception using errcode = 'HJ001', message = 'the job is fine';
exception when sqlstate 'HJ001' then
    null;
end
$$;
