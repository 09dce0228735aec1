-- What people do with webhooks, besides creating and dropping them: all of it changes one row, and rights to that row are rights
-- to the webhook.

-- pause_webhook(name, reason): its events are kept, and wait until it is resumed. What is on its way just now, arrives. One that is
-- disabled stays so: its events wait, too.
create or replace function hanjul.pause_webhook(name text, reason text default null)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update hanjul.webhook w set state = 'paused', state_why = left(reason, 1000) where w.name = pause_webhook.name and w.state <> 'disabled';
    if not found and not exists (select from hanjul.webhook w where w.name = pause_webhook.name) then
        perform hanjul._no_webhook(pause_webhook.name);
    end if;
end
$$;

-- resume_webhook(name): one that was paused, or disabled: what waits is sent, in order.
create or replace function hanjul.resume_webhook(name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update hanjul.webhook w set state = 'active', state_why = null where w.name = resume_webhook.name;
    if not found then
        perform hanjul._no_webhook(resume_webhook.name);
    end if;
end
$$;

-- test_webhook(name): send {"type": "TEST", ...} to it, signed as its events are, whatever its state; the id of the request. It is
-- tried once.
create or replace function hanjul.test_webhook(name text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    request_id bigint;
begin
    update hanjul.webhook w set asked = '{"test": true}' where w.name = test_webhook.name returning w.test_request_id into request_id;
    if not found then
        perform hanjul._no_webhook(test_webhook.name);
    end if;
    return request_id;
end
$$;

-- rotate_webhook_secret(name, keep): another value for the secret that was made with the webhook; it is told only this once.
-- Deliveries are signed with both for as long as `keep`, so receivers may change over at any time within it.
create or replace function hanjul.rotate_webhook_secret(name text, keep interval default '24 hours')
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    signing_secret text := hanjul._random_secret();
begin
    if keep is null then
        raise exception 'keep must be between 0 and a year, not NULL' using errcode = 'invalid_parameter_value';
    end if;
    update hanjul.webhook w set asked = jsonb_build_object('secret', signing_secret, 'keep', keep) where w.name = rotate_webhook_secret.name;
    if not found then
        perform hanjul._no_webhook(rotate_webhook_secret.name);
    end if;
    return signing_secret;
end
$$;

-- list_webhooks(): those that the caller may see, by name, without credentials. table: null if it is gone.  pending: requests that
-- have not ended, counted up to 100,000.  failing_since: no success since then.
create or replace function hanjul.list_webhooks()
returns table (
    name text, "table" text, events text[], columns text[], condition text, url text, headers jsonb, timeout_ms integer, retry jsonb, ordering text[],
    secret text, disable_after interval, state text, state_why text, state_since timestamptz, pending bigint, failing_since timestamptz, failures integer,
    last_success_at timestamptz, last_failure_at timestamptz, last_status_code integer, last_error text, created_by text, created_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select w.name, (select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = w.tab),
           w.events, w.columns, w.condition, net.hidden_url(w.url), net.hidden_headers(w.headers), w.timeout_ms,
           w.retry, w.ordering, w.secret, w.disable_after,
           w.state, w.state_why, w.state_since,
           (select count(*) from (select from net.http_request_queue r where r.webhook = w.name and r.finished is null limit 100000) p),
           w.failing_since, w.failures, w.last_success_at, w.last_failure_at, w.last_status_code, w.last_error, w.created_by::text, w.created_at
    from hanjul.webhook w order by w.name;
$$;

-- webhook_events(name, qty): the newest of one webhook, or of all that the caller may see.
create or replace function hanjul.webhook_events(name text default null, qty integer default 100)
returns setof hanjul.webhook_event language sql stable set search_path = pg_catalog, pg_temp as $$
    select * from hanjul.webhook_event e where webhook_events.name is null or e.webhook = webhook_events.name order by e.id desc limit qty;
$$;
