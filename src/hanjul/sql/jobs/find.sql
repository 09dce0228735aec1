-- Where a job is, and who waits for its end.

-- _born(job_id): when it was enqueued, by its id, to the millisecond: it cannot have ended in an earlier partition.
create or replace function hanjul._born(job_id uuid)
returns timestamptz language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select to_timestamp(('x' || left(replace(job_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);
$$;

-- _find_job(job_id): its newest attempt and its status, hot or finished; no row if there is none.
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
