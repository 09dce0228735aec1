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

create or replace function pgmq._send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format(
        'insert into pgmq.%I (vt, message, headers) select $1, m, h from unnest($2, $3) as sent (m, h) returning msg_id',
        pgmq.format_table_name(queue_name, 'q'))
        using delay, msgs, headers;
    perform pgmq._wake(queue_name);
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[])
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_batch_params(msgs, null);
    return query select * from pgmq._send_batch(queue_name, msgs, null, clock_timestamp());
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[])
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_batch_params(msgs, headers);
    return query select * from pgmq._send_batch(queue_name, msgs, headers, clock_timestamp());
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], delay integer)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_batch_params(msgs, null);
    return query select * from pgmq._send_batch(queue_name, msgs, null, clock_timestamp() + make_interval(secs => delay));
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_batch_params(msgs, null);
    return query select * from pgmq._send_batch(queue_name, msgs, null, delay);
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_batch_params(msgs, headers);
    return query select * from pgmq._send_batch(queue_name, msgs, headers, clock_timestamp() + make_interval(secs => delay));
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_batch_params(msgs, headers);
    return query select * from pgmq._send_batch(queue_name, msgs, headers, delay);
end
$$;
