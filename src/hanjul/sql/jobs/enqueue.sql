-- Enqueueing: in the caller's transaction, so a job is there when what it is about is there, or neither is.

-- enqueue_job(kind, payload, ...): the new job's id; with a unique key that is taken, the id of the job that holds it.
-- queue: a line of its own.  run_at, delay_s: not before; one of them.  priority: smaller goes first.
-- max_retries: how many failures are tried again.  timeout_s: how long an attempt may run.  key: the caller's own reference.
-- unique_key: no other job of this key among those of the statuses `unique_over`, and younger than `unique_for_s`.
-- on_conflict: keep the job that is there; replace its payload, time and options while it is pending; or raise 23505.
create or replace function hanjul.enqueue_job(
    kind text, payload jsonb default '{}', queue text default 'default', run_at timestamptz default null,
    delay_s double precision default null, priority integer default 0, max_retries integer default 3,
    timeout_s double precision default null, key text default null, metadata jsonb default null,
    unique_key text default null, unique_over text[] default '{pending,processing}', unique_for_s double precision default null,
    on_conflict text default 'keep')
returns uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    due timestamptz;
    new_id uuid := hanjul._uuid7(ts, (random() * 67108863)::bigint);
    holder uuid;
begin
    perform hanjul._refuse_job(hanjul._job_problem(kind, payload, queue, run_at, delay_s, priority, max_retries, timeout_s, key));
    due := coalesce(run_at, ts + make_interval(secs => coalesce(delay_s, 0)));
    if unique_key is not null then
        holder := hanjul._hold_unique(unique_key, new_id, ts, unique_over, unique_for_s, on_conflict);
        if holder <> new_id then
            if on_conflict = 'replace' then
                perform hanjul._replace_job(unique_key, payload, due, priority, max_retries, timeout_s, key, metadata);
                perform hanjul._wake_jobs(queue);
            end if;
            return holder;
        end if;
    end if;
    insert into hanjul.job
        (id, queue, kind, priority, run_at, status, max_retries, created_at, timeout_s, key, unique_key, payload, metadata)
    values (new_id, queue, kind, priority, due, 'pending', max_retries, ts, timeout_s, key, unique_key, payload, metadata);
    insert into hanjul.job_flow values (ts, queue, kind, null, 'pending', 1);
    perform hanjul._wake_jobs(queue);
    return new_id;
end
$$;

-- _replace_job(unique_key, ...): the job that holds the key, while it is pending. SECURITY DEFINER: a producer changes no job but
-- those that were enqueued with a unique key that he knows, and nothing of them that enqueue_job has not checked.
create or replace function hanjul._replace_job(
    unique_key text, payload jsonb, run_at timestamptz, priority integer, max_retries integer, timeout_s double precision, key text, metadata jsonb)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul._refuse_job(hanjul._job_problem('any', payload, 'any', run_at, null, priority, max_retries, timeout_s, key));
    update hanjul.job j
    set payload = _replace_job.payload, run_at = _replace_job.run_at, priority = _replace_job.priority,
        max_retries = _replace_job.max_retries, timeout_s = _replace_job.timeout_s, key = _replace_job.key,
        metadata = _replace_job.metadata
    from hanjul.job_unique u
    where u.unique_key = _replace_job.unique_key and j.id = u.job_id and j.unique_key = u.unique_key and j.status = 'pending';
end
$$;

-- enqueue_jobs(jobs): many at once: a JSON array of objects whose fields are named like the arguments of enqueue_job. Their
-- ids, in the same order. All of them, or after an error none.
create or replace function hanjul.enqueue_jobs(jobs jsonb)
returns setof uuid language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
    ts timestamptz := clock_timestamp();
    fields constant text[] := '{kind,payload,queue,run_at,delay_s,priority,max_retries,timeout_s,key,metadata,unique_key,unique_over,unique_for_s,on_conflict}';
    unknown text;
    of_queue text;
begin
    if jsonb_typeof(jobs) is distinct from 'array' then
        raise exception 'jobs must be a JSON array of objects, not %', coalesce(jsonb_typeof(jobs), 'NULL') using errcode = 'invalid_parameter_value';
    end if;
    select k into unknown from jsonb_array_elements(jobs) j cross join lateral jsonb_object_keys(j - fields) k limit 1;
    if found then
        raise exception 'a job has no field "%"', unknown
            using errcode = 'invalid_parameter_value', hint = 'Fields are: ' || array_to_string(fields, ', ');
    end if;
    if jsonb_path_exists(jobs, '$[*].unique_key ? (@ != null)') then
        return query select * from hanjul._enqueue_one_by_one(jobs);
        return;
    end if;
    return query
        with new as (
            insert into hanjul.job (id, queue, kind, priority, run_at, status, max_retries, created_at, timeout_s, key, payload, metadata)
            select hanjul._uuid7(ts, g.n), coalesce(g.queue, 'default'), g.kind, coalesce(g.priority, 0),
                   coalesce(g.run_at, ts + make_interval(secs => coalesce(g.delay_s, 0))), 'pending', coalesce(g.max_retries, 3), ts,
                   g.timeout_s, g.key, coalesce(g.payload, hanjul._no_payload(jobs -> (g.n - 1)::integer)), g.metadata
            from rows from (jsonb_to_recordset(jobs) as (
                kind text, payload jsonb, queue text, run_at timestamptz, delay_s double precision, priority integer,
                max_retries integer, timeout_s double precision, key text, metadata jsonb)) with ordinality
                g (kind, payload, queue, run_at, delay_s, priority, max_retries, timeout_s, key, metadata, n)
            where hanjul._refuse_job(hanjul._job_problem(
                g.kind, coalesce(g.payload, '{}'), coalesce(g.queue, 'default'), g.run_at, g.delay_s, coalesce(g.priority, 0),
                coalesce(g.max_retries, 3), g.timeout_s, g.key)) is null
            returning job.id, job.queue, job.kind),
        counted as (
            insert into hanjul.job_flow
            select ts, new.queue, new.kind, null, 'pending', count(*) from new group by new.queue, new.kind)
        select new.id from new;
    for of_queue in select distinct coalesce(j ->> 'queue', 'default') from jsonb_array_elements(jobs) j loop
        perform hanjul._wake_jobs(of_queue);
    end loop;
end
$$;

-- _no_payload(job): what is stored of a job whose payload is null, or is not given.
create or replace function hanjul._no_payload(job jsonb)
returns jsonb language sql immutable
return case when jsonb_exists(job, 'payload') then 'null'::jsonb else '{}'::jsonb end;

-- _enqueue_one_by_one(jobs): some have unique keys, which are taken in their own order, so that two batches cannot deadlock.
create or replace function hanjul._enqueue_one_by_one(jobs jsonb)
returns setof uuid language sql set search_path = pg_catalog, pg_temp as $$
    with taken as materialized (
        select o.n, hanjul.enqueue_job(
            o.kind, coalesce(o.payload, hanjul._no_payload(jobs -> (o.n - 1)::integer)), coalesce(o.queue, 'default'), o.run_at, o.delay_s, coalesce(o.priority, 0),
            coalesce(o.max_retries, 3), o.timeout_s, o.key, o.metadata, o.unique_key,
            coalesce(o.unique_over, '{pending,processing}'), o.unique_for_s, coalesce(o.on_conflict, 'keep')) as id
        from (select g.*
              from rows from (jsonb_to_recordset(jobs) as (
                  kind text, payload jsonb, queue text, run_at timestamptz, delay_s double precision, priority integer,
                  max_retries integer, timeout_s double precision, key text, metadata jsonb,
                  unique_key text, unique_over text[], unique_for_s double precision, on_conflict text)) with ordinality
                  g (kind, payload, queue, run_at, delay_s, priority, max_retries, timeout_s, key, metadata,
                     unique_key, unique_over, unique_for_s, on_conflict, n)
              order by g.unique_key, g.n offset 0) o)
    select t.id from taken t order by t.n;
$$;

-- _job_problem(...): what cannot be about a job; null if nothing.
create or replace function hanjul._job_problem(
    kind text, payload jsonb, queue text, run_at timestamptz, delay_s double precision, priority integer, max_retries integer,
    timeout_s double precision, key text)
returns text language sql stable
return case
    when kind is null or length(kind) not between 1 and 200 then format('kind must be text of 1 to 200 characters, not %L', left(kind, 250))
    when queue is null or length(queue) not between 1 and 200 then format('queue must be text of 1 to 200 characters, not %L', left(queue, 250))
    when payload is null then 'payload must be JSON, not NULL'
    when pg_column_size(payload) > 67108864 then format('payload must have at most 64 MiB, not %s bytes; keep it elsewhere, and enqueue where', pg_column_size(payload))
    when run_at is not null and delay_s is not null then 'run_at and delay_s exclude each other'
    when not run_at between '2000-01-01' and now() + interval '10 years'
         then format('run_at must lie between the year 2000 and ten years from now, not at %L', run_at)
    when not delay_s between 0 and 315360000 then format('delay_s must be between 0 and 315360000 (ten years), not %s', delay_s)
    when priority is null then 'priority must be an integer, not NULL'
    when max_retries is null or max_retries not between 0 and 1000 then format('max_retries must be between 0 and 1000, not %s', coalesce(max_retries::text, 'NULL'))
    when not (timeout_s > 0 and timeout_s <= 315360000) then format('timeout_s must be more than 0 and at most 315360000, not %s', timeout_s)
    when length(key) > 1000 then format('key must have at most 1000 characters, not %s', length(key))
end;

-- _refuse_job(problem): raise it. Null for null, without being called.
create or replace function hanjul._refuse_job(problem text)
returns text language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '%', problem using errcode = 'invalid_parameter_value';
end
$$;

-- _uuid7(at, n): an id of version 7, ordered by time and then by n: 48 bits of milliseconds, 26 of n, 48 of chance.
-- Like _job_problem one expression that was parsed when it was created: it becomes part of the statement that asks.
create or replace function hanjul._uuid7(at timestamptz, n bigint)
returns uuid language sql volatile parallel safe
return (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0')
        || to_hex(28672 | ((n >> 14) & 4095)) || to_hex(32768 | (n & 16383))
        || substr(gen_random_uuid()::text, 25))::uuid;

-- _wake_jobs(queue): tell waiting workers, when this transaction commits; leases/wake.sql tells how. Its names are folded, those
-- of job queues are not.
create or replace function hanjul._wake_jobs(queue text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
    select hanjul.wake('job ' || encode(convert_to(queue, 'UTF8'), 'hex'));
$$;
