-- Sending many at once: one statement, ids in the order of the array.

-- _validate_batch_params(msgs, headers): an empty batch and unequal lengths are refused.
create or replace function pgmq._validate_batch_params(msgs jsonb[], headers jsonb[])
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if coalesce(array_length(msgs, 1), 0) = 0 then
        raise exception 'msgs cannot be NULL or empty';
    end if;
    if headers is not null and coalesce(array_length(headers, 1), 0) <> array_length(msgs, 1) then
        raise exception 'headers array length (%) must match msgs array length (%)',
            coalesce(array_length(headers, 1), 0), array_length(msgs, 1);
    end if;
end
$$;

-- _send_batch(queue_name, msgs, headers, delay): no validation; missing headers are null.
create or replace function pgmq._send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name)) using msgs, headers, delay;
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[])
returns setof bigint language plpgsql as $$
begin
    perform pgmq._validate_batch_params(msgs, null);
    return query execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name))
        using msgs, null::pg_catalog.jsonb[], pg_catalog.clock_timestamp();
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[])
returns setof bigint language plpgsql as $$
begin
    perform pgmq._validate_batch_params(msgs, headers);
    return query execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name))
        using msgs, headers, pg_catalog.clock_timestamp();
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], delay integer)
returns setof bigint language plpgsql as $$
begin
    perform pgmq._validate_batch_params(msgs, null);
    return query execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name))
        using msgs, null::pg_catalog.jsonb[], pg_catalog.clock_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(secs => delay);
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql as $$
begin
    perform pgmq._validate_batch_params(msgs, null);
    return query execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name))
        using msgs, null::pg_catalog.jsonb[], delay;
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer)
returns setof bigint language plpgsql as $$
begin
    perform pgmq._validate_batch_params(msgs, headers);
    return query execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name))
        using msgs, headers, pg_catalog.clock_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(secs => delay);
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql as $$
begin
    perform pgmq._validate_batch_params(msgs, headers);
    return query execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send_batch', queue_name))
        using msgs, headers, delay;
end
$$;
