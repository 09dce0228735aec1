-- What follows from a change of a webhook, whoever has made it: by triggers of its table, with the rights of migrate's role,
-- because a webhook's owner may neither write secrets nor end requests. Which webhooks he may change is said by the policies of
-- the table, before anything here happens for good.

-- _webhook_completed(): before a row is written: what is checked and worked out, and what its owner has asked for:
--   {"secret": value, "keep": interval}   a secret of its own: the first one, or another in its place
--   {"test": true}                        a delivery of type TEST; test_request_id tells which
create or replace function hanjul._webhook_completed()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        new.headers := coalesce(new.headers, '{}');
        new.retry := coalesce(new.retry, '{}');
        perform hanjul._check_webhook(new);
        new.url := net._encode_url_with_params_array(new.url, '{}');
        if not net._has_header(new.headers, 'content-type') then
            new.headers := new.headers || '{"Content-Type": "application/json"}';
        end if;
        new.retry := hanjul._webhook_retry(new.retry);
        new.max_attempts := net._max_attempts(new.retry);
        new.own_secret := new.secret is null;
        new.secret := coalesce(new.secret, 'webhook_' || new.id);
        perform hanjul._check_webhook_secret(new);
    elsif new.state <> old.state then
        new.state_since := clock_timestamp();
        if new.state = 'active' then
            new.failing_since := null;
            new.failures := 0;
        end if;
    end if;
    if jsonb_typeof(new.asked -> 'secret') = 'string' then
        perform hanjul._write_webhook_secret(new);
    end if;
    if new.asked -> 'test' = 'true' then
        new.test_request_id := hanjul._test_webhook(new);
    end if;
    new.asked := null;
    return new;
end
$$;

-- _test_webhook(w): the request of a test. It is of no webhook, lest it waits with the others, or counts among them.
create or replace function hanjul._test_webhook(w hanjul.webhook)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    request_id bigint;
    event jsonb := (
        select jsonb_build_object('type', 'TEST', 'table', c.relname, 'schema', n.nspname, 'record', null, 'old_record', null)
        from (select) one left join pg_class c on c.oid = w.tab left join pg_namespace n on n.oid = c.relnamespace);
begin
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds, enqueued_by, retry, sign_with, options)
    values ('POST', w.url, w.headers, convert_to(event::text, 'UTF8'), w.timeout_ms, w.created_by,
            '{"max_attempts": 1, "statuses": "non-2xx"}', w.secret, '{"max_redirects": 0}')
    returning id into request_id;
    perform net._wake();
    return request_id;
end
$$;

-- _webhook_changed(): afterwards: an event that says so; requests that waited are sent, those of one that is gone end.
create or replace function hanjul._webhook_changed()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        perform hanjul._tell_webhook(new, 'created', null);
    elsif tg_op = 'DELETE' then
        perform hanjul._end_webhook_requests(old);
        if old.own_secret then
            perform net.drop_secret(old.secret);
        end if;
        perform hanjul._tell_webhook(old, 'dropped', null);
    else
        if new.state <> old.state then
            perform hanjul._tell_webhook(new, case new.state when 'active' then 'resumed' else new.state end, new.state_why);
        end if;
        if new.state = 'active' and old.state <> 'active' then
            perform hanjul._send_held(new.name, old.state_since);
        end if;
    end if;
    return null;
end
$$;

-- _webhook_retry(retry): what its owner has said, and for the rest the table of Standard Webhooks: ten attempts, spread over
-- three days; nothing but 2xx is a success.
create or replace function hanjul._webhook_retry(retry jsonb)
returns jsonb language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '{"jitter": 0.1, "statuses": "non-2xx", "errors": true, "retry_after": true}'::jsonb
           || case when jsonb_exists(retry, 'schedule_s') then '{}'::jsonb else '{"max_attempts": 10}' end
           || case when jsonb_exists_any(retry, '{base_s,cap_s,schedule_s}') then '{}'::jsonb
                   else '{"schedule_s": [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]}' end
           || retry;
$$;

-- _check_webhook_secret(w): 22023 for one that another webhook has to itself, P0002 for one that does not exist.
create or replace function hanjul._check_webhook_secret(w hanjul.webhook)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if w.own_secret and jsonb_typeof(w.asked -> 'secret') is distinct from 'string' then
        raise exception 'webhooks are made by hanjul.create_webhook, which makes their secret' using errcode = 'invalid_parameter_value';
    elsif not w.own_secret and w.secret ~ '^webhook_[0-9]+$' then
        raise exception 'secret % belongs to another webhook', quote_literal(w.secret) using errcode = 'invalid_parameter_value';
    elsif not w.own_secret and not exists (select from net.secret s where s.name = w.secret) then
        raise exception 'there is no secret %', quote_literal(left(w.secret, 120)) using errcode = 'no_data_found',
            hint = 'select net.set_secret(name, value, hosts), or leave it out: then one is made';
    elsif not w.own_secret and (select s.value from net.secret s where s.name = w.secret) not like 'whsec\_%' then
        raise exception 'secret % is none that signs: those begin with whsec_', quote_literal(w.secret) using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _write_webhook_secret(w): the first value, or the next one; the former signs as well, for as long as was asked.
create or replace function hanjul._write_webhook_secret(w hanjul.webhook)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not w.own_secret then
        raise exception 'webhook % signs with secret %, which is not its own', quote_literal(w.name), quote_literal(w.secret)
            using errcode = 'object_not_in_prerequisite_state', hint = 'select net.rotate_secret(name, value)';
    elsif w.asked ? 'keep' then
        perform net.rotate_secret(w.secret, w.asked ->> 'secret', (w.asked ->> 'keep')::interval);
        perform hanjul._tell_webhook(w, 'secret rotated', null);
    else
        perform net._check_secret(w.secret, w.asked ->> 'secret');
        insert into net.secret (name, value, hosts)
        values (w.secret, w.asked ->> 'secret', array[net.host_of(w.url)])
        on conflict on constraint secret_pkey do nothing;
        if not found then
            raise exception 'there is a secret % already, a name that is the webhook''s', quote_literal(w.secret) using errcode = 'duplicate_object',
                hint = format('select net.drop_secret(%L)', w.secret);
        end if;
    end if;
end
$$;

-- _end_webhook_requests(w): those that have not ended. Whoever has one just now, is too late with what comes of it.
create or replace function hanjul._end_webhook_requests(w hanjul.webhook)
returns void language sql set search_path = pg_catalog, pg_temp as $$
    with ended as (
        update net.http_request_queue r
        set status = 'ERROR', error_msg = format('webhook %L was dropped', w.name), finished = clock_timestamp(), locked_until = null,
            claims = r.claims + 1, released = r.released + 1
        where r.webhook = w.name and r.finished is null
        returning r.id, r.error_msg, r.enqueued_by)
    insert into net._http_response (id, timed_out, error_msg, enqueued_by) select e.id, false, e.error_msg, e.enqueued_by from ended e;
$$;

-- _tell_webhook(w, what, why): to those who look later, and to those who listen to channel hanjul_webhook.
create or replace function hanjul._tell_webhook(w hanjul.webhook, what text, why text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    insert into hanjul.webhook_event (webhook, what, why, created_by) values (w.name, _tell_webhook.what, _tell_webhook.why, w.created_by);
    if coalesce(current_setting('hanjul.notify', true), '') <> 'off' then
        perform pg_notify('hanjul_webhook', json_build_object('webhook', w.name, 'what', what, 'why', left(why, 500))::text);
    end if;
end
$$;

create or replace trigger completed before insert or update on hanjul.webhook for each row execute function hanjul._webhook_completed();
create or replace trigger changed after insert or delete on hanjul.webhook for each row execute function hanjul._webhook_changed();
create or replace trigger state_changed after update of state on hanjul.webhook for each row
    when (old.state <> new.state) execute function hanjul._webhook_changed();
