-- Names of queues: which are allowed, and which table belongs to one.

-- format_table_name(queue_name, prefix): the folded table name, `q_<name>` or `a_<name>`; refuses characters that end a
-- statement. A name that the server would cut to 63 bytes has no queue: cut, it could be the name of another.
create or replace function pgmq.format_table_name(queue_name text, prefix text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    table_name text := lower(prefix || '_' || queue_name);
begin
    if queue_name ~ '[$;'']|--' then
        raise exception E'queue name contains invalid characters: $, ;, --, or \\'''  -- E: in every session one backslash
            using detail = format('queue name: %s', queue_name);
    end if;
    if octet_length(table_name) > 63 then
        raise exception 'relation "pgmq.%" does not exist', table_name using errcode = 'undefined_table';
    end if;
    return table_name;
end
$$;

-- validate_queue_name(queue_name): 47 characters, and 61 bytes because `q_<name>` is an identifier of at most 63.
create or replace function pgmq.validate_queue_name(queue_name text)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if char_length(queue_name) > 47 then
        raise exception 'queue name is too long, maximum length is 47 characters'
            using detail = format('queue name: %s (%s characters)', queue_name, char_length(queue_name));
    end if;
    if octet_length(lower(queue_name)) > 61 then
        raise exception 'queue name is too long, maximum length is 61 bytes'
            using detail = format('queue name: %s (%s bytes)', queue_name, octet_length(lower(queue_name)));
    end if;
end
$$;

-- acquire_queue_lock(queue_name): held to the end of the transaction by whoever creates or drops the queue.
-- The key is a contract: other clients take the same lock before DDL of their own.
create or replace function pgmq.acquire_queue_lock(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtext('pgmq.queue_' || queue_name));
end
$$;
