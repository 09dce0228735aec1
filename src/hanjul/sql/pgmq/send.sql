-- Sending. Every form ends in _send or _send_batch: one insert, then a wake-up for consumers that wait.
-- Locks: none that another sender could wait for.

create or replace function pgmq._send(queue_name text, msg jsonb, headers jsonb, vt timestamp with time zone)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    sent bigint;
begin
    execute format('insert into pgmq.%I (vt, message, headers) values ($1, $2, $3) returning msg_id',
                   pgmq.format_table_name(queue_name, 'q'))
        into sent using vt, msg, headers;
    perform pgmq._wake(queue_name);
    return sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return next pgmq._send(queue_name, msg, null, clock_timestamp());
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return next pgmq._send(queue_name, msg, headers, clock_timestamp());
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, delay integer)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return next pgmq._send(queue_name, msg, null, clock_timestamp() + make_interval(secs => delay));
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, delay timestamp with time zone)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return next pgmq._send(queue_name, msg, null, delay);
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return next pgmq._send(queue_name, msg, headers, clock_timestamp() + make_interval(secs => delay));
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamp with time zone)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return next pgmq._send(queue_name, msg, headers, delay);
end
$$;
