-- Settings by the extension's names, on servers where nobody may ALTER SYSTEM. A setting is, in this order: what set_config
-- wrote down; the server's own placeholder of the name (`alter database ... set pg_net.ttl = ...`); the default.

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

-- _setting(setting_name): what applies now.
create or replace function net._setting(setting_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce((select c.value from net.config c where c.name = setting_name),
                    nullif(current_setting(setting_name, true), ''),
                    (select d.value from net._defaults() d where d.name = setting_name));
$$;
