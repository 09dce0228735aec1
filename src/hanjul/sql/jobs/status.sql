-- What a screen shows of the queues of jobs. Nothing here reads more the more jobs wait: how many there are is kept
-- (counts.sql), and what is next, or runs, lies at the heads of the lanes (fetch.sql).

-- queue_status(): of each queue how many jobs have which status now, for how many seconds the one that is due longest has
-- been waiting (null: none is due), and since when, by whom and why it is paused.
create or replace function hanjul.queue_status()
returns table (queue text, pending bigint, processing bigint, completed bigint, failed bigint, cancelled bigint,
               oldest_waiting_s double precision, paused_at timestamptz, paused_by text, pause_reason text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    for queue, pending, processing, completed, failed, cancelled, paused_at, paused_by, pause_reason in
        select coalesce(c.queue, p.queue), coalesce(c.pending, 0), coalesce(c.processing, 0), coalesce(c.completed, 0),
               coalesce(c.failed, 0), coalesce(c.cancelled, 0), p.paused_at, p.paused_by, p.reason
        from (select k.queue,
                     sum(k.n) filter (where k.status = 'pending') as pending,
                     sum(k.n) filter (where k.status = 'processing') as processing,
                     sum(k.n) filter (where k.status = 'completed') as completed,
                     sum(k.n) filter (where k.status = 'failed') as failed,
                     sum(k.n) filter (where k.status = 'cancelled') as cancelled
              from hanjul.job_counts() k group by k.queue) c
        full join hanjul.job_pause p on p.queue = c.queue
        order by 1
    loop
        oldest_waiting_s := case when pending > 0 then hanjul._oldest_waiting_s(queue) end;
        return next;
    end loop;
end
$$;

-- processing_jobs(of_queue, qty, before): up to qty jobs that run, newest first, from before the job `before`; of one queue, or
-- null: of all. By whom, since when, and for how long his lease still holds; below 0: it has ended, and whoever asks next
-- has the job. A lane's first 10,000 are looked at: a job that runs lies behind more than that only where others were told
-- afterwards to run earlier.
create or replace function hanjul.processing_jobs(of_queue text default null, qty integer default 100, before uuid default null)
returns table (id uuid, queue text, kind text, worker_id text, attempt integer, started_at timestamptz,
               lease_left_s double precision, progress real, progress_note text, key text, cancel_requested_at timestamptz)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    running uuid[] := '{}';
    counted record;
begin
    for counted in
        select c.queue, sum(c.n)::integer as n from hanjul.job_counts() c
        where c.status = 'processing' and (of_queue is null or c.queue = of_queue) group by c.queue
    loop
        running := running || hanjul._processing_in(counted.queue, counted.n);
    end loop;
    return query
        select j.id, j.queue, j.kind, j.worker_id, j.attempt, j.started_at,
               extract(epoch from j.leased_until - clock_timestamp())::double precision,
               j.progress, j.progress_note, j.key, j.cancel_requested_at
        from hanjul.job j
        where j.id = any (running) and (before is null or j.id < before)
        order by j.id desc limit qty;
end
$$;

-- _oldest_waiting_s(of_queue): seconds since the job that is due longest is due.
create or replace function hanjul._oldest_waiting_s(of_queue text)
returns double precision language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    lane integer := (select j.priority from hanjul.job j where j.queue = of_queue order by j.queue, j.priority limit 1);
    oldest timestamptz;
begin
    while lane is not null loop
        oldest := least(oldest, (
            select j.run_at from hanjul.job j
            where j.queue = of_queue and j.priority = lane and j.run_at <= ts and j.status = 'pending'
            order by j.run_at, j.id limit 1));
        lane := (select j.priority from hanjul.job j where j.queue = of_queue and j.priority > lane order by j.queue, j.priority limit 1);
    end loop;
    return extract(epoch from ts - oldest);
end
$$;

-- _processing_in(of_queue, n): the jobs of a queue that run; there are n.
create or replace function hanjul._processing_in(of_queue text, n integer)
returns uuid[] language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    lane integer := (select j.priority from hanjul.job j where j.queue = of_queue order by j.queue, j.priority limit 1);
    found uuid[] := '{}';
begin
    while lane is not null and cardinality(found) < n loop
        found := found || array(
            select h.id
            from (select j.id, j.status from hanjul.job j
                  where j.queue = of_queue and j.priority = lane order by j.run_at, j.id limit 10000) h
            where h.status = 'processing' limit n - cardinality(found));
        lane := (select j.priority from hanjul.job j where j.queue = of_queue and j.priority > lane order by j.queue, j.priority limit 1);
    end loop;
    return found;
end
$$;
