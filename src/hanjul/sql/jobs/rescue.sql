-- Jobs of workers that did not come back.

-- rescue_stale_jobs(): jobs whose lease has ended are pending again, at their place in the queue, as a failure that counts;
-- those without retries left have failed; those that somebody wanted to be cancelled are. How many.
-- Workers take such jobs by themselves, in their order (fetch.sql); this is for those that nobody asks for, and for whoever
-- looks. It reads every job that waits or runs, so not every second where millions wait.
create or replace function hanjul.rescue_stale_jobs()
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    job hanjul.job;
    rescued integer := 0;
    why text;
begin
    for job in
        select * from hanjul.job j where j.status = 'processing' and j.leased_until <= ts order by j.id for update skip locked
    loop
        why := hanjul._lease_ended(job.worker_id, job.attempt);
        if job.cancel_requested_at is not null or job.retry_count >= job.max_retries then
            delete from hanjul.job j where j.id = job.id;
            perform hanjul._keep(job, case when job.cancel_requested_at is null then 'failed' else 'cancelled' end, why, ts);
        else
            update hanjul.job j
            set status = 'pending', leased_until = '-infinity', retry_count = j.retry_count + 1, error_message = why
            where j.id = job.id;
            insert into hanjul.job_flow values (ts, job.queue, job.kind, 'processing', 'pending', 1);
            perform hanjul._wake_jobs(job.queue);
        end if;
        rescued := rescued + 1;
    end loop;
    return rescued;
end
$$;
