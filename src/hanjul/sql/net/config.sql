-- Settings by the extension's names, on servers where nobody may ALTER SYSTEM. A setting is, in this order: what set_config
-- wrote down; the server's own placeholder of the name (`alter database ... set pg_net.ttl = ...`); the default. Nobody checks
-- a placeholder when it is set: one that the setting cannot have is passed over, with a warning.

-- _defaults(): every setting there is, and its default; null: none.
create or replace function net._defaults()
returns table (name text, value text, says text) language sql immutable set search_path = pg_catalog, pg_temp as $$
    values ('pg_net.batch_size', null, 'requests a second, as pg_net counts them (0 to 32767); not set: as many as go'),
           ('pg_net.ttl', '6 hours', 'how long answers are kept'),
           ('pg_net.queue_retention', null, 'how long finished requests are kept; not set: as long as answers; 0: not at all'),
           ('pg_net.dead_retention', '30 days', 'how long requests are kept that failed in spite of their retries'),
           ('pg_net.public_access', 'off', 'on: everybody may read and write all requests and answers, as with pg_net'),
           ('pg_net.database_name', null, 'kept for scripts: a sender serves the database that it is connected to'),
           ('pg_net.username', null, 'kept for scripts: a sender is the role that it connects as');
$$;

-- _usable(full_name, value): the value, if the setting can have it; else null, and one warning for each session: what settles
-- and forgets asks, and must not fail over it. Null for null, without being called.
create or replace function net._usable(full_name text, value text)
returns text language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
begin
    return net._setting_value(full_name, value);
exception when invalid_parameter_value then
    if current_setting('hanjul.net_warned', true) is distinct from 'yes' then
        raise warning '%; it is passed over', sqlerrm;
        perform set_config('hanjul.net_warned', 'yes', false);
    end if;
    return null;
end
$$;

-- _placeholder(setting_name): what the server, the database, the role or the session has for this name; null: nothing. Of who
-- may see what, none is believed: everybody can set one for his session.
create or replace function net._placeholder(setting_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select net._usable(setting_name, nullif(current_setting(setting_name, true), '')) where setting_name <> 'pg_net.public_access';
$$;

-- _setting(setting_name): what applies now.
create or replace function net._setting(setting_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce((select net._usable(c.name, c.value) from net.config c where c.name = setting_name),
                    net._placeholder(setting_name),
                    (select d.value from net._defaults() d where d.name = setting_name));
$$;

-- set_config(name, value): note a setting down, for all sessions of this database, at once. name: with or without `pg_net.`.
-- 42704 for a name that is no setting, 22023 for a value that it cannot have. Senders hear of it when this commits.
create or replace function net.set_config(name text, value text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    full_name text := net._setting_name(name);
    meant text := net._setting_value(full_name, value);
begin
    insert into net.config (name, value) values (full_name, meant)
    on conflict on constraint config_pkey do update set value = excluded.value, set_by = current_user, set_at = clock_timestamp();
    perform net._config_changed(full_name);
end
$$;

-- reset_config(name): back to the server's own placeholder of this name or, if there is none, to the default.
create or replace function net.reset_config(name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    full_name text := net._setting_name(name);
begin
    delete from net.config c where c.name = full_name;
    perform net._config_changed(full_name);
end
$$;

-- show_config(): every setting, what applies now, and where that comes from: set_config, the server, or the default.
create or replace function net.show_config()
returns table (name text, value text, source text, says text) language sql stable set search_path = pg_catalog, pg_temp as $$
    select d.name, net._setting(d.name),
           case when c.name is not null then 'set_config' when net._placeholder(d.name) is not null then 'server' else 'default' end,
           d.says
    from net._defaults() d left join net.config c on c.name = d.name order by d.name;
$$;

-- _setting_name(name): in full; 42704 if there is none of this name.
create or replace function net._setting_name(name text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    full_name text := 'pg_net.' || regexp_replace(lower(name), '^pg_net\.', '');
begin
    if not exists (select from net._defaults() d where d.name = full_name) then
        raise exception 'there is no setting %', coalesce(to_json(name)::text, 'NULL') using errcode = 'undefined_object',
            hint = 'Settings are: ' || (select string_agg(d.name, ', ' order by d.name) from net._defaults() d);
    end if;
    return full_name;
end
$$;

-- _setting_value(full_name, value): as it is noted down; 22023 if the setting cannot have it.
create or replace function net._setting_value(full_name text, value text)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    allowed text := case
        when full_name = 'pg_net.batch_size' then 'an integer from 0 to 32767'
        when full_name = 'pg_net.public_access' then 'on or off'
        when full_name in ('pg_net.ttl', 'pg_net.queue_retention', 'pg_net.dead_retention') then 'an interval from 0 to 100 years, as in 6 hours'
        else 'a text' end;
begin
    if full_name = 'pg_net.batch_size' and value::integer between 0 and 32767 then
        return value::integer;
    elsif full_name = 'pg_net.public_access' and value is not null then
        return case when value::boolean then 'on' else 'off' end;
    elsif allowed like 'an interval%' and value::interval between '0' and '100 years' or allowed = 'a text' and value is not null then
        return value;
    end if;
    raise invalid_parameter_value;
exception when data_exception then
    raise exception '% must be %, not %', full_name, allowed, coalesce(quote_literal(value), 'NULL')
        using errcode = 'invalid_parameter_value', hint = format('Back to its default: select net.reset_config(%L)', full_name);
end
$$;

-- _config_changed(full_name): what follows from a change.
create or replace function net._config_changed(full_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if full_name = 'pg_net.public_access' then
        perform net._apply_access();
    end if;
    perform pg_notify('hanjul_net', 'config');
end
$$;
