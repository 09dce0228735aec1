-- How attempts end: request, answer and attempt in one commit, for all that ended together.

-- settle_requests(answers): an array of objects, one for each claim:
--   id, claim    which
--   how          success: an answer, and good enough.  error: no more attempts.  retry: again in delay_s.
--                release: given back unsent, due again in delay_s; error says why; no attempt is charged.
--   status_code, content_type, headers, content, body (base64), truncated, timed_out, error    the answer, or why there is none
--   duration_ms, dns_ms, connect_ms, first_byte_ms, remote_address, response_bytes            the attempt
-- Those that came too late: they are held by another claim (held_by), or (null) have ended; or wait again since they were
-- settled by this very claim (held_by = claim): the answer was lost. They change nothing.
-- Locks: the requests, by id.
create or replace function net.settle_requests(answers json)
returns table (id bigint, claim integer, held_by integer) language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set jit = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
    ts timestamptz := clock_timestamp();
    keeps boolean := coalesce(net._setting('pg_net.queue_retention'), net._setting('pg_net.ttl'))::interval > interval '0';
    settled bigint[];
    ended bigint[];
    owners name[];
    keys text[];
    hooks text[];
    oks boolean[];
    codes integer[];
    errors text[];
begin
    -- Each request is looked up by its id, and what it needs is carried along: a join from the other side would pass the whole
    -- backlog for every answer, and looks cheap to a planner that has seen a small table, or one in which nothing is leased.
    with judged as materialized (
        select g.*, ts + make_interval(secs => coalesce(g.delay_s, 0)) as due,
               g.how in ('success', 'error') or g.how = 'retry' and ts + make_interval(secs => g.delay_s) > r.give_up_at as ends
        from (select * from json_to_recordset(answers) as g (
            id bigint, claim integer, how text, delay_s double precision, status_code integer, content_type text, headers jsonb, content text,
            body text, truncated boolean, timed_out boolean, error text, duration_ms real, dns_ms real, connect_ms real, first_byte_ms real,
            remote_address text, response_bytes bigint) order by g.id) g
        cross join lateral (
            select q.give_up_at from net.http_request_queue q
            where q.id = g.id and q.claims = g.claim and num_nonnulls(q.finished) = 0  -- so written, no index of unfinished ones fits
              and q.locked_until is not null  -- null: settled by this very claim
            for update) r),
    changed as (
        update net.http_request_queue r
        set status = case when j.how = 'success' then 'SUCCESS' when coalesce(j.ends, false) then 'ERROR' else 'PENDING' end::net.request_status,
            status_code = case when j.how = 'release' then r.status_code else j.status_code end,
            error_msg = case when j.how = 'retry' and j.ends then 'given up, the next attempt would be too late; last: ' || j.error
                             when j.how = 'release' then coalesce(j.error, r.error_msg) else j.error end,
            attempts = r.attempts + (j.how <> 'release')::integer,
            released = r.released + (j.how = 'release')::integer,
            next_attempt_at = case when coalesce(j.ends, false) then r.next_attempt_at else j.due end,
            locked_until = null,
            finished = case when coalesce(j.ends, false) then ts end
        from judged j
        where r.id = j.id and r.claims = j.claim
        returning r.id, r.status, r.error_msg as told, r.attempts, r.finished, r.next_attempt_at, r.enqueued_by, r.ordering_key, r.webhook,
                  not keeps and not net._is_dead(r) as goes, j.claim, j.how, j.status_code, j.content_type, j.headers, j.content, j.body,
                  j.truncated, j.timed_out, j.error, j.duration_ms, j.dns_ms, j.connect_ms, j.first_byte_ms, j.remote_address,
                  j.response_bytes),
    answered as (
        insert into net._http_response (id, status_code, content_type, headers, content, timed_out, error_msg, created, body, truncated, enqueued_by)
        select c.id, c.status_code, c.content_type, c.headers, c.content, coalesce(c.timed_out, false),
               case when c.status_code is null or c.truncated then c.told end, ts, decode(c.body, 'base64'),
               coalesce(c.truncated, false), c.enqueued_by
        from changed c
        where c.finished is not null),
    noted as (
        insert into net.http_attempt
        select c.id, c.claim, c.attempts, ts - make_interval(secs => coalesce(c.duration_ms, 0) / 1000), coalesce(c.duration_ms, 0), c.dns_ms,
               c.connect_ms, c.first_byte_ms, c.remote_address, c.status_code, c.response_bytes, c.error,
               case when c.finished is null then c.next_attempt_at end
        from changed c
        where c.how <> 'release' and (c.finished is null or not c.goes))
    select array_agg(c.id), array_agg(c.id) filter (where c.finished is not null and c.goes),
           array_agg(c.enqueued_by) filter (where lined), array_agg(c.ordering_key) filter (where lined),
           array_agg(c.webhook order by c.id) filter (where hooked), array_agg(c.status = 'SUCCESS' order by c.id) filter (where hooked),
           array_agg(c.status_code order by c.id) filter (where hooked), array_agg(c.told order by c.id) filter (where hooked)
    into settled, ended, owners, keys, hooks, oks, codes, errors
    from changed c cross join lateral (
        select c.webhook is not null and c.how <> 'release', c.finished is not null and c.ordering_key is not null) h (hooked, lined);
    if ended is not null then
        delete from net.http_attempt a where a.request_id = any (ended);
        delete from net.http_request_queue r where r.id = any (ended);
    end if;
    if keys is not null then
        perform net._next_in_line(owners, keys);
    end if;
    if hooks is not null then
        perform hanjul._webhooks_ended(hooks, oks, codes, errors);
    end if;
    if coalesce(cardinality(settled), 0) < json_array_length(answers) then
        return query
            select g.id, g.claim, r.claims
            from json_to_recordset(answers) as g (id bigint, claim integer)
            left join net.http_request_queue r on r.id = g.id and r.finished is null
            where g.id <> all (coalesce(settled, '{}'));
    end if;
end
$$;

-- _is_dead(r): whether it ended in spite of its retries: it is kept, to be looked at and sent again. One expression that was
-- parsed when it was created: it becomes part of the statement that asks.
create or replace function net._is_dead(r net.http_request_queue)
returns boolean language sql immutable
return r.status = 'ERROR' and r.cancelled_by is null and (r.max_attempts > 1 or r.webhook is not null);
