-- Roles: who may do what with jobs. A producer enqueues; what became of a job is not his to see. A consumer works on jobs, so he
-- sees them. An admin does both, and cancels, tries again, pauses, prunes and sets schedules. Rights are on tables, as in
-- leases/roles.sql; job queues share their tables, so they are for jobs of every queue. hanjul_producer, hanjul_consumer and
-- hanjul_admin have them; who is granted a queue of messages has none.

-- grant_jobs(role, as_what): `as_what` is producer, consumer or admin; by migrate's own role.
create or replace function hanjul.grant_jobs(role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul._check_job_grant(role, as_what);
    execute format('grant usage on schema hanjul to %I', role);
    execute format('grant execute on all functions in schema hanjul to %I', role);
    perform hanjul._give_job_rights(role, as_what);
end
$$;

-- revoke_jobs(role): all that grant_jobs gave about jobs.
create or replace function hanjul.revoke_jobs(role text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    tab regclass;
begin
    perform hanjul._check_job_grant(role, 'producer');
    for tab in select c.oid from pg_class c
               where c.relnamespace = 'hanjul'::regnamespace and c.relkind in ('r', 'p', 'v') and c.relname ~ '^(job|leader|schedule|worker)'
    loop
        execute format('revoke all on %s from %I', tab, role);
    end loop;
end
$$;

-- _check_job_grant(role, as_what): whether it can be; 42501 for those who own no table of jobs: GRANT would only warn.
create or replace function hanjul._check_job_grant(role text, as_what text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not pg_has_role((select c.relowner from pg_class c where c.oid = 'hanjul.job'::regclass), 'usage') then
        raise exception 'must be owner of the jobs, who has migrated' using errcode = 'insufficient_privilege',
            hint = format('Who may grant it: grant %I to %I', 'hanjul_' || as_what, role);
    end if;
    perform hanjul._check_grant(role, as_what);
end
$$;

-- _give_job_rights(role, as_what): what the functions touch. Job queues have no rights of their own.
create or replace function hanjul._give_job_rights(role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    grants text[] := array['insert on hanjul.job_flow'];
    given text;
begin
    if as_what in ('producer', 'admin') then
        grants := grants || array[
            'select (id, queue, kind, attempt, status), insert on hanjul.job',
            'select (id, attempt, status, completed_at) on hanjul.job_history',  -- whether the job that holds a unique key has ended
            'select, insert, update (job_id, created_at, request_hash) on hanjul.job_unique'];
    end if;
    if as_what in ('consumer', 'admin') then
        grants := grants || array[
            'select, delete, update (status, attempt, leased_until, worker_id, started_at, run_at, retry_count, error_message, progress, progress_note) on hanjul.job',
            'select, insert on hanjul.job_history',
            'select, insert, update, delete on hanjul.worker, hanjul.leader',
            'select on hanjul.job_queue, hanjul.schedule, hanjul.job_unique, hanjul.job_pause, hanjul.job_flow, hanjul.job_count, hanjul.job_minute'];
    end if;
    if as_what = 'admin' then
        grants := grants || array[
            'update (cancel_requested_at) on hanjul.job', 'delete on hanjul.job_history', 'delete on hanjul.job_unique',
            'insert, delete on hanjul.job_pause', 'insert, update, delete on hanjul.schedule'];
    end if;
    foreach given in array grants loop
        execute format('grant %s to %I', given, role);
    end loop;
end
$$;
