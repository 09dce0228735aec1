-- Who works on jobs. The rows decide nothing, leases do: they are for whoever looks, and for explain_job.

-- _is_live(seen_at): six times as long as it should take at most.
create or replace function hanjul._is_live(seen_at timestamptz)
returns boolean language sql volatile set search_path = pg_catalog, pg_temp as $$
    select seen_at > clock_timestamp() - interval '1 minute';
$$;

-- worker_seen(id, queues, ...): it lives: its row is there, and new. To be called every ten seconds or so. kinds: what it can
-- run; null: anything. Rows of those who have not been seen for an hour go away on the way.
create or replace function hanjul.worker_seen(
    id text, queues text[], kinds text[] default null, concurrency integer default 1, host text default '', pid integer default 0,
    version text default null)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
begin
    if id is null or length(id) not between 1 and 200 then
        raise exception 'id must be text of 1 to 200 characters, not %', coalesce(quote_literal(left(id, 250)), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif cardinality(array_remove(queues, null)) > 0 is not true then
        raise exception 'queues must name one or more, not %', coalesce(queues::text, 'NULL') using errcode = 'invalid_parameter_value';
    elsif (concurrency > 0) is not true then
        raise exception 'concurrency must be more than 0, not %', coalesce(concurrency::text, 'NULL') using errcode = 'invalid_parameter_value';
    end if;
    insert into hanjul.worker (id, host, pid, queues, kinds, concurrency, version, started_at, seen_at)
    values (id, coalesce(host, ''), coalesce(pid, 0), queues, kinds, concurrency, version, ts, ts)
    on conflict on constraint worker_pkey do update
    set queues = excluded.queues, kinds = excluded.kinds, concurrency = excluded.concurrency, version = excluded.version, seen_at = ts;
    delete from hanjul.worker w
    where (w.id, w.host, w.pid) in (
        select o.id, o.host, o.pid from hanjul.worker o where o.seen_at < ts - interval '1 hour' for update skip locked);
end
$$;

-- worker_stopped(id, host, pid): it has ended as it should.
create or replace function hanjul.worker_stopped(id text, host text default '', pid integer default 0)
returns void language sql set search_path = pg_catalog, pg_temp as $$
    delete from hanjul.worker w where w.id = worker_stopped.id and w.host = worker_stopped.host and w.pid = worker_stopped.pid;
$$;

-- workers(): those whose rows are there, newest first. live: seen within the last minute.
create or replace function hanjul.workers()
returns table (id text, host text, pid integer, queues text[], kinds text[], concurrency integer, version text,
               started_at timestamptz, seen_at timestamptz, live boolean)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select w.id, w.host, w.pid, w.queues, w.kinds, w.concurrency, w.version, w.started_at, w.seen_at, hanjul._is_live(w.seen_at)
    from hanjul.worker w order by w.started_at desc, w.id;
$$;
