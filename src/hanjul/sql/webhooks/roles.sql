-- Rights to webhooks, as part of those to HTTP requests. A producer has webhooks of his own, on tables on which he may create
-- triggers. A consumer, who sends, writes down how they fare. An admin does anything with all of them.

-- _give_webhook_rights(role, as_what): `as_what` is producer, consumer or admin.
create or replace function hanjul._give_webhook_rights(role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    grants text[] := array['usage on schema hanjul', 'execute on all functions in schema hanjul', 'select on hanjul.webhook, hanjul.webhook_event'];
    given text;
begin
    if as_what in ('producer', 'admin') then
        grants := grants || array[
            'delete, insert (name, tab, events, columns, condition, url, headers, timeout_ms, retry, max_attempts, ordering, secret, disable_after, asked),'
            ' update (state, state_why, asked) on hanjul.webhook'];
    end if;
    if as_what in ('consumer', 'admin') then
        grants := grants || array[
            'update (state, state_why, failing_since, failures, last_success_at, last_failure_at, last_status_code, last_error) on hanjul.webhook',
            'insert on hanjul.webhook_event'];
    end if;
    if as_what = 'admin' then
        grants := grants || array['delete on hanjul.webhook_event'];
    end if;
    foreach given in array grants loop
        execute format('grant %s to %I', given, role);
    end loop;
end
$$;

-- _take_webhook_rights(role): what that gave about webhooks.
create or replace function hanjul._take_webhook_rights(role text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute format('revoke all on hanjul.webhook, hanjul.webhook_event from %I', role);
end
$$;
