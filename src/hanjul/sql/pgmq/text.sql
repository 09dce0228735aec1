-- Untyped last arguments. `pgmq.send('q', '{}', '{"x-pgmq-group": "a"}')` fits headers as well as a delay, so PostgreSQL
-- refuses it, unless there is a candidate that takes text: that one it prefers, and only for what has no type. No call
-- that PGMQ itself can resolve ends here, except send_topic's untyped delay, which means the same here.
-- The text says what it is: digits are seconds, a JSON object is headers (null: none), all else is a point in time.

-- _is_headers(argument): whether it is meant as headers; of a batch, `{...}` is an array of them.
create or replace function pgmq._is_headers(argument text)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return argument is null or argument ~ '^[[:space:]]*([{]|null[[:space:]]*$)';
end
$$;

-- _moment(argument): so many seconds from now, or the time that it tells.
create or replace function pgmq._moment(argument text)
returns timestamp with time zone language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if argument ~ '^[[:space:]]*[+-]?[0-9]+[[:space:]]*$' then
        return clock_timestamp() + make_interval(secs => argument::integer);
    end if;
    return argument::timestamptz;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, delay text)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if pgmq._is_headers(delay) then
        return query select * from pgmq.send(queue_name, msg, delay::jsonb);
    else
        return query select * from pgmq.send(queue_name, msg, pgmq._moment(delay));
    end if;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay text)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send(queue_name, msg, headers, pgmq._moment(delay));
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], delay text)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if pgmq._is_headers(delay) then
        return query select * from pgmq.send_batch(queue_name, msgs, nullif(delay, 'null')::jsonb[]);
    else
        return query select * from pgmq.send_batch(queue_name, msgs, pgmq._moment(delay));
    end if;
end
$$;

create or replace function pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay text)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch(queue_name, msgs, headers, pgmq._moment(delay));
end
$$;

-- A topic's delay is seconds alone.
create or replace function pgmq.send_topic(routing_key text, msg jsonb, delay text)
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if delay ~ '^[[:space:]]*[{]' then
        return pgmq.send_topic(routing_key, msg, delay::jsonb);
    end if;
    return pgmq.send_topic(routing_key, msg, delay::integer);
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay text)
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if pgmq._is_headers(delay) then
        return query select * from pgmq.send_batch_topic(routing_key, msgs, nullif(delay, 'null')::jsonb[]);
    else
        return query select * from pgmq.send_batch_topic(routing_key, msgs, pgmq._moment(delay));
    end if;
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay text)
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch_topic(routing_key, msgs, headers, pgmq._moment(delay));
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_id bigint, vt text)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.set_vt(queue_name, msg_id, pgmq._moment(vt));
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_ids bigint[], vt text)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.set_vt(queue_name, msg_ids, pgmq._moment(vt));
end
$$;

-- set_vt(queue_name, msg_id, vt): msg_id is one id, or an array of them: {1,2}.
create or replace function pgmq.set_vt(queue_name text, msg_id text, vt text)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if msg_id ~ '^[[:space:]]*[{]' then
        return query select * from pgmq.set_vt(queue_name, msg_id::bigint[], pgmq._moment(vt));
    else
        return query select * from pgmq.set_vt(queue_name, msg_id::bigint, pgmq._moment(vt));
    end if;
end
$$;
