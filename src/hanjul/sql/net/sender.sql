-- What a sender asks about itself.

-- sender_settings(): what applies now. batch_size: requests a second; null: as many as go.
create or replace function net.sender_settings()
returns table (batch_size integer) language sql stable set search_path = pg_catalog, pg_temp as $$
    select net._setting('pg_net.batch_size')::integer;
$$;
