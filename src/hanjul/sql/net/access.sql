-- Who may do what with requests. Everybody may enqueue, as with pg_net; unlike with pg_net he sees his own requests and
-- answers only, by row-level security on enqueued_by, and cannot write what senders write. `pg_net.public_access` = on
-- gives everybody everything, as pg_net does. Secrets and settings are for senders and admins.
-- A producer has by name what everybody has, should somebody revoke that from public. A consumer sends, so he reads and
-- settles all requests, and reads the secrets. An admin also sets secrets and settings. Whoever may update the table of
-- requests is one of the two: he sees all.
-- Functions run with the rights of whoever calls them, so rights are on tables, as in leases/roles.sql.

-- grant_http(role, as_what): `as_what` is producer, consumer or admin; by migrate's own role.
create or replace function net.grant_http(role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform net._check_grant(role, as_what);
    if as_what <> 'producer' then
        execute format('grant usage on schema hanjul to %I', role);  -- wake-ups are there
        execute format('grant execute on all functions in schema hanjul to %I', role);
    end if;
    perform net._give_http_rights(role, as_what);
    perform hanjul._give_webhook_rights(role, as_what);
end
$$;

-- revoke_http(role): all that grant_http gave about requests. What everybody has, he has still.
create or replace function net.revoke_http(role text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform net._check_grant(role, 'producer');
    execute format('revoke all on all tables in schema net from %I', role);
    execute format('revoke all on all sequences in schema net from %I', role);
    execute format('revoke all on all functions in schema net from %I', role);
    execute format('revoke all on schema net from %I', role);
    perform hanjul._take_webhook_rights(role);
end
$$;

-- _check_grant(role, as_what): whether it can be; 42501 for those who do not own the tables: GRANT would only warn.
create or replace function net._check_grant(role text, as_what text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not net._is_ours() then
        raise exception 'must be owner of the requests, who has migrated' using errcode = 'insufficient_privilege',
            hint = format('Who may grant it: grant %I to %I', 'hanjul_' || as_what, role);
    elsif (as_what in ('producer', 'consumer', 'admin')) is not true then
        raise exception 'a role is granted HTTP as producer, consumer or admin, not as %', coalesce(quote_literal(as_what), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif not exists (select from pg_roles r where r.rolname = role) then
        raise exception 'role % does not exist', coalesce(to_json(role)::text, 'NULL') using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _is_ours(): whether the tables belong to the role.
create or replace function net._is_ours()
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
    select pg_has_role(c.relowner, 'usage') from pg_class c where c.oid = 'net.http_request_queue'::regclass;
$$;

-- _give_http_rights(role, as_what): what the functions touch. To public: what every role has.
create or replace function net._give_http_rights(role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    grants text[] := array[
        'usage on schema net', 'usage on sequence net.http_request_queue_id_seq', 'select, delete on net.http_request_queue, net._http_response',
        'select on net.http_attempt',
        'insert (id, method, url, headers, body, timeout_milliseconds, max_attempts, next_attempt_at, retry, give_up_at, ordering_key,
                 idempotency_key, sign_with, options) on net.http_request_queue'];
    grantee text := case when role = 'public' then role else format('%I', role) end;
    given text;
begin
    if as_what = 'producer' and role <> 'public' then
        grants := grants || array(
            select format('execute on function %s', p.oid::regprocedure) from pg_proc p
            where p.pronamespace = 'net'::regnamespace and p.proname = any (net._public_functions()));
    elsif as_what in ('consumer', 'admin') then
        grants := grants || array[
            'execute on all functions in schema net', 'select, insert, update, delete on net.http_request_queue',
            'select, insert, update, delete on net._http_response, net.http_attempt',  -- update: to lock rows
            'select on net.secret, net.config'];
    end if;
    if as_what = 'admin' then
        grants := grants || array['insert, update, delete on net.secret, net.config'];
    end if;
    foreach given in array grants loop
        execute format('grant %s to %s', given, grantee);
    end loop;
end
$$;

-- _public_functions(): those that everybody may call, and what these call: it is pure, or works with the caller's rights.
create or replace function net._public_functions()
returns text[] language sql immutable
return '{
    http_get, http_post, http_delete, http_request, http_put, http_patch, http_head, http_request_many,
    _http_collect_response, http_collect_response, _await_response, _urlencode_string, _encode_url_with_params_array,
    worker_restart, wait_until_running, wake, check_worker_is_up, queue_depth,
    status, get_request, list_requests, list_attempts, get_response, count_requests, host_of, is_credential, hidden_url, hidden_headers,
    _is_plain_url, _url, _rebuild_url, _host_problem, _rebuild_host, _ipv4, _rebuild_path, _json_kind,
    _check_headers, _headers_problem, _check_url_size, _refuse_framing, _has_header, _json_headers, _request_headers, _refuse_body, _refuse_null, _refuse_request, _request_problem,
    _same_request, _check_retry, _retry_problem, _is_number, _are_numbers, _max_attempts, _check_options, _may_be_enqueued, _wake,
    _is_worker_up, _is_pending, _full_xid}'::text[];

-- _may_be_enqueued(...): whether a row with a policy is one that http_request could have written; 22023 where it says why not.
create or replace function net._may_be_enqueued(retry jsonb, max_attempts integer, options jsonb, give_up_at timestamptz)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    perform net._check_retry(retry), net._check_options(options);
    return max_attempts between 1 and net._max_attempts(retry) and coalesce(isfinite(give_up_at), true);
end
$$;

-- _settle_access(): what every migrate says, last, when all functions are there. A right that somebody took from public, of
-- those that he had, is not given back.
create or replace function net._settle_access()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    inner_one regprocedure;
    grantee text;
    kind text;
begin
    for inner_one in select p.oid from pg_proc p
                     where p.pronamespace = 'net'::regnamespace and p.proname <> all (net._public_functions()) and pg_has_role(p.proowner, 'usage')
    loop
        execute format('revoke execute on function %s from public', inner_one);
    end loop;
    if not exists (select from pg_policy p where p.polrelid = 'net.http_request_queue'::regclass and p.polname = 'own_rows') then
        perform net._make_policies();
        perform net._apply_access(true);
    end if;
    for grantee, kind in
        select r.rolname, case when has_table_privilege(r.oid, 'net.secret', 'insert') then 'admin'
                               when has_table_privilege(r.oid, 'net.secret', 'select') then 'consumer' else 'producer' end
        from pg_namespace n cross join lateral aclexplode(n.nspacl) g join pg_roles r on r.oid = g.grantee
        where n.nspname = 'net' and g.privilege_type = 'USAGE' and g.grantee <> n.nspowner
    loop
        perform net._give_http_rights(grantee, kind);
    end loop;
end
$$;

-- _make_policies(): who sees which rows. What is inserted directly is checked as http_request does it, and takes no id that
-- the sequence has still to give, nor the signature of a webhook.
create or replace function net._make_policies()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    create policy own_rows on net.http_request_queue
        using (enqueued_by = current_user or (select has_table_privilege('net.http_request_queue', 'update')))
        with check (enqueued_by = current_user and id <= pg_sequence_last_value('net.http_request_queue_id_seq')
                    and (sign_with is null or sign_with !~ '^webhook_[0-9]+$')
                    and (headers is null or pg_column_size(headers) <= 160  -- too few bytes for 20 levels
                         or net._refuse_request(net._headers_problem(headers)) is null)
                    and next_attempt_at >= '2000-01-01' and next_attempt_at < 'infinity'
                    and (retry is null and options is null and give_up_at is null and max_attempts = 1
                         or net._may_be_enqueued(retry, max_attempts, options, give_up_at))
                    or (select has_table_privilege('net.http_request_queue', 'update')));  -- last: it costs more than all the rest
    create policy own_rows on net._http_response
        using (enqueued_by = current_user or (select has_table_privilege('net.http_request_queue', 'update')));
    create policy own_rows on net.http_attempt
        using ((select has_table_privilege('net.http_request_queue', 'update'))
               or exists (select from net.http_request_queue q where q.id = request_id and q.enqueued_by = current_user));
end
$$;

-- _apply_access(first): bring row-level security and the rights of public to what pg_net.public_access says; if they are not
-- there, or never were. SECURITY DEFINER: an admin who sets it need not own the tables. So it believes the table of settings
-- alone, and no placeholder, which the caller might have set for himself.
create or replace function net._apply_access(first boolean default false)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    open boolean := exists (select from net.config c where c.name = 'pg_net.public_access' and c.value = 'on');
    tab regclass;
begin
    if not first and open = (select not c.relrowsecurity from pg_class c where c.oid = 'net.http_request_queue'::regclass) then
        return;
    end if;
    foreach tab in array array['net.http_request_queue', 'net._http_response', 'net.http_attempt']::regclass[] loop
        execute format('alter table %s %s row level security', tab, case when open then 'disable' else 'enable' end);
        execute format('revoke all on %s from public', tab);
        if open then
            execute format('grant all on %s to public', tab);
        end if;
    end loop;
    revoke all on sequence net.http_request_queue_id_seq from public;
    if open then
        grant all on sequence net.http_request_queue_id_seq to public;
    else
        perform net._give_http_rights('public', 'producer');
    end if;
end
$$;
