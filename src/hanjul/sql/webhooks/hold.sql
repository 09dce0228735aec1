-- Webhooks that are paused or disabled: their events are kept, and wait. An event is enqueued whatever the state; the claim that
-- meets it asks, and puts it off for ever. Who resumes the webhook makes all of them due, and order is kept by their ordering
-- keys. A claim cannot put off what a resume just then has failed to see: it holds the webhook's row while it does so, and what
-- it cannot hold, because somebody changes it, it puts off for a second.

-- _hold(ids): of requests that the caller has locked, those that may be sent; the others are put off.
-- Locks: the rows of webhooks that are not active, shared; never waiting.
create or replace function hanjul._hold(ids bigint[])
returns bigint[] language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    resting text[] := array(
        select w.name from hanjul.webhook w
        where w.state <> 'active' and w.name in (select r.webhook from net.http_request_queue r where r.id = any (ids)));
    held text[];
    kept bigint[];
begin
    if resting = '{}' then
        return ids;
    end if;
    held := array(select w.name from hanjul.webhook w where w.name = any (resting) and w.state <> 'active' for share skip locked);
    with put_off as (
        update net.http_request_queue r
        set next_attempt_at = case when r.webhook = any (held) then 'infinity' else clock_timestamp() + interval '1 second' end, in_line = false
        where r.id = any (ids) and r.webhook = any (resting)
        returning r.id)
    select coalesce(array_agg(p.id), '{}') into kept from put_off p;
    return array(select i from unnest(ids) with ordinality u (i, n) where i <> all (kept) order by n);
end
$$;

-- _send_held(webhook, since): let them be sent. The time that they have waited does not count towards the age at which their policy
-- gives up.
create or replace function hanjul._send_held(webhook text, since timestamptz)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
begin
    update net.http_request_queue r
    set next_attempt_at = ts, in_line = false, give_up_at = r.give_up_at + (ts - greatest(since, r.created))
    where r.webhook = _send_held.webhook and r.finished is null and r.next_attempt_at = 'infinity';
    if found then
        perform net._wake();
    end if;
end
$$;

-- _webhooks_ended(names, ok, status_codes, errors): attempts at requests of webhooks have ended, in this order: net.settle_requests
-- says so, once for all of its batch. A webhook is failing from its first failure to its next success. If that takes longer
-- than disable_after, and ten attempts, or if the endpoint says 410 Gone, it is disabled.
-- The row is written when that changes, and otherwise once a minute, so a webhook is no bottleneck of its own requests.
-- Locks: the webhooks' rows; what somebody else has locked is left to the next one that ends.
create or replace function hanjul._webhooks_ended(names text[], ok boolean[], status_codes integer[], errors text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    seen record;
    w hanjul.webhook;
begin
    for seen in
        select e.name, count(*) filter (where not e.ok) as failed, bool_or(e.ok) as any_ok, bool_or(not e.ok and e.code = 410) as gone,
               (array_agg(e.code order by e.n desc) filter (where not e.ok))[1] as code,
               (array_agg(coalesce(e.error, 'HTTP status ' || e.code) order by e.n desc) filter (where not e.ok))[1] as error
        from unnest(names, ok, status_codes, errors) with ordinality e (name, ok, code, error, n)
        where e.ok or e.error not like 'cancelled by %' or e.error is null
        group by e.name
    loop
        select * into w from hanjul.webhook v where v.name = seen.name;
        continue when not found or not hanjul._webhook_says_more(w, seen.any_ok, seen.failed > 0, seen.gone, ts);
        select * into w from hanjul.webhook v where v.name = seen.name for update skip locked;
        continue when not found;
        if seen.failed > 0 then
            w.last_failure_at := ts;
            w.last_status_code := seen.code;
            w.last_error := left(seen.error, 1000);
            w.failures := w.failures + seen.failed;
            w.failing_since := coalesce(w.failing_since, ts);
        end if;
        if seen.any_ok then
            w.last_success_at := ts;
            w.failing_since := null;
            w.failures := 0;
        end if;
        if w.state = 'active' and seen.gone then
            w.state := 'disabled';
            w.state_why := 'the endpoint says that it is gone for good: HTTP status 410';
        elsif w.state = 'active' and w.failures >= 10 and w.failing_since <= ts - w.disable_after then
            w.state := 'disabled';
            w.state_why := format('nothing but failures since %s (%s attempts); last: %s',
                                  to_char(w.failing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), w.failures, w.last_error);
        end if;
        update hanjul.webhook v
        set last_success_at = w.last_success_at, last_failure_at = w.last_failure_at, last_status_code = w.last_status_code, last_error = w.last_error,
            failing_since = w.failing_since, failures = w.failures, state = w.state, state_why = w.state_why
        where v.name = w.name;
    end loop;
end
$$;

-- _webhook_says_more(w, any_ok, failed, gone, ts): whether that is worth a write.
create or replace function hanjul._webhook_says_more(w hanjul.webhook, any_ok boolean, failed boolean, gone boolean, ts timestamptz)
returns boolean language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when gone and w.state = 'active' then true
                when any_ok then w.failing_since is not null or coalesce(w.last_success_at <= ts - interval '1 minute', true)
                when failed then w.failing_since is null or w.failures < 10 or w.last_failure_at <= ts - interval '1 minute'
                                 or w.state = 'active' and w.failing_since <= ts - w.disable_after
                else false end;
$$;
