-- Sending by routing key: one copy for each queue that the key reaches, all in one transaction, or none.
-- Queues are taken in the order of their names.

-- send_topic(routing_key, msg, headers, delay): how many queues it reached.
create or replace function pgmq.send_topic(routing_key text, msg jsonb, headers jsonb, delay integer)
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    vt timestamptz := clock_timestamp() + make_interval(secs => delay);
    queue text;
    reached integer := 0;
begin
    perform pgmq.validate_routing_key(routing_key);
    if msg is null then
        raise exception 'msg cannot be NULL';
    elsif delay < 0 then
        raise exception 'delay cannot be negative, got: %', delay;
    end if;
    for queue in select pgmq._queues_of(routing_key) loop
        perform pgmq._send(queue, msg, headers, vt);
        reached := reached + 1;
    end loop;
    return reached;
end
$$;

create or replace function pgmq.send_topic(routing_key text, msg jsonb)
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pgmq.send_topic(routing_key, msg, null, 0);
end
$$;

create or replace function pgmq.send_topic(routing_key text, msg jsonb, delay integer)
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pgmq.send_topic(routing_key, msg, null, delay);
end
$$;

create or replace function pgmq.send_topic(routing_key text, msg jsonb, headers jsonb)
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pgmq.send_topic(routing_key, msg, headers, 0);
end
$$;

-- send_batch_topic(routing_key, msgs, headers, delay): the id of each copy, queue by queue, in the order of the array.
create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq.validate_routing_key(routing_key);
    perform pgmq._validate_batch_params(msgs, headers);
    for queue_name in select pgmq._queues_of(routing_key) loop
        return query select send_batch_topic.queue_name, sent from pgmq._send_batch(queue_name, msgs, headers, delay) sent;
    end loop;
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[])
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch_topic(routing_key, msgs, null, clock_timestamp());
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[])
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch_topic(routing_key, msgs, headers, clock_timestamp());
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay integer)
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch_topic(
        routing_key, msgs, null, clock_timestamp() + make_interval(secs => delay));
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay timestamp with time zone)
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch_topic(routing_key, msgs, null, delay);
end
$$;

create or replace function pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay integer)
returns table (queue_name text, msg_id bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch_topic(
        routing_key, msgs, headers, clock_timestamp() + make_interval(secs => delay));
end
$$;
