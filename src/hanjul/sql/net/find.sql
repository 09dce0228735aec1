-- What clients ask about requests. Credentials are left out of what is shown (credentials.sql). Everybody sees what the tables show
-- him. No question looks at more than a bounded part of a long table.

-- get_request(request_id): all that is known of it; no row if there is none, or it is not kept any more.
create or replace function net.get_request(request_id bigint)
returns table (
    id bigint, method text, url text, headers jsonb, body bytea, timeout_milliseconds integer, status text, status_code integer,
    error_msg text, attempts integer, max_attempts integer, created timestamptz, next_attempt_at timestamptz,
    locked_until timestamptz, finished timestamptz, give_up_at timestamptz, claims integer, released integer, enqueued_by text,
    ordering_key text, idempotency_key text, sign_with text, webhook text, retry jsonb, options jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select q.id, upper(q.method), net.hidden_url(q.url), net.hidden_headers(q.headers), q.body, q.timeout_milliseconds, q.status::text,
           q.status_code, net.hidden_url(q.error_msg), q.attempts, q.max_attempts, q.created, q.next_attempt_at, q.locked_until,
           q.finished, q.give_up_at, q.claims, q.released, q.enqueued_by::text, q.ordering_key, q.idempotency_key, q.sign_with,
           q.webhook, q.retry, q.options
    from net.http_request_queue q where q.id = request_id;
$$;

-- status(request_id): PENDING, SUCCESS or ERROR; null: there is none, or nothing of it is kept. An answer outlives its request
-- where queue_retention is 0.
create or replace function net.status(request_id bigint)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(
        (select q.status::text from net.http_request_queue q where q.id = request_id),
        (select case when r.status_code is null then 'ERROR' else 'SUCCESS' end
         from net._http_response r where r.id = request_id order by r.created desc limit 1));
$$;

-- list_requests(status, host, webhook, before_id, qty): up to qty (1 to 10000) of them, newest first, before the id before_id.
-- host: of the URL, without a port. The newest 100,000 that there are, of the webhook or of those that failed, are looked at, no
-- more; and for a host, which takes longer to see, the newest 10,000 of them that have the status.
create or replace function net.list_requests(
    status text default null, host text default null, webhook text default null, before_id bigint default null,
    qty integer default 50)
returns setof net.request_line language plpgsql stable
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    reach constant integer := 100000;
    few constant integer := 10000;
    wanted net.request_status;
    below bigint := coalesce(before_id, 9223372036854775807);
    ids bigint[];
begin
    if (qty between 1 and 10000) is not true then
        raise exception 'qty must be between 1 and 10000, not %', coalesce(qty::text, 'NULL') using errcode = 'invalid_parameter_value';
    elsif upper(status) not in ('PENDING', 'SUCCESS', 'ERROR') then
        raise exception 'status must be PENDING, SUCCESS or ERROR, not %', quote_literal(status) using errcode = 'invalid_parameter_value';
    end if;
    wanted := upper(status)::net.request_status;
    if webhook is not null then
        ids := array(
            select s.id from (
                select r.id, r.url from (select q.id, q.url, q.status from net.http_request_queue q
                                         where q.webhook = list_requests.webhook and q.id < below order by q.id desc limit reach) r
                where wanted is null or r.status = wanted limit few) s
            where host is null or net.host_of(s.url) = lower(host) limit qty);
    elsif wanted = 'ERROR' then
        ids := array(
            select r.id from (select q.id, q.url from net.http_request_queue q
                              where q.status = 'ERROR' and q.id < below order by q.id desc limit few) r
            where host is null or net.host_of(r.url) = lower(host) limit qty);
    elsif wanted = 'PENDING'
          and (select count(*) from (select from net.http_request_queue q where q.finished is null limit few + 1) c) <= few then
        ids := array(  -- few wait: all of them, wherever in a long history they are
            with waiting as materialized (select q.id, q.url from net.http_request_queue q where q.finished is null)
            select w.id from waiting w
            where w.id < below and (host is null or net.host_of(w.url) = lower(host)) order by w.id desc limit qty);
    else
        ids := array(
            select s.id from (
                select r.id, r.url from (select q.id, q.url, q.status from net.http_request_queue q
                                         where q.id < below order by q.id desc limit reach) r
                where wanted is null or r.status = wanted limit few) s
            where host is null or net.host_of(s.url) = lower(host) limit qty);
    end if;
    return query
        select q.id, upper(q.method), net.hidden_url(q.url), q.status::text, q.status_code, net.hidden_url(q.error_msg), q.attempts,
               q.max_attempts, q.created, q.next_attempt_at, q.locked_until, q.finished, q.enqueued_by::text, q.ordering_key,
               q.idempotency_key, q.webhook
        from net.http_request_queue q where q.id = any (ids) order by q.id desc;
end
$$;

-- list_attempts(request_id): every attempt at it, the first first.
create or replace function net.list_attempts(request_id bigint)
returns table (
    attempt integer, started timestamptz, duration_ms real, dns_ms real, connect_ms real, first_byte_ms real, remote_address text,
    status_code integer, response_bytes bigint, error_msg text, retry_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select a.attempt, a.started, a.duration_ms, a.dns_ms, a.connect_ms, a.first_byte_ms, a.remote_address, a.status_code,
           a.response_bytes, net.hidden_url(a.error_msg), a.retry_at
    from net.http_attempt a where a.request_id = list_attempts.request_id order by a.claim;
$$;

-- get_response(request_id): the newest answer; no row if there is none, or none any more. body: the bytes, where content is not
-- exactly they.
create or replace function net.get_response(request_id bigint)
returns table (
    id bigint, status_code integer, content_type text, headers jsonb, content text, body bytea, truncated boolean,
    timed_out boolean, error_msg text, created timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.id, r.status_code, r.content_type, net.hidden_headers(r.headers), r.content, r.body, r.truncated,
           coalesce(r.timed_out, false), net.hidden_url(r.error_msg), r.created
    from net._http_response r where r.id = request_id order by r.created desc limit 1;
$$;

-- count_requests(): how many wait or are on their way (pending), how many of these a sender has now (sending), and how many
-- have failed and are kept (failed). Up to 100,000 of each are counted; estimated: there are more, and the figures are those of
-- the server's statistics, or where somebody may not see all rows, the least that there are.
create or replace function net.count_requests()
returns table (pending bigint, sending bigint, failed bigint, estimated boolean)
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
    most constant integer := 100000;
    all_seen boolean := not row_security_active('net.http_request_queue');
begin
    select count(*), count(*) filter (where c.locked_until > clock_timestamp()) into pending, sending
    from (select q.locked_until from net.http_request_queue q where q.finished is null order by q.next_attempt_at, q.id limit most) c;
    select count(*) into failed
    from (select from net.http_request_queue q where q.status = 'ERROR' order by q.id desc limit most) c;
    estimated := pending = most or failed = most;
    if pending = most and all_seen then
        pending := greatest(most, (select c.reltuples from pg_class c where c.oid = 'net.http_request_queue_due_idx'::regclass));
    end if;
    if failed = most and all_seen then
        failed := greatest(most, (select c.reltuples from pg_class c where c.oid = 'net.http_request_queue_failed_idx'::regclass));
    end if;
    return next;
end
$$;

-- list_secrets(): their names, where they may go, and when they were changed; never their values.
create or replace function net.list_secrets()
returns table (name text, hosts text[], created timestamptz, changed timestamptz, former_until timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.name, s.hosts, s.created, s.changed, case when s.former_until > clock_timestamp() then s.former_until end
    from net.secret s order by s.name;
$$;

-- host_of(url): of a URL as it is stored, in lower case, without port and brackets.
create or replace function net.host_of(url text)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select lower(btrim(substring(url from '^[[:alnum:]+.-]+://(?:[^/?#]*@)?(\[[^]]*\]|[^/:?#]*)'), '[]'));
$$;
