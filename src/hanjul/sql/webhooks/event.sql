-- An event, from the row to the request, in the transaction that has changed the table.
--
-- Two triggers of each row. The first one makes JSON of it. Types may have casts to JSON that their owners wrote, so that must
-- run with nobody's rights but those of who writes the table, as any trigger does. The second one inserts the request, which
-- who writes the table need not be allowed to do: it is SECURITY DEFINER, and knows text alone. They follow one another by
-- their names, row by row; the first hands over by settings that end with the transaction.
-- Nothing here depends on the webhook's state: whether it is paused is asked by senders, when they claim (hold.sql).

-- _webhook_row(key columns): the first trigger. It names nothing outside pg_catalog: who writes need not be allowed to.
-- In PostgreSQL 18 virtual generated columns are not computed when triggers fire: here they are, from the others (they are made
-- of PostgreSQL's own types alone). One that cannot be, as it divides by zero, is null: it does not forbid the row.
create or replace function hanjul._webhook_row()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    newest json := case when tg_op <> 'DELETE' then row_to_json(new) end;
    former json := case when tg_op <> 'INSERT' then row_to_json(old) end;
    computed text;
    value json;
    key text;
begin
    if current_setting('server_version_num')::integer >= 180000
       and exists (select from pg_attribute a where a.attrelid = tg_relid and a.attgenerated = 'v' and not a.attisdropped) then
        select format('select json_object_agg(e.key, coalesce(c.v -> e.key, e.value)) from json_each($1) e, '
                      '(select json_build_object(%s) as v from json_to_record($1) as t (%s)) c',
                      string_agg(format('%L, (%s)', a.attname, pg_get_expr(d.adbin, d.adrelid)), ', ') filter (where a.attgenerated = 'v'),
                      string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ')
                          filter (where a.attgenerated <> 'v' and a.atttypid < 16384))
        into computed
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = tg_relid and a.attnum > 0 and not a.attisdropped;
        begin
            if newest is not null then
                execute computed into newest using newest;
            end if;
            if former is not null then
                execute computed into former using former;
            end if;
        exception when others then
            null;
        end;
    end if;
    for n in 0 .. tg_nargs - 1 loop
        value := coalesce(newest, former) -> tg_argv[n];
        if value is null then  -- the column has another name by now: better no order than one line for all
            key := null;
            exit;
        end if;
        key := concat(key, '/', case when tg_nargs = 1 then value #>> '{}'
                                     else coalesce(replace(replace(value #>> '{}', '%', '%25'), '/', '%2F'), '%00') end);
    end loop;
    key := set_config('hanjul.webhook_key', coalesce(key, ''), true);  -- assigned, not performed: that costs less, and there are many
    key := set_config('hanjul.webhook_rows', concat('"record": ', coalesce(newest::text, 'null'), ', "old_record": ', coalesce(former::text, 'null')), true);
    return null;
end
$$;

-- _webhook_send(webhook): the second trigger, and the only one of TRUNCATE. Nothing happens if the webhook is gone, or is not on
-- this table: anybody may write a trigger that names it. The events of a partition are those of the table that it is part of.
-- The request belongs to whoever has created the webhook. It asks for no redirects: an endpoint that has moved is one that fails.
-- A body over 64 MiB would never be sent: the event goes out without its records, and says so.
-- One statement, and assignments where a statement is not needed, because this runs for each row.
create or replace function hanjul._webhook_send()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    rows text := case when tg_op = 'TRUNCATE' then '"record": null, "old_record": null' else current_setting('hanjul.webhook_rows', true) end;
    key text := case when tg_op <> 'TRUNCATE' then nullif(current_setting('hanjul.webhook_key', true), '') end;
    ignored text;
begin
    if rows is null or rows = '' then
        return null;
    end if;
    if tg_op <> 'TRUNCATE' then
        ignored := set_config('hanjul.webhook_rows', '', true);
    end if;
    if octet_length(rows) > 22000000 and octet_length(convert_to(rows, 'UTF8')) > 67000000 then
        rows := format('"record": null, "old_record": null, "too_large": %s, "key": %s', octet_length(rows),
                       coalesce(case when octet_length(key) <= 1000000 then to_json(substr(key, 2)) end::text, 'null'));
    end if;
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds, enqueued_by, retry, max_attempts, give_up_at,
                                        ordering_key, sign_with, webhook, options)
    select 'POST', w.url, w.headers,
           convert_to(concat(
               '{"type": "', tg_op,
               '", "table": ', to_json(case when w.tab = tg_relid then tg_table_name
                                            else (select c.relname from pg_class c where c.oid = w.tab) end::text),
               ', "schema": ', to_json(case when w.tab = tg_relid then tg_table_schema
                                            else (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                                                  where c.oid = w.tab) end::text),
               ', ', rows, '}'), 'UTF8'),
           w.timeout_ms, w.created_by, w.retry, w.max_attempts, clock_timestamp() + make_interval(secs => (w.retry ->> 'max_age_s')::double precision),
           hanjul._webhook_line(w.name, key), w.secret, w.name, '{"max_redirects": 0}'
    from hanjul.webhook w
    where w.name = tg_argv[0] and (w.tab = tg_relid or w.tab::oid in (select a.relid from pg_partition_ancestors(tg_relid) a));
    ignored := net._wake();
    return null;
end
$$;

-- _webhook_line(webhook, key): the ordering key `<webhook>/<values>`; null if there is no order. Long ones by their hash: it has
-- to fit into an index.
create or replace function hanjul._webhook_line(webhook text, key text)
returns text language sql immutable
return case when pg_catalog.octet_length(key) <= 500 then webhook || key
            else webhook || '/sha256:' || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(key, 'UTF8')), 'hex') end;
