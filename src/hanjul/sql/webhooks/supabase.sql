-- supabase_functions.http_request(url, method, headers, params, timeout_ms, max_retries): the trigger function of Supabase's Database
-- Webhooks, for triggers that were written for it. Method GET or POST; POST sends {type, table, schema, record, old_record}. It runs with
-- the rights of who writes the table, who may use schema net unless somebody has revoked it. Retries (after 0.25, 0.5, 1, 2.5, 5, 5, ...
-- seconds) are made by senders, not in the transaction. hanjul.create_webhook does more.
do $supabase$
begin
    if obj_description(to_regnamespace('supabase_functions'), 'pg_namespace') is distinct from 'triggers as in Supabase''s Database Webhooks, by hanjul' then
        return;  -- it is somebody else's
    end if;
    create or replace function supabase_functions.http_request()
    returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        settings text[] := array(select nullif(nullif(tg_argv[n], 'null'), '') from generate_series(0, 5) n);
        verb text := upper(settings[2]);
        retries integer := coalesce(settings[6]::integer, 0);
        event text;
        request_id bigint;
    begin
        if settings[1] is null then
            raise exception 'trigger %: url argument is missing', tg_name using errcode = 'invalid_parameter_value';
        elsif (verb in ('GET', 'POST')) is not true then
            raise exception 'trigger %: method argument must be GET or POST, not %', tg_name, coalesce(quote_literal(settings[2]), 'NULL')
                using errcode = 'invalid_parameter_value';
        elsif retries not between 0 and 100 then
            raise exception 'trigger %: max_retries argument must be between 0 and 100, not %', tg_name, retries using errcode = 'invalid_parameter_value';
        end if;
        if verb = 'POST' then
            event := json_build_object(
                'type', tg_op, 'table', tg_table_name, 'schema', tg_table_schema,
                'record', case when tg_level = 'ROW' and tg_op <> 'DELETE' then row_to_json(new) end,
                'old_record', case when tg_level = 'ROW' and tg_op <> 'INSERT' then row_to_json(old) end)::text;
        end if;
        request_id := net.http_request(
            verb, settings[1], event, params => coalesce(settings[4], '{}')::jsonb,
            headers => case when verb = 'POST' then '{"Content-Type": "application/json"}'::jsonb - coalesce((
                                select 'Content-Type' from jsonb_object_keys(settings[3]::jsonb) h where lower(h) = 'content-type' limit 1), '')
                            else '{}' end || coalesce(settings[3], '{}')::jsonb,
            timeout_milliseconds => coalesce(settings[5]::integer, 1000),
            retry => case when retries > 0 then jsonb_build_object(
                'max_attempts', retries + 1, 'statuses', 'non-2xx', 'jitter', 0,
                'schedule_s', (select jsonb_agg(coalesce((array[0.25, 0.5, 1, 2.5])[n], 5)) from generate_series(1, retries) n)) end);
        insert into supabase_functions.hooks (hook_table_id, hook_name, request_id) values (tg_relid::bigint, tg_name, request_id);
        return coalesce(new, old);
    end
    $$;
    grant usage on schema supabase_functions to public;
    grant insert on supabase_functions.hooks to public;
    revoke execute on function supabase_functions.http_request() from public;
    grant execute on function supabase_functions.http_request() to public;
end
$supabase$;
