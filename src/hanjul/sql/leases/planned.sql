-- _planned(operation, queue_name): the queue's own function for this (pgmq/planned.sql tells of them), quoted and with
-- its schema. Null where the pgmq extension is in charge, or there is no such queue: then the statement is built at the
-- call, and the server says what is missing.
create or replace function hanjul._planned(operation text, queue_name text)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    name text := operation || '.' || lower(queue_name);
begin
    if octet_length(name) > 63 then
        name := operation || '.' || md5(lower(queue_name));
    end if;
    return case when to_regproc(format('pgmq.%I', name)) is not null then format('pgmq.%I', name) end;
end
$$;
