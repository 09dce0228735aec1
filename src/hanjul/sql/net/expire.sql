-- Forgetting: answers after pg_net.ttl, finished requests after pg_net.queue_retention, those that failed in spite of their
-- retries after pg_net.dead_retention, attempts with their requests. Senders do it, by the time that the oldest is due.

-- expire(max_rows): up to max_rows of answers, and as many requests; how many rows went, and in how many seconds there is more
-- to do (0: at once; null: nothing is kept).
-- Locks: the rows that go; SKIP LOCKED, so senders do not wait for one another.
create or replace function net.expire(max_rows integer default 5000, out deleted bigint, out next_in_s double precision)
language plpgsql
set search_path = pg_catalog, pg_temp set jit = off set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    ttl interval := net._setting('pg_net.ttl')::interval;
    kept interval := coalesce(net._setting('pg_net.queue_retention'), net._setting('pg_net.ttl'))::interval;
    dead_kept interval := greatest(net._setting('pg_net.dead_retention')::interval, kept);
    n bigint;
    requests bigint;
    next_at timestamptz;
begin
    delete from net._http_response a where a.ctid = any (array(
        select b.ctid from net._http_response b where b.created < ts - ttl order by b.created limit max_rows for update skip locked));
    get diagnostics deleted = row_count;
    with old as (
        select r.id from net.http_request_queue r
        where r.created < ts - kept and r.finished < ts - kept and (not net._is_dead(r) or r.finished < ts - dead_kept)
        order by r.created limit max_rows for update skip locked),
    gone as (
        delete from net.http_request_queue r using old o where r.id = o.id returning r.id),
    noted as (
        delete from net.http_attempt a using gone g where a.request_id = g.id)
    select count(*) into requests from gone;
    n := greatest(deleted, requests);
    deleted := deleted + requests;
    if n >= max_rows then
        next_in_s := 0;
        return;
    end if;
    next_at := least(
        (select a.created + ttl from net._http_response a order by a.created limit 1),
        (select r.finished + kept from net.http_request_queue r where r.finished is not null and not net._is_dead(r) order by r.created limit 1));
    next_in_s := case when next_at is not null then greatest(extract(epoch from next_at - ts), 0.1) end;
end
$$;
