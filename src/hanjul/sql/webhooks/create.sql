-- Webhooks: what happens to a table's rows is sent to a URL, signed, in order, again and again until it has arrived. With the
-- rights of whoever asks: he must be allowed to create triggers on the table.

-- create_webhook(table, events, url, ...): the webhook's name, the name of the secret that signs (Standard Webhooks), and its
-- value if it was made here: it is told only this once.
-- events: out of insert, update, delete, truncate.  name: <table>_<events> unless it is given.
-- headers: an object; ${secret:NAME} in a value is put in by the sender.  secret: name of one of net.set_secret's.
-- retry: as of net.http_request; what it does not say is as in the table of Standard Webhooks: ten attempts in three days.
-- ordering: columns; events of rows that agree in them arrive in order, one at a time. null: the primary key. {}: no order.
-- columns: updates only by statements that name one of them.  condition: SQL, as in CREATE TRIGGER ... WHEN (condition); part
-- of a statement that runs with your rights, so never from somebody's input; names outside pg_catalog with their schema.
-- disable_after: so long nothing but failures (ten at least), and it is disabled: hanjul.resume_webhook.
-- 42809 for what is no table, 22023 for what cannot be, 23505 for a name that is taken.
-- Locks: the table, against writers, for the moment in which its triggers are made.
create or replace function hanjul.create_webhook(
    "table" regclass, events text[], url text, name text default null, headers jsonb default '{}', secret text default null,
    timeout_ms integer default 15000, retry jsonb default null, ordering text[] default null, columns text[] default null,
    condition text default null, disable_after interval default '5 days')
returns table (webhook text, signed_with text, signing_secret text) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    kinds text[] := hanjul._webhook_events(events);
    number bigint;
begin
    perform hanjul._check_webhook_table("table", kinds);
    perform hanjul._check_webhook_columns("table", 'ordering', create_webhook.ordering);
    perform hanjul._check_webhook_filter("table", kinds, create_webhook.columns, condition);
    webhook := coalesce(create_webhook.name, hanjul._webhook_name("table", kinds));
    signing_secret := case when create_webhook.secret is null then hanjul._random_secret() end;
    begin
        insert into hanjul.webhook as w (name, tab, events, columns, condition, url, headers, timeout_ms, retry, max_attempts, ordering, secret,
                                         disable_after, asked)
        values (webhook, "table", kinds, create_webhook.columns, create_webhook.condition, create_webhook.url, create_webhook.headers,
                create_webhook.timeout_ms, coalesce(create_webhook.retry, '{}'), 1,
                coalesce(create_webhook.ordering, hanjul._primary_key("table")), create_webhook.secret, create_webhook.disable_after,
                jsonb_build_object('secret', signing_secret))
        returning w.id, w.secret into number, signed_with;
    exception when unique_violation then
        raise exception 'there is a webhook % already', quote_literal(webhook) using errcode = 'unique_violation',
            hint = 'Give this one another name, or drop that one: select hanjul.drop_webhook(name)';
    end;
    perform hanjul._create_webhook_triggers("table", webhook, number);
    return next;
end
$$;

-- drop_webhook(name): no more events; what has not been sent ends as an error that says so.
-- Its triggers go if the caller owns the table; else they stay, and do nothing.
create or replace function hanjul.drop_webhook(name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    trigger record;
    gone hanjul.webhook;
begin
    delete from hanjul.webhook w where w.name = drop_webhook.name returning w.* into gone;
    if not found then
        perform hanjul._no_webhook(drop_webhook.name);
    end if;
    for trigger in
        select t.tgname, t.tgrelid::regclass as tab, pg_has_role(c.relowner, 'usage') as is_ours
        from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where t.tgrelid = gone.tab and t.tgname in (select hanjul._webhook_trigger(gone.id, p) from unnest(array['row', 'send', 'truncate']) p)
          and t.tgfoid in ('hanjul._webhook_row()'::regprocedure, 'hanjul._webhook_send()'::regprocedure)
    loop
        if trigger.is_ours then
            execute format('drop trigger %I on %s', trigger.tgname, trigger.tab);
        else
            raise notice 'trigger % on % does nothing any more; its owner may drop it', trigger.tgname, trigger.tab;
        end if;
    end loop;
end
$$;

-- _create_webhook_triggers(tab, webhook, number): of each row, one trigger puts the event together, with the rights of who
-- writes the table; the next one enqueues it, with ours. Why they are two is told in event.sql.
create or replace function hanjul._create_webhook_triggers(tab regclass, webhook text, number bigint)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    w hanjul.webhook := (select v from hanjul.webhook v where v.name = _create_webhook_triggers.webhook);
    moments text := (
        select string_agg(case when e = 'UPDATE' and w.columns is not null
                               then 'update of ' || (select string_agg(quote_ident(c), ', ') from unnest(w.columns) c) else lower(e) end, ' or ')
        from unnest(w.events) e where e <> 'TRUNCATE');
    filter text := coalesce('when (' || w.condition || E'\n)', '');
    keys text := (select string_agg(quote_literal(o), ', ') from unnest(w.ordering) o);
begin
    if moments is not null then
        execute format('create trigger %I after %s on %s for each row %s execute function hanjul._webhook_row(%s)',
                       hanjul._webhook_trigger(number, 'row'), moments, tab, filter, keys);
        execute format('create trigger %I after %s on %s for each row %s execute function hanjul._webhook_send(%L)',
                       hanjul._webhook_trigger(number, 'send'), moments, tab, filter, w.name);
    end if;
    if 'TRUNCATE' = any (w.events) then
        execute format('create trigger %I after truncate on %s for each statement execute function hanjul._webhook_send(%L)',
                       hanjul._webhook_trigger(number, 'truncate'), tab, w.name);
    end if;
end
$$;

-- _webhook_trigger(number, part): a trigger's name. `row` sorts before `send`: so they fire.
create or replace function hanjul._webhook_trigger(number bigint, part text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('hanjul_webhook_%s_%s', number, part);
$$;

-- _webhook_name(tab, kinds): orders_insert_update.
create or replace function hanjul._webhook_name(tab regclass, kinds text[])
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select c.relname || '_' || lower(array_to_string(kinds, '_')) from pg_class c where c.oid = tab;
$$;

-- _primary_key(tab): its columns, in their order; {} if it has none.
create or replace function hanjul._primary_key(tab regclass)
returns text[] language sql stable set search_path = pg_catalog, pg_temp as $$
    select array(select a.attname::text from pg_index i cross join lateral unnest(i.indkey::smallint[]) with ordinality k (attnum, n)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where i.indrelid = tab and i.indisprimary order by k.n);
$$;

-- _random_secret(): 256 bits from the server's strong source of chance, as Standard Webhooks writes them.
create or replace function hanjul._random_secret()
returns text language sql volatile set search_path = pg_catalog, pg_temp as $$
    select 'whsec_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64');
$$;
