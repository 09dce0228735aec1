-- Settling jobs. All are fenced by (id, attempt): only the newest attempt of a job that is being processed can be settled, and
-- only once. Single forms raise 55000 and say who has the job. Batch forms return the pairs that were refused, each with
-- the job's newest attempt and its status (nulls: there is no such job); no row means that all is done. Whoever repeats a
-- batch because the answer was lost finds his own attempt there, with the status that he has given it.
-- Locks: the rows named, in the order of their ids, so that two batches cannot deadlock.

-- complete_job(id, attempt, result): done.
create or replace function hanjul.complete_job(id uuid, attempt integer, result jsonb default null)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul._raise_refused(r.id, r.attempt, r.held_by, r.status)
    from hanjul.complete_jobs(array[complete_job.id], array[complete_job.attempt], array[complete_job.result]) r;
end
$$;

create or replace function hanjul.complete_jobs(ids uuid[], attempts integer[], results jsonb[] default null)
returns table (id uuid, attempt integer, held_by integer, status text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked uuid[] := hanjul._lock_jobs(ids);
begin
    return query select * from hanjul._refused(ids, attempts, hanjul._end_jobs(ids, attempts, 'completed', results));
end
$$;

-- fail_job(id, attempt, error_message, retry_in_s, final): pending again after retry_in_s (null: one second, doubled by each
-- failure, at most an hour); failed for good if it has no retries left, if somebody wants it cancelled, or if `final` says
-- so. Returns what it is now. In batches, who has a reason (rejected, decode_error) is final.
create or replace function hanjul.fail_job(
    id uuid, attempt integer, error_message text, retry_in_s double precision default null, final boolean default false)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul._raise_refused(r.id, r.attempt, r.held_by, r.status)
    from hanjul.fail_jobs(array[fail_job.id], array[fail_job.attempt], array[fail_job.error_message], array[retry_in_s],
                          array[case when final then 'rejected' end]) r;
    return hanjul._status(fail_job.id);
end
$$;

create or replace function hanjul.fail_jobs(
    ids uuid[], attempts integer[], error_messages text[], retries_in_s double precision[] default null, reasons text[] default null)
returns table (id uuid, attempt integer, held_by integer, status text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked uuid[] := hanjul._lock_jobs(ids);
    delay_s double precision := (select r from unnest(retries_in_s) r where not r between 0 and 315360000 limit 1);
    again uuid[];
begin
    if delay_s is not null then
        raise exception 'retry_in_s must be between 0 and 315360000, not %', delay_s using errcode = 'invalid_parameter_value';
    end if;
    again := hanjul._put_back(
        array(select j.id from unnest(ids, attempts, reasons) g (id, attempt, reason) join hanjul.job j on j.id = g.id
              where g.attempt = j.attempt and g.reason is null and j.retry_count < j.max_retries and j.cancel_requested_at is null),
        ids, attempts, error_messages, retries_in_s, failures => 1);
    return query select * from hanjul._refused(ids, attempts, again || hanjul._end_jobs(ids, attempts, 'failed', null, error_messages, reasons));
end
$$;

-- release_jobs(ids, attempts, delays_s): given back: no failure is counted. Who was to be cancelled is, now that his attempt
-- has ended. error_messages: why, for whoever looks.
create or replace function hanjul.release_jobs(
    ids uuid[], attempts integer[], delays_s double precision[] default null, error_messages text[] default null)
returns table (id uuid, attempt integer, held_by integer, status text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked uuid[] := hanjul._lock_jobs(ids);
    back uuid[];
begin
    back := hanjul._put_back(
        array(select j.id from hanjul.job j where j.id = any (locked) and j.cancel_requested_at is null),
        ids, attempts, error_messages, array(select coalesce(d, 0) from unnest(coalesce(delays_s, array_fill(0::double precision, array[cardinality(ids)]))) d),
        failures => 0);
    return query select * from hanjul._refused(ids, attempts, back || hanjul._end_jobs(ids, attempts, 'cancelled', null, error_messages));
end
$$;

-- heartbeat(id, attempt, lease_s, progress, progress_note): the lease ends lease_s from now. True if somebody wants the job
-- to be cancelled.
create or replace function hanjul.heartbeat(
    id uuid, attempt integer, lease_s double precision default 1800, progress double precision default null, progress_note text default null)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if (progress between 0 and 1) is false then
        raise exception 'progress must be between 0 and 1, not %', progress using errcode = 'invalid_parameter_value';
    end if;
    perform hanjul._lock_jobs(array[heartbeat.id]);
    perform hanjul._raise_refused(r.id, r.attempt, r.held_by, r.status)
    from hanjul.heartbeats(array[heartbeat.id], array[heartbeat.attempt], lease_s) r where not r.cancel;
    update hanjul.job j
    set progress = heartbeat.progress, progress_note = coalesce(heartbeat.progress_note, j.progress_note)
    where j.id = heartbeat.id and heartbeat.progress is not null;
    return (select j.cancel_requested_at is not null from hanjul.job j where j.id = heartbeat.id);
end
$$;

-- heartbeats(ids, attempts, lease_s): the same for many. A row for each that was refused, and, with `cancel`, for each that
-- somebody wants to be cancelled. One whose row somebody else has locked is passed over, lest all others lose their leases: its
-- lease is as it was, and there is no row of it but with the status `locked`.
create or replace function hanjul.heartbeats(ids uuid[], attempts integer[], lease_s double precision)
returns table (id uuid, attempt integer, held_by integer, status text, cancel boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    free uuid[] := array(select j.id from hanjul.job j where j.id = any (ids) order by j.id for update skip locked);
    kept uuid[];
begin
    if (lease_s > 0 and lease_s <= 315360000) is not true then
        raise exception 'lease_s must be more than 0 and at most 315360000, not %', coalesce(lease_s::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    with beat as (
        update hanjul.job j set leased_until = clock_timestamp() + make_interval(secs => lease_s)
        from unnest(ids, attempts) g (id, attempt)
        where j.id = g.id and j.attempt = g.attempt and j.status = 'processing' and j.id = any (free)
        returning j.id)
    select array_agg(b.id) into kept from beat b;
    return query
        select r.id, r.attempt, r.held_by,
               case when r.held_by = r.attempt and r.status = 'processing' then 'locked' else r.status end, false
        from hanjul._refused(ids, attempts, kept) r
        union all
        select j.id, j.attempt, j.attempt, j.status, true from hanjul.job j where j.id = any (kept) and j.cancel_requested_at is not null;
end
$$;

-- _lock_jobs(ids): those that are pending or processing, in their order.
create or replace function hanjul._lock_jobs(ids uuid[])
returns uuid[] language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off set enable_bitmapscan = off as $$
begin
    return array(select j.id from hanjul.job j where j.id = any (ids) order by j.id for update);
end
$$;

-- _put_back(which, ids, attempts, ...): those of the pairs that are in `which` wait again; their ids. Without a delay they
-- keep their place in the queue, where a sweep finds them (fetch.sql).
create or replace function hanjul._put_back(
    which uuid[], ids uuid[], attempts integer[], error_messages text[], delays_s double precision[], failures integer)
returns uuid[] language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    ts timestamptz := clock_timestamp();
    back uuid[];
    of_queue text;
begin
    with back as (
        update hanjul.job j
        set status = 'pending', leased_until = '-infinity', retry_count = j.retry_count + failures,
            error_message = coalesce(hanjul._shortened(g.error_message), j.error_message),
            run_at = case when g.delay_s = 0 then j.run_at else ts + make_interval(
                secs => coalesce(g.delay_s, least(3600, power(2, least(j.retry_count, 12))) * (0.9 + 0.2 * random()))) end
        from unnest(ids, attempts, error_messages, delays_s) g (id, attempt, error_message, delay_s)
        where j.id = g.id and j.attempt = g.attempt and j.status = 'processing' and j.id = any (which)
        returning j.id, j.queue, j.kind),
    counted as (
        insert into hanjul.job_flow select ts, b.queue, b.kind, 'processing', 'pending', count(*) from back b group by b.queue, b.kind)
    select array_agg(b.id) into back from back b;
    for of_queue in select distinct j.queue from hanjul.job j where j.id = any (back) loop
        perform hanjul._wake_jobs(of_queue);
    end loop;
    return back;
end
$$;

-- _end_jobs(ids, attempts, status, results, error_messages): those of the pairs that are being processed go into history;
-- their ids.
create or replace function hanjul._end_jobs(
    ids uuid[], attempts integer[], to_status text, results jsonb[] default null, error_messages text[] default null,
    reasons text[] default null)
returns uuid[] language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    ts timestamptz := clock_timestamp();
    ended uuid[];
begin
    with gone as (
        delete from hanjul.job j using unnest(ids, attempts, results, error_messages, reasons) g (id, attempt, result, error_message, reason)
        where j.id = g.id and j.attempt = g.attempt and j.status = 'processing'
        returning j.*, g.result, g.error_message as failure, g.reason),
    kept as (
        insert into hanjul.job_history
            (id, queue, kind, priority, run_at, status, attempt, retry_count, max_retries, worker_id, created_at, started_at,
             completed_at, timeout_s, progress, progress_note, reason, error_message, key, unique_key, payload, metadata, result)
        select o.id, o.queue, o.kind, o.priority, o.run_at,
               case when o.cancel_requested_at is not null and to_status = 'failed' then 'cancelled' else to_status end,
               o.attempt, o.retry_count, o.max_retries, o.worker_id, o.created_at, o.started_at, ts, o.timeout_s,
               case to_status when 'completed' then 1 else o.progress end, o.progress_note,
               case when to_status = 'failed' and o.cancel_requested_at is null then coalesce(o.reason, 'max_attempts') end,
               coalesce(hanjul._shortened(o.failure), o.error_message), o.key, o.unique_key, o.payload, o.metadata, o.result
        from gone o
        returning id, queue, kind, status),
    counted as (
        insert into hanjul.job_flow
        select ts, k.queue, k.kind, 'processing', k.status, count(*) from kept k group by k.queue, k.kind, k.status)
    select array_agg(k.id) into ended from kept k;
    perform hanjul._tell_ended(ended);
    return ended;
end
$$;

-- _refused(ids, attempts, settled): the pairs whose ids are not among the settled, and those that name an earlier attempt of one
-- that is: a worker that was frozen may have both.
create or replace function hanjul._refused(ids uuid[], attempts integer[], settled uuid[])
returns table (id uuid, attempt integer, held_by integer, status text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if cardinality(ids) = cardinality(settled) then
        return;
    end if;
    return query
        select g.id, g.attempt, f.attempt, f.status
        from unnest(ids, attempts) g (id, attempt) left join lateral hanjul._find_job(g.id) f on true
        where g.id <> all (coalesce(settled, '{}')) or g.attempt <> f.attempt;
end
$$;

-- _raise_refused(...): the error of the single forms.
create or replace function hanjul._raise_refused(id uuid, attempt integer, held_by integer, status text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if status is null then
        raise exception 'job % does not exist', id using errcode = 'no_data_found';
    elsif status = 'processing' then
        raise exception 'job % was lost: attempt % has it now, this is attempt %', id, held_by, attempt
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    raise exception 'job % is not being processed: it is %', id, status using errcode = 'object_not_in_prerequisite_state';
end
$$;

-- _shortened(error_message): what fits on a screen, and on a page of the table. Parsed here and without settings of its own,
-- so that it becomes part of the statement: called for each job, it cost a fifth of an ending.
create or replace function hanjul._shortened(error_message text)
returns text language sql immutable
return case when length(error_message) > 2000 then left(error_message, 1990) || ' [...]' else error_message end;
