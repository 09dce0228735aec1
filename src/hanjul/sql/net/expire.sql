-- Forgetting: answers after pg_net.ttl, finished requests after pg_net.queue_retention, those that failed in spite of their
-- retries after pg_net.dead_retention, attempts with their requests, and what triggers of Supabase's
-- kind wrote down of theirs after pg_net.queue_retention. Senders do it, by the time that the oldest is due.

-- expire(max_rows): up to max_rows of answers, as many requests, and as many rows of triggers; how many rows went, and in how
-- many seconds there is more to do (0: at once; null: nothing is kept).
-- Locks: the rows that go; SKIP LOCKED, so senders do not wait for one another.
create or replace function net.expire(max_rows integer default 5000, out deleted bigint, out next_in_s double precision)
language plpgsql
set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    ttl interval := net._setting('pg_net.ttl')::interval;
    kept interval := coalesce(net._setting('pg_net.queue_retention'), net._setting('pg_net.ttl'))::interval;
    dead_kept interval := greatest(net._setting('pg_net.dead_retention')::interval, kept);
    old bigint[];
    n bigint;
    hooks record;
    next_at timestamptz;
begin
    delete from net._http_response a where a.ctid = any (array(
        select b.ctid from net._http_response b where b.created < ts - ttl order by b.created limit max_rows for update skip locked));
    get diagnostics deleted = row_count;
    -- the dead and the others each have an index by the time that they ended: neither is looked for among the other
    old := array(select r.id from net.http_request_queue r
                 where r.finished is not null and r.finished < ts - kept and not net._is_dead(r)
                 order by r.finished limit max_rows for update skip locked);
    old := old || array(select r.id from net.http_request_queue r
                        where r.finished is not null and r.finished < ts - dead_kept and net._is_dead(r)
                        order by r.finished limit max_rows - cardinality(old) for update skip locked);
    if cardinality(old) > 0 then
        delete from net.http_attempt a where a.request_id = any (old);
        delete from net.http_request_queue r where r.id = any (old);
    end if;
    hooks := net._forget_hooks(ts - kept, max_rows);
    n := greatest(deleted, cardinality(old), hooks.gone);
    deleted := deleted + cardinality(old) + hooks.gone;
    if n >= max_rows then
        next_in_s := 0;
        return;
    end if;
    next_at := least(
        hooks.oldest + kept,
        (select a.created + ttl from net._http_response a order by a.created limit 1),
        (select r.finished + kept from net.http_request_queue r
         where r.finished is not null and not net._is_dead(r) order by r.finished limit 1),
        (select r.finished + dead_kept from net.http_request_queue r
         where r.finished is not null and net._is_dead(r) order by r.finished limit 1));
    next_in_s := case when next_at is not null then greatest(extract(epoch from next_at - ts), 0.1) end;
end
$$;

-- _forget_hooks(before, max_rows): up to max_rows rows of supabase_functions.hooks, if that table is ours: how many went, and of
-- when the oldest is that stays. SECURITY DEFINER: senders have no rights there.
-- Locks: the rows that go; SKIP LOCKED.
create or replace function net._forget_hooks(before timestamptz, max_rows integer, out gone bigint, out oldest timestamptz)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
begin
    gone := 0;
    if obj_description(to_regnamespace('supabase_functions'), 'pg_namespace')
          is distinct from 'triggers as in Supabase''s Database Webhooks, by hanjul'
       or to_regclass('supabase_functions.hooks') is null then
        return;
    end if;
    delete from supabase_functions.hooks h where h.id = any (array(
        select o.id from supabase_functions.hooks o
        where o.id = any (array(select f.id from supabase_functions.hooks f order by f.id limit max_rows)) and o.created_at < before
        for update skip locked));
    get diagnostics gone = row_count;
    oldest := (select h.created_at from supabase_functions.hooks h order by h.id limit 1);
end
$$;
