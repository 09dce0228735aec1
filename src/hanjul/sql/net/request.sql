-- Enqueueing beyond pg_net: any method, any body, retries, order, and each request once.

-- http_request(method, url, ...): the request's id.
-- method: GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS, in any letter case.  body, json_body, bytes: at most one of them; it says
-- the content type, unless headers do.  params, headers: JSON objects.  timeout_milliseconds: of each attempt; 0: none.
-- retry: the policy (retry.sql); null: one attempt.  idempotency_key: while the request of this key and this role is kept, the
-- same again gives its id, another is refused with 22023; sent as a header, too.  ordering_key: of each key one at a time, in
-- order.  not_before: when to send it.  sign_with: the secret that signs it.  options: max_response_bytes, max_redirects.
-- (Named json_body because `json` is a keyword since PostgreSQL 17: `json => ...` would be a syntax error there.)
create or replace function net.http_request(
    method text, url text, body text default null, json_body jsonb default null, bytes bytea default null, params jsonb default '{}',
    headers jsonb default '{}', timeout_milliseconds integer default 5000, retry jsonb default null,
    idempotency_key text default null, ordering_key text default null, not_before timestamptz default null,
    sign_with text default null, options jsonb default null)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    request_id bigint;
    woken boolean;
    content bytea := coalesce(bytes, convert_to(coalesce(body, json_body::text), 'UTF8'));
    due timestamptz := coalesce(not_before, clock_timestamp());
begin
    perform net._refuse_request(net._request_problem(
        method, num_nonnulls(body, json_body, bytes), timeout_milliseconds, idempotency_key, ordering_key, not_before, sign_with));
    if url is null or timeout_milliseconds is null then
        perform net._refuse_null(url is null);
    end if;
    perform net._check_retry(retry), net._check_options(options);
    if octet_length(content) > 67108864 then
        perform net._refuse_body(octet_length(content));
    end if;
    if net._is_plain_url(url) is not true or params <> '{}' then
        url := net._url(url, params);
    end if;
    if octet_length(url) > 262144 then
        perform net._check_url_size(url);
    end if;
    headers := net._request_headers(
        headers,
        case when bytes is not null then 'application/octet-stream' when body is not null then 'text/plain; charset=utf-8'
             when json_body is not null then 'application/json' end,
        idempotency_key);
    while request_id is null loop
        insert into net.http_request_queue
            (method, url, headers, body, timeout_milliseconds, max_attempts, next_attempt_at, retry, give_up_at, ordering_key,
             idempotency_key, sign_with, options)
        values (upper(http_request.method), http_request.url, http_request.headers, content, http_request.timeout_milliseconds,
                net._max_attempts(http_request.retry), due, http_request.retry,
                due + make_interval(secs => (http_request.retry ->> 'max_age_s')::double precision), http_request.ordering_key,
                http_request.idempotency_key, http_request.sign_with, http_request.options)
        on conflict (enqueued_by, idempotency_key) where idempotency_key is not null do nothing
        returning id into request_id;
        if request_id is null then  -- the key is taken, or was until a moment ago
            request_id := net._same_request(idempotency_key, upper(method), url, headers, content);
        end if;
    end loop;
    woken := net._wake();
    return request_id;
end
$$;

-- _same_request(idempotency_key, method, url, headers, content): the id of the caller's request of this key; null if it is
-- gone; 22023 if it is another.
create or replace function net._same_request(idempotency_key text, method text, url text, headers jsonb, content bytea)
returns bigint language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    there record;
begin
    select q.id, (q.method::text, q.url, q.headers, q.body)
                 is not distinct from (_same_request.method, _same_request.url, _same_request.headers, content) as same
    into there
    from net.http_request_queue q
    where q.enqueued_by = current_user and q.idempotency_key = _same_request.idempotency_key;
    if not there.same then
        raise exception 'the idempotency key "%" belongs to request %, whose method, URL, headers or body differ', idempotency_key, there.id
            using errcode = 'invalid_parameter_value', hint = 'Take another key for another request.';
    end if;
    return there.id;
end
$$;

-- http_put(url, body, params, headers, timeout_milliseconds): the request's id; the content type is headers' to say.
create or replace function net.http_put(
    url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000)
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
    select net.http_request('PUT', url, json_body => body, params => params, headers => headers, timeout_milliseconds => timeout_milliseconds);
$$;

-- http_patch(url, body, params, headers, timeout_milliseconds): the same with PATCH.
create or replace function net.http_patch(
    url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000)
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
    select net.http_request('PATCH', url, json_body => body, params => params, headers => headers, timeout_milliseconds => timeout_milliseconds);
$$;

-- http_head(url, params, headers, timeout_milliseconds): the request's id.
create or replace function net.http_head(
    url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000)
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
    select net.http_request('HEAD', url, params => params, headers => headers, timeout_milliseconds => timeout_milliseconds);
$$;

-- http_request_many(requests): many at once: a JSON array of objects whose fields are named like the arguments of
-- http_request, bytes in base64. A field that is null counts as not given. Their ids, in the same order. All of them, or
-- after an error none; of several, the error says which one it is about: `request 1: ...` is the first.
create or replace function net.http_request_many(requests jsonb)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    fields constant text[] := array[
        'method', 'url', 'body', 'json_body', 'bytes', 'params', 'headers', 'timeout_milliseconds', 'retry', 'idempotency_key', 'ordering_key',
        'not_before', 'sign_with', 'options'];
    unknown record;
    r record;
    state text;
    said text;
    advice text;
begin
    if jsonb_typeof(requests) is distinct from 'array' then
        raise exception 'requests must be a JSON array of objects, not %', coalesce(net._json_kind(requests), 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    select e.n, net._json_kind(e.value) as kind into unknown
    from jsonb_array_elements(requests) with ordinality e (value, n) where jsonb_typeof(e.value) <> 'object' limit 1;
    if found then
        raise exception 'request % must be a JSON object, not %', unknown.n, unknown.kind using errcode = 'invalid_parameter_value';
    end if;
    select e.n, k.name into unknown
    from jsonb_array_elements(requests) with ordinality e (value, n) cross join lateral jsonb_object_keys(e.value - fields) k (name) limit 1;
    if found then
        raise exception 'request % has a field "%", which no request has', unknown.n, unknown.name
            using errcode = 'invalid_parameter_value', hint = 'Fields are: ' || array_to_string(fields, ', ');
    end if;
    begin  -- around all of them: a subtransaction for each would cost more than its row
        for r in select e.value as v, e.n from jsonb_array_elements(requests) with ordinality e (value, n) order by e.n loop
            return next net.http_request(
                r.v ->> 'method', r.v ->> 'url', r.v ->> 'body', nullif(r.v -> 'json_body', 'null'), decode(r.v ->> 'bytes', 'base64'),
                coalesce(nullif(r.v -> 'params', 'null'), '{}'), coalesce(nullif(r.v -> 'headers', 'null'), '{}'),
                coalesce((r.v ->> 'timeout_milliseconds')::integer, 5000), nullif(r.v -> 'retry', 'null'), r.v ->> 'idempotency_key',
                r.v ->> 'ordering_key', (r.v ->> 'not_before')::timestamptz, r.v ->> 'sign_with', nullif(r.v -> 'options', 'null'));
        end loop;
    exception when data_exception or integrity_constraint_violation or program_limit_exceeded or raise_exception or internal_error then
        if jsonb_array_length(requests) = 1 then
            raise;
        end if;
        get stacked diagnostics state = returned_sqlstate, said = message_text, advice = pg_exception_hint;
        raise exception 'request %: %', r.n, said
            using errcode = state, hint = coalesce(nullif(advice, ''), 'None of these requests was enqueued.');
    end;
end
$$;

-- _request_problem(...): what cannot be about a request; null if nothing.
create or replace function net._request_problem(
    method text, bodies integer, timeout_milliseconds integer, idempotency_key text, ordering_key text, not_before timestamptz, sign_with text)
returns text language sql stable
return case
    when method is null or upper(method) not in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS')
         then format('method must be GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS, not %s', coalesce(quote_literal(left(method, 50)), 'NULL'))
    when bodies > 1 then 'body, json_body and bytes exclude one another'
    when timeout_milliseconds < 0 then format('timeout_milliseconds must be 0 (none) or more, not %s', timeout_milliseconds)
    when length(idempotency_key) not between 1 and 255 or idempotency_key ~ '[^ -~]'
         then format('idempotency_key must be 1 to 255 printable ASCII characters, not %L', left(idempotency_key, 260))
    when length(ordering_key) not between 1 and 500 then format('ordering_key must have 1 to 500 characters, not %s', length(ordering_key))
    when not not_before between '2000-01-01' and now() + interval '10 years'
         then format('not_before must lie between the year 2000 and ten years from now, not at %L', not_before)
    when sign_with ~ '^webhook_[0-9]+$' then format('secret %L belongs to a webhook, and signs nothing else', sign_with)
    when octet_length(sign_with) > 65536 then format('sign_with must have at most 64 KiB, not %s bytes', octet_length(sign_with))
    when length(sign_with) = 0 then 'sign_with must be the name of a secret, not an empty text'
end;

-- _refuse_request(problem): raise it. Null for null, without being called.
create or replace function net._refuse_request(problem text)
returns text language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '%', problem using errcode = 'invalid_parameter_value';
end
$$;

-- _request_headers(headers, content_type, idempotency_key): as they are stored: checked, and with what goes without saying.
create or replace function net._request_headers(headers jsonb, content_type text, idempotency_key text)
returns jsonb language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    perform net._check_headers(headers);
    perform net._refuse_framing(headers);
    if content_type is not null and not net._has_header(headers, 'content-type') then
        headers := coalesce(headers, '{}') || jsonb_build_object('Content-Type', content_type);
    end if;
    if idempotency_key is not null and not net._has_header(headers, 'idempotency-key') then
        headers := coalesce(headers, '{}') || jsonb_build_object('Idempotency-Key', idempotency_key);
    end if;
    return headers;
end
$$;
