-- What people do to jobs: cancel, try again, pause a queue.

-- cancel_job(id): what it is now: cancelled, if it was pending; processing, if it runs: its worker is asked to end it, and it
-- is cancelled when the attempt ends without success. 55000 if it has ended already.
create or replace function hanjul.cancel_job(id uuid)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    job hanjul.job;
begin
    update hanjul.job j set cancel_requested_at = coalesce(j.cancel_requested_at, ts) where j.id = cancel_job.id returning * into job;
    if not found then
        perform hanjul._raise_ended(id, 'cancelled');
    elsif job.status = 'processing' then
        return 'processing';
    end if;
    delete from hanjul.job j where j.id = cancel_job.id;
    perform hanjul._keep(job, 'cancelled', job.error_message, ts);
    return 'cancelled';
end
$$;

-- cancel_jobs(ids): the same for many, each id once: what each is now. All of them, or after an error none.
create or replace function hanjul.cancel_jobs(ids uuid[])
returns table (id uuid, status text) language sql set search_path = pg_catalog, pg_temp as $$
    select i.id, hanjul.cancel_job(i.id) from (select distinct u.id from unnest(ids) u (id) order by u.id) i;
$$;

-- retry_job(id): a failed or cancelled job is pending again, under its id, with all its retries. 55000 for others, and if another
-- job holds its unique key by now, waiting or running.
create or replace function hanjul.retry_job(id uuid)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    old hanjul.job_history;
begin
    delete from hanjul.job_history h
    where h.id = retry_job.id and h.completed_at >= hanjul._born(retry_job.id) and h.status in ('failed', 'cancelled')
    returning * into old;
    if not found then
        perform hanjul._raise_ended(id, 'retried');
    end if;
    perform hanjul._hold_again(old);
    insert into hanjul.job
        (id, queue, kind, priority, run_at, status, attempt, max_retries, created_at, timeout_s, error_message, key, unique_key, payload, metadata)
    values (old.id, old.queue, old.kind, old.priority, ts, 'pending', old.attempt, old.max_retries, old.created_at, old.timeout_s,
            old.error_message, old.key, old.unique_key, old.payload, old.metadata);
    insert into hanjul.job_flow values (ts, old.queue, old.kind, old.status, 'pending', 1);
    perform hanjul._wake_jobs(old.queue);
end
$$;

-- retry_jobs(ids): the same for many, each id once: which. All of them, or after an error none.
create or replace function hanjul.retry_jobs(ids uuid[])
returns setof uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    id uuid;
begin
    for id in select distinct u.id from unnest(ids) u (id) order by u.id loop
        perform hanjul.retry_job(id);
        return next id;
    end loop;
end
$$;

-- _hold_again(job): its unique key is its own again.
create or replace function hanjul._hold_again(job hanjul.job_history)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    holder uuid;
begin
    if job.unique_key is null then
        return;
    end if;
    insert into hanjul.job_unique (unique_key, job_id, created_at) values (job.unique_key, job.id, job.created_at) on conflict do nothing;
    select u.job_id into holder from hanjul.job_unique u where u.unique_key = job.unique_key for update;
    if holder <> job.id and hanjul._status(holder) in ('pending', 'processing') then
        raise exception 'job % cannot be retried: job % holds its unique key', job.id, holder
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update hanjul.job_unique u set job_id = job.id, created_at = job.created_at where u.unique_key = job.unique_key;
end
$$;

-- pause_queue(queue, reason), resume_queue(queue): its jobs are not handed out until it is resumed; those that run go on.
create or replace function hanjul.pause_queue(queue text, reason text default null)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if queue is null or length(queue) not between 1 and 200 then
        raise exception 'queue must be text of 1 to 200 characters, not %', coalesce(quote_literal(left(queue, 250)), 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    insert into hanjul.job_pause (queue, paused_by, reason) values (pause_queue.queue, session_user, pause_queue.reason)
    on conflict on constraint job_pause_pkey do nothing;
end
$$;

create or replace function hanjul.resume_queue(queue text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from hanjul.job_pause p where p.queue = resume_queue.queue;
    perform hanjul._wake_jobs(queue);
end
$$;

-- _keep(job, status, error_message, at): into history.
create or replace function hanjul._keep(job hanjul.job, to_status text, error_message text, at timestamptz)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    insert into hanjul.job_history
        (id, queue, kind, priority, run_at, status, attempt, retry_count, max_retries, worker_id, created_at, started_at,
         completed_at, timeout_s, progress, progress_note, reason, error_message, key, unique_key, payload, metadata)
    values (job.id, job.queue, job.kind, job.priority, job.run_at, to_status, job.attempt, job.retry_count, job.max_retries, job.worker_id,
            job.created_at, job.started_at, at, job.timeout_s, job.progress, job.progress_note,
            case to_status when 'failed' then 'max_attempts' end, _keep.error_message, job.key, job.unique_key, job.payload,
            job.metadata);
    insert into hanjul.job_flow values (at, job.queue, job.kind, job.status, to_status, 1);
    perform hanjul._tell_ended(array[job.id]);
end
$$;

-- _raise_ended(id, what): why it cannot be.
create or replace function hanjul._raise_ended(id uuid, what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    status text := hanjul._status(id);
begin
    if status is null then
        raise exception 'job % does not exist', coalesce(id::text, 'NULL') using errcode = 'no_data_found';
    end if;
    raise exception 'job % cannot be %: it is %', id, what, status using errcode = 'object_not_in_prerequisite_state';
end
$$;
