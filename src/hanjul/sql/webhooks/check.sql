-- What cannot be a webhook, told by name.

-- _webhook_events(events): in upper case, each once, in the order INSERT, UPDATE, DELETE, TRUNCATE.
create or replace function hanjul._webhook_events(events text[])
returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    known constant text[] := '{INSERT,UPDATE,DELETE,TRUNCATE}';
    event text;
begin
    foreach event in array coalesce(events, '{}') loop
        if (upper(event) = any (known)) is not true then
            raise exception 'an event is insert, update, delete or truncate, not %', coalesce(quote_literal(left(event, 100)), 'NULL')
                using errcode = 'invalid_parameter_value';
        end if;
    end loop;
    if coalesce(cardinality(events), 0) = 0 then
        raise exception 'a webhook needs events, as in array[''insert'', ''update'']' using errcode = 'invalid_parameter_value';
    end if;
    return array(select k from unnest(known) with ordinality u (k, n) where k in (select upper(e) from unnest(events) e) order by n);
end
$$;

-- _check_webhook_table(tab, kinds): 42809 for what is no table, or none to have webhooks on.
create or replace function hanjul._check_webhook_table(tab regclass, kinds text[])
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    c pg_class;
    problem text;
begin
    select * into c from pg_class p where p.oid = tab;
    if not found then
        raise exception 'table % does not exist', coalesce(tab::text, 'NULL') using errcode = 'undefined_table';
    end if;
    problem := case
        when c.relkind in ('v', 'm') then 'is a view'
        when c.relkind not in ('r', 'p', 'f') then 'is no table'
        when c.relpersistence = 't' then 'is a temporary table, and gone with its session'
        when c.relnamespace::regnamespace::text in ('net', 'hanjul') then 'is hanjul''s own: its events would make events'
        when c.relkind = 'f' and 'TRUNCATE' = any (kinds) then 'is a foreign table, and has no event truncate'
    end;
    if problem is not null then
        raise exception 'webhooks are on tables; % %', tab, problem using errcode = 'wrong_object_type';
    end if;
end
$$;

-- _check_webhook_columns(tab, what, columns): 42703 for one that the table does not have.
create or replace function hanjul._check_webhook_columns(tab regclass, what text, columns text[])
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unknown text;
begin
    select u.c into unknown from unnest(columns) u (c)
    where not exists (select from pg_attribute a where a.attrelid = tab and a.attname = u.c and a.attnum > 0 and not a.attisdropped)
    limit 1;
    if found then
        raise exception '%: table % has no column %', what, tab, coalesce(quote_ident(unknown), 'NULL') using errcode = 'undefined_column';
    end if;
end
$$;

-- _check_webhook_filter(tab, kinds, columns, condition): 22023. A condition stays within its parentheses: what could end it
-- early, or hide what comes after it, is refused.
create or replace function hanjul._check_webhook_filter(tab regclass, kinds text[], columns text[], condition text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform hanjul._check_webhook_columns(tab, 'columns', columns);
    if columns is not null and (cardinality(columns) = 0 or 'UPDATE' <> all (kinds)) then
        raise exception 'columns are those of the event update; name one at least, or leave them out' using errcode = 'invalid_parameter_value';
    elsif condition ~ '(;|--|/\*|\*/)' or btrim(condition, E' \t\r\n') = '' then
        raise exception 'condition must be one expression without semicolons and comments, not %', quote_literal(left(condition, 200))
            using errcode = 'invalid_parameter_value';
    elsif condition is not null and kinds = '{TRUNCATE}' then
        raise exception 'the event truncate has no rows for a condition' using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _check_webhook(w): what its owner has said about requests; by the trigger that completes the row (effects.sql).
create or replace function hanjul._check_webhook(w hanjul.webhook)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (length(w.name) between 1 and 200 and w.name !~ '[\x01-\x1f\x7f]') is not true then
        raise exception 'name must be text of 1 to 200 characters without control characters, not %', coalesce(quote_literal(left(w.name, 250)), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif w.url is null then
        raise exception 'a webhook needs a url' using errcode = 'invalid_parameter_value';
    elsif (w.timeout_ms between 1 and 3600000) is not true then
        raise exception 'timeout_ms must be between 1 and 3600000 (an hour), not %', coalesce(w.timeout_ms::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif (w.disable_after between interval '1 second' and interval '100 years') is not true then
        raise exception 'disable_after must be between a second and 100 years, not %', coalesce(w.disable_after::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    perform net._check_url_size(w.url);
    perform net._check_headers(coalesce(w.headers, '{}'));
    perform net._refuse_framing(coalesce(w.headers, '{}'));
    perform net._check_retry(w.retry);
end
$$;

-- _no_webhook(name): P0002: there is none, or it is somebody else's.
create or replace function hanjul._no_webhook(name text)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'webhook % does not exist', coalesce(quote_literal(left(name, 250)), 'NULL') using errcode = 'no_data_found',
        hint = 'select name from hanjul.list_webhooks()';
end
$$;
