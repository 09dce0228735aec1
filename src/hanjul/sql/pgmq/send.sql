-- Sending. Every form ends in the queue's own function `send`: one insert, then a wake-up for consumers that wait.
-- Locks: none that another sender could wait for.
-- A search path costs as much as half the insert: here everything is written out with its schema instead.

create or replace function pgmq._plan_send(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_one(queue_name, 'send', '(msg jsonb, headers jsonb, vt timestamp with time zone) returns bigint', '', $plan$
declare
    sent bigint;
begin
    insert into {q} (vt, message, headers, due)
    values ($3, $1, $2, case when $3 operator(pg_catalog.>) pg_catalog.clock_timestamp() then $3 end)
    returning msg_id into sent;
    if {waited} then
        perform pg_catalog.pg_notify('hanjul', {name});
    end if;
    return sent;
end
    $plan$);
    perform pgmq._plan_one(queue_name, 'send_batch',
                           '(msgs jsonb[], headers jsonb[], vt timestamp with time zone) returns setof bigint', '', $plan$
begin
    return query
        insert into {q} (vt, message, headers, due)
        select $3, pg_catalog.unnest($1), pg_catalog.unnest($2),  -- not as tables, which would be stored first
               case when $3 operator(pg_catalog.>) pg_catalog.clock_timestamp() then $3 end
        returning msg_id;
    if {waited} then
        perform pg_catalog.pg_notify('hanjul', {name});
    end if;
end
    $plan$);
end
$$;

-- _send(queue_name, msg, headers, vt): for functions that send to several queues.
create or replace function pgmq._send(queue_name text, msg jsonb, headers jsonb, vt timestamp with time zone)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    sent bigint;
begin
    execute format('select %s($1, $2, $3)', pgmq._planned('send', queue_name)) into sent using msg, headers, vt;
    return sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb)
returns setof bigint language plpgsql as $$
declare
    sent bigint;
begin
    execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send', queue_name))
        into sent using msg, null::pg_catalog.jsonb, pg_catalog.clock_timestamp();
    return next sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb)
returns setof bigint language plpgsql as $$
declare
    sent bigint;
begin
    execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send', queue_name))
        into sent using msg, headers, pg_catalog.clock_timestamp();
    return next sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, delay integer)
returns setof bigint language plpgsql as $$
declare
    sent bigint;
begin
    execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send', queue_name))
        into sent using msg, null::pg_catalog.jsonb, pg_catalog.clock_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(secs => delay);
    return next sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, delay timestamp with time zone)
returns setof bigint language plpgsql as $$
declare
    sent bigint;
begin
    execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send', queue_name))
        into sent using msg, null::pg_catalog.jsonb, delay;
    return next sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer)
returns setof bigint language plpgsql as $$
declare
    sent bigint;
begin
    execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send', queue_name))
        into sent using msg, headers, pg_catalog.clock_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(secs => delay);
    return next sent;
end
$$;

create or replace function pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamp with time zone)
returns setof bigint language plpgsql as $$
declare
    sent bigint;
begin
    execute pg_catalog.format('select %s($1, $2, $3)', pgmq._planned('send', queue_name))
        into sent using msg, headers, delay;
    return next sent;
end
$$;
