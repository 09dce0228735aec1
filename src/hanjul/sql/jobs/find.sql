-- Where a job is, and who waits for its end.

-- _born(job_id): a day before it was enqueued, by its id: the partitions of earlier days need not be searched. A day, because
-- clocks are put back, and another server may have taken over.
create or replace function hanjul._born(job_id uuid)
returns timestamptz language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select to_timestamp(('x' || left(replace(job_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) - interval '1 day';
$$;

-- find_job(id): the job as hanjul.job_queue shows it; no row if there is none.
create or replace function hanjul.find_job(id uuid)
returns setof hanjul.job_queue language sql stable set search_path = pg_catalog, pg_temp as $$
    select * from hanjul.job_queue q
    where q.id = find_job.id and (q.completed_at is null or q.completed_at >= hanjul._born(find_job.id));
$$;

-- list_jobs(status, ...): up to qty of them, newest first, from before the job `before`. Planned for what is asked each time:
-- one plan for all would walk through history.
create or replace function hanjul.list_jobs(
    status text, queue text default null, kind text default null, key text default null, qty integer default 100, before uuid default null)
returns setof hanjul.job_queue language plpgsql stable
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
begin
    return query
        select * from hanjul.job_queue q
        where q.status = list_jobs.status and (list_jobs.queue is null or q.queue = list_jobs.queue)
          and (list_jobs.kind is null or q.kind = list_jobs.kind) and (list_jobs.key is null or q.key = list_jobs.key)
          and (before is null or q.id < before)
        order by q.id desc limit qty;
end
$$;

-- ready_jobs(queues): seconds until each queue's next job is due, or a lease ends; 0 or less: now. Queues with nothing, and
-- paused ones, are left out, and so are leases whose end makes no job ready: their jobs have no retries left (rescue.sql).
create or replace function hanjul.ready_jobs(queues text[])
returns table (queue text, due_in_s double precision)
language plpgsql set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    lane integer;
    next_at timestamptz;
begin
    foreach queue in array queues loop
        continue when exists (select from hanjul.job_pause p where p.queue = ready_jobs.queue);
        next_at := null;
        lane := (select j.priority from hanjul.job j where j.queue = ready_jobs.queue order by j.queue, j.priority limit 1);
        while lane is not null loop
            next_at := least(
                next_at,
                (select j.run_at from hanjul.job j
                 where j.queue = ready_jobs.queue and j.priority = lane and j.run_at > ts order by j.run_at, j.id limit 1),
                (select j.run_at from hanjul.job j
                 where j.queue = ready_jobs.queue and j.priority = lane and j.run_at <= ts and j.status = 'pending'
                 order by j.run_at, j.id limit 1),
                (select min(h.leased_until) from (
                    select j.leased_until from hanjul.job j
                    where j.queue = ready_jobs.queue and j.priority = lane and j.run_at <= ts and j.status = 'processing'
                      and j.retry_count < j.max_retries and j.cancel_requested_at is null
                    order by j.run_at, j.id limit 1000) h));
            exit when next_at <= ts;
            lane := (select j.priority from hanjul.job j
                     where j.queue = ready_jobs.queue and j.priority > lane order by j.queue, j.priority limit 1);
        end loop;
        if next_at is not null then
            due_in_s := extract(epoch from next_at - clock_timestamp());
            return next;
        end if;
    end loop;
end
$$;

-- _find_job(job_id): its newest attempt and its status.
create or replace function hanjul._find_job(job_id uuid)
returns table (attempt integer, status text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select j.attempt, j.status from hanjul.job j where j.id = job_id
    union all
    select h.attempt, h.status from hanjul.job_history h where h.id = job_id and h.completed_at >= hanjul._born(job_id)
    limit 1;
$$;

create or replace function hanjul._status(job_id uuid)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select f.status from hanjul._find_job(job_id) f;
$$;

-- _tell_ended(ids): whoever waits for the end of jobs hears of it; nobody waits, nobody is told (leases/wake.sql).
create or replace function hanjul._tell_ended(ids uuid[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if cardinality(ids) > 0 then
        perform hanjul.wake('jobs ended');
    end if;
end
$$;
