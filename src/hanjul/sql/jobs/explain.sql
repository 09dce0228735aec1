-- Why a job does not run, or how it does: for people, from what is kept anyway.

-- _for(span): a span as people say it, to the second.
create or replace function hanjul._for(span interval)
returns text language sql immutable set search_path = pg_catalog, pg_temp set intervalstyle = 'postgres' as $$
    select case when span < interval '1 second' then 'less than a second'
                else date_trunc('second', span)::text end;
$$;

-- explain_job(id): every cause there is, the decisive one first, in words; since when, and until when, where that is known.
-- P0002 if there is no such job. Causes: ended; running, cancelling, worker_gone, lease_ended; paused, not_due, given_back, retrying,
-- no_worker, unknown_kind, busy, behind, next; unique: whoever enqueued the same was answered with this job's id.
create or replace function hanjul.explain_job(id uuid)
returns table (cause text, explanation text, since timestamptz, until timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    job hanjul.job_queue;
begin
    select * into job from hanjul.find_job(explain_job.id);
    if not found then
        raise exception 'job % does not exist', coalesce(id::text, 'NULL') using errcode = 'no_data_found';
    elsif job.completed_at is not null then
        return query select * from hanjul._explain_end(job);
        return;
    elsif job.status = 'processing' then
        return query select * from hanjul._explain_run(job, ts);
    end if;
    if job.status = 'pending' or job.leased_until <= ts and job.retry_count < job.max_retries and job.cancel_requested_at is null then
        return query select * from hanjul._explain_wait(job, ts);
    end if;
    return query
        select 'unique', format('holds unique key %s: whoever enqueued with that key since then was answered with this job', u.unique_key),
               u.created_at, null::timestamptz
        from hanjul.job_unique u where u.job_id = explain_job.id and u.request_hash is null;
end
$$;

-- _explain_end(job): how it ended.
create or replace function hanjul._explain_end(job hanjul.job_queue)
returns table (cause text, explanation text, since timestamptz, until timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'ended', case job.status
               when 'completed' then format('completed at attempt %s by worker %s', job.attempt, job.worker_id)
               when 'cancelled' then 'cancelled'
               else format('failed after %s of %s attempts (%s): %s', job.retry_count + 1, job.max_retries + 1,
                           coalesce(job.reason, 'no reason given'), job.error_message)
           end, job.completed_at, null::timestamptz;
$$;

-- _explain_run(job, ts): who has it, for how long, and how far he is.
create or replace function hanjul._explain_run(job hanjul.job_queue, ts timestamptz)
returns table (cause text, explanation text, since timestamptz, until timestamptz)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    gone_since timestamptz := (select max(w.seen_at) from hanjul.worker w where w.id = job.worker_id);
begin
    if job.leased_until > ts then
        return query select 'running',
            format('attempt %s of %s runs at worker %s; %s of its lease left', job.retry_count + 1, job.max_retries + 1, job.worker_id,
                   hanjul._for(job.leased_until - ts))
            || coalesce('; ' || round((job.progress * 100)::numeric) || ' % done', '') || coalesce(': ' || job.progress_note, ''),
            job.started_at, job.leased_until;
    else
        return query select 'lease_ended',
            format('worker %s let the lease of attempt %s of %s end; ', job.worker_id, job.retry_count + 1, job.max_retries + 1)
            || case when job.cancel_requested_at is not null then 'rescue_stale_jobs() is to cancel it'
                    when job.retry_count >= job.max_retries then 'rescue_stale_jobs() is to count it as failed'
                    else 'it is to be taken by whoever fetches next' end,
            job.leased_until, null::timestamptz;
    end if;
    if job.cancel_requested_at is not null then
        return query select 'cancelling', 'somebody wants it to be cancelled; its worker is told at its next heartbeat',
            job.cancel_requested_at, job.leased_until;
    end if;
    if not hanjul._is_live(gone_since) then
        return query select 'worker_gone',
            format('worker %s has not been seen for %s: if it is dead, the job is handed out again when the lease ends', job.worker_id,
                   hanjul._for(ts - gone_since)), gone_since, job.leased_until;
    end if;
end
$$;

-- _explain_wait(job, ts): what keeps workers from it. A job whose lease has ended waits for them, too.
create or replace function hanjul._explain_wait(job hanjul.job_queue, ts timestamptz)
returns table (cause text, explanation text, since timestamptz, until timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    others bigint;
    counted constant bigint := 10000;
    obstacles integer := 0;
begin
    return query
        select 'paused', format('queue %s was paused by %s', p.queue, p.paused_by) || coalesce(': ' || p.reason, ''), p.paused_at, null::timestamptz
        from hanjul.job_pause p where p.queue = job.queue;
    obstacles := obstacles + found::integer;
    if job.status = 'pending' and job.run_at > ts then
        return query select w.cause, w.explanation, null::timestamptz, job.run_at from hanjul._explain_delay(job, ts) w;
        obstacles := obstacles + 1;
    end if;
    return query select w.cause, w.explanation, w.since, null::timestamptz from hanjul._explain_workers(job, ts) w;
    obstacles := obstacles + found::integer;
    if job.run_at <= ts then
        others := hanjul._count_before(job, ts, counted);
        if others > 0 then
            return query select 'behind',
                format('%s%s due jobs of queue %s go first', case when others = counted then 'at least ' else '' end, others, job.queue),
                null::timestamptz, null::timestamptz;
        elsif obstacles = 0 then
            return query select 'next', format('it is the next of queue %s: a worker takes it when it looks', job.queue),
                null::timestamptz, null::timestamptz;
        end if;
    end if;
end
$$;

-- _explain_delay(job, ts): why it is not due.
create or replace function hanjul._explain_delay(job hanjul.job_queue, ts timestamptz)
returns table (cause text, explanation text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when job.retry_count > 0 then 'retrying' when job.started_at is not null then 'given_back' else 'not_due' end,
           case when job.retry_count > 0 then format('attempt %s of %s failed: ', job.retry_count, job.max_retries + 1)
                when job.started_at is not null then format('worker %s gave it back: ', job.worker_id)
                else '' end
           || case when job.started_at is not null then coalesce(job.error_message, 'it said no more') || '; ' else '' end
           || format('not due for another %s', hanjul._for(job.run_at - ts));
$$;

-- _explain_workers(job, ts): whether somebody is there who can take it; no row if so.
create or replace function hanjul._explain_workers(job hanjul.job_queue, ts timestamptz)
returns table (cause text, explanation text, since timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    last_seen timestamptz;
    at_once bigint;
    able boolean;
    running bigint;
begin
    select max(w.seen_at), sum(w.concurrency) filter (where hanjul._is_live(w.seen_at)),
           bool_or(w.kinds is null or job.kind = any (w.kinds)) filter (where hanjul._is_live(w.seen_at))
    into last_seen, at_once, able
    from hanjul.worker w where job.queue = any (w.queues);
    if at_once is null then
        return query select 'no_worker',
            format('no live worker takes jobs of queue %s', job.queue)
            || coalesce('; the last was seen ' || hanjul._for(ts - last_seen) || ' ago', ''), last_seen;
    elsif not able then
        return query select 'unknown_kind', format('no live worker of queue %s knows jobs of kind %s', job.queue, job.kind), null::timestamptz;
    else
        running := (select sum(c.n) from hanjul.job_counts() c where c.queue = job.queue and c.status = 'processing');
        if running >= at_once then
            return query select 'busy', format('the workers of queue %s run %s jobs, which is all they run at once', job.queue, running),
                null::timestamptz;
        end if;
    end if;
end
$$;

-- _count_before(job, ts, most): how many due jobs of its queue go first; no more than `most` are counted.
create or replace function hanjul._count_before(job hanjul.job_queue, ts timestamptz, most bigint)
returns bigint language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    lane integer := (select j.priority from hanjul.job j where j.queue = job.queue order by j.queue, j.priority limit 1);
    n bigint := 0;
begin
    while lane <= job.priority and n < most loop
        n := n + (select count(*) from (
            select from hanjul.job j
            where j.queue = job.queue and j.priority = lane and j.run_at <= ts and j.status = 'pending'
              and (lane < job.priority or (j.run_at, j.id) < (job.run_at, job.id))
            limit most - n) before);
        lane := (select j.priority from hanjul.job j where j.queue = job.queue and j.priority > lane order by j.queue, j.priority limit 1);
    end loop;
    return n;
end
$$;
