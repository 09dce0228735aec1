-- Handing out jobs: of the queues in the order given, by priority, then run_at, then id, whatever nobody else has locked.
--
-- Each priority of a queue is a lane of the index job_lane_idx: (run_at, id). What was handed out and what has ended lies
-- at the lane's head, and its dead index entries stay for as long as a transaction is open anywhere. So each connection
-- remembers, in a setting of its own, how far it got in which lane, and goes on from there. That is only a hint: jobs that
-- appear below it (their sender committed late, their worker died, they were told to run in the past) are found by a sweep,
-- which starts at the heads, every second, and whenever the lanes give less than was asked for; where it takes long, it
-- pauses fifty, or then twenty times as long. A setting has no versions, costs no write, and is taken back when a transaction is.

-- fetch_next_jobs(worker_id, queues, qty, lease_s): up to qty of them. Whoever holds a lease settles the job by its id and
-- attempt: complete_job, fail_job; or keeps it longer: heartbeat. A job whose lease has ended is handed out again.
-- Locks: row locks on the jobs handed out only; SKIP LOCKED, so workers never wait for one another.
create or replace function hanjul.fetch_next_jobs(worker_id text, queues text[], qty integer, lease_s double precision default 1800)
returns setof hanjul.job language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    of_queue text;
    taken integer;
begin
    if worker_id is null or length(worker_id) not between 1 and 200 then
        raise exception 'worker_id must be text of 1 to 200 characters, not %', coalesce(quote_literal(left(worker_id, 250)), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif (qty between 0 and 100000) is not true then
        raise exception 'qty must be between 0 and 100000, not %', coalesce(qty::text, 'NULL') using errcode = 'invalid_parameter_value';
    elsif (lease_s > 0 and lease_s <= 315360000) is not true then
        raise exception 'lease_s must be more than 0 and at most 315360000, not %', coalesce(lease_s::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    foreach of_queue in array queues loop
        return query select * from hanjul._fetch_from(worker_id, of_queue, qty, lease_s);
        get diagnostics taken = row_count;
        qty := qty - taken;
        exit when qty = 0;
    end loop;
end
$$;

-- fetch_next_job(worker_id, queue, lease_s): the next job, leased to the worker; no row if there is none.
create or replace function hanjul.fetch_next_job(worker_id text, queue text default 'default', lease_s double precision default 1800)
returns setof hanjul.job language sql as $$
    select * from hanjul.fetch_next_jobs(worker_id, array[queue], 1, lease_s);
$$;

-- _fetch_from(worker_id, of_queue, qty, lease_s): of one queue.
create or replace function hanjul._fetch_from(worker_id text, of_queue text, qty integer, lease_s double precision)
returns setof hanjul.job language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    setting text := 'hanjul.lanes_' || to_hex(hashtext(of_queue));
    known jsonb := coalesce(nullif(current_setting(setting, true), '')::jsonb, '{"lanes": {}}');
    got jsonb := known -> 'lanes';  -- priority -> [run_at, id]: how far it got
    sweep boolean := coalesce(ts >= (known ->> 'sweep_at')::timestamptz, true);
    chosen uuid[] := '{}';
    stale uuid[] := '{}';
    began timestamptz;
    cost interval;
begin
    if qty = 0 or exists (select from hanjul.job_pause p where p.queue = of_queue) then
        return;
    end if;
    if not sweep then
        select w.ids, w.lanes into chosen, got from hanjul._walk(of_queue, qty, ts, got) w;
        sweep := cardinality(chosen) < qty and ts >= (known ->> 'sweep_idle_at')::timestamptz;
    end if;
    if sweep then
        began := clock_timestamp();
        select chosen || s.ids, s.stale, s.lanes into chosen, stale, got
        from hanjul._sweep(of_queue, qty - cardinality(chosen), ts, got, chosen) s;
        cost := case when known ? 'sweep_at' then clock_timestamp() - began else '0' end;  -- the first one has to be planned
        known := jsonb_build_object('sweep_at', began + greatest(interval '1 second', 50 * cost),
                                    'sweep_idle_at', began + 20 * greatest(cost - interval '20 milliseconds', '0'));
    end if;
    return query
        with leased as (
            update hanjul.job j
            set status = 'processing', attempt = j.attempt + 1, leased_until = ts + make_interval(secs => lease_s),
                worker_id = _fetch_from.worker_id, started_at = ts, progress = null, progress_note = null,
                retry_count = j.retry_count + (j.status = 'processing')::integer,
                error_message = case when j.status = 'processing' then hanjul._lease_ended(j.worker_id, j.attempt) else j.error_message end
            where j.id = any (chosen)
            returning j.*),
        counted as (
            insert into hanjul.job_flow
            select ts, of_queue, l.kind, case when l.id = any (stale) then 'processing' else 'pending' end, 'processing', count(*)
            from leased l group by 3, 4)
        select l.* from leased l order by l.priority, l.run_at, l.id;
    perform set_config(setting, (known || jsonb_build_object('lanes', got))::text, false);
end
$$;

-- _walk(of_queue, qty, ts, lanes): the jobs that are next in the lanes that are known, from where each got; and how far
-- they got then. A lane that gave all it had is picked up again a second ago.
create or replace function hanjul._walk(of_queue text, qty integer, ts timestamptz, inout lanes jsonb, out ids uuid[])
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    lane integer;
    here uuid[];
begin
    ids := '{}';
    for lane in select k::integer from jsonb_object_keys(lanes) k order by k::integer loop
        here := array(
            select j.id from hanjul.job j
            where j.queue = of_queue and j.priority = lane and j.run_at <= ts and j.status = 'pending'
              and (j.run_at, j.id) > ((lanes -> lane::text ->> 0)::timestamptz, (lanes -> lane::text ->> 1)::uuid)
            order by j.run_at, j.id limit qty - cardinality(ids) for update skip locked);
        lanes := lanes || hanjul._further(lanes, lane, here, case when cardinality(here) < qty - cardinality(ids) then ts - interval '1 second' end);
        ids := ids || here;
        exit when cardinality(ids) >= qty;
    end loop;
end
$$;

-- _sweep(of_queue, qty, ts, lanes, taken): the same from the heads of all lanes there are, and no others are known then; jobs
-- whose lease has ended among them, but not those that were taken already.
create or replace function hanjul._sweep(
    of_queue text, qty integer, ts timestamptz, inout lanes jsonb, taken uuid[], out ids uuid[], out stale uuid[])
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    lane integer := (select j.priority from hanjul.job j where j.queue = of_queue order by j.queue, j.priority limit 1);
    known jsonb := lanes;
    here uuid[];
begin
    ids := '{}';
    lanes := '{}';
    while lane is not null loop
        here := array(
            select j.id from hanjul.job j
            where j.queue = of_queue and j.priority = lane and j.run_at <= ts
              and (j.status = 'pending' or j.leased_until <= ts and j.retry_count < j.max_retries and j.cancel_requested_at is null)
              and j.id <> all (taken)
            order by j.run_at, j.id limit qty - cardinality(ids) for update skip locked);
        lanes := lanes || hanjul._further(known, lane, here, case when cardinality(here) < qty - cardinality(ids) then ts - interval '1 second' end);
        ids := ids || here;
        lane := (select j.priority from hanjul.job j where j.queue = of_queue and j.priority > lane order by j.queue, j.priority limit 1);
    end loop;
    stale := array(select j.id from hanjul.job j where j.id = any (ids) and j.status = 'processing');
end
$$;

-- _further(lanes, lane, ids, emptied_at): the lane got as far as the last of the ids, or, being empty, as emptied_at; never
-- back.
create or replace function hanjul._further(lanes jsonb, lane integer, ids uuid[], emptied_at timestamptz)
returns jsonb language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    last_id uuid := ids[cardinality(ids)];
    last_at timestamptz := (select j.run_at from hanjul.job j where j.id = last_id);
    was_at timestamptz := coalesce((lanes -> lane::text ->> 0)::timestamptz, '-infinity');
    was_id uuid := coalesce((lanes -> lane::text ->> 1)::uuid, '00000000-0000-0000-0000-000000000000');
begin
    if emptied_at > coalesce(last_at, '-infinity') then
        last_id := '00000000-0000-0000-0000-000000000000';
        last_at := emptied_at;
    end if;
    if (last_at, last_id) > (was_at, was_id) then
        was_at := last_at;
        was_id := last_id;
    end if;
    return jsonb_build_object(lane, jsonb_build_array(was_at, was_id));
end
$$;

-- _lease_ended(worker_id, attempt): what is said of an attempt whose worker did not come back.
create or replace function hanjul._lease_ended(worker_id text, attempt integer)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('worker %s let the lease of attempt %s end', worker_id, attempt);
$$;
