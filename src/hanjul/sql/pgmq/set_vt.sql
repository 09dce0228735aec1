-- set_vt: move the moment at which messages become visible, whatever their state. hanjul.extend is the fenced form.
-- Locks: the rows named, in the order of their ids.

create or replace function pgmq._plan_set_vt(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_one(queue_name, 'set_vt', '(msg_ids bigint[], vt timestamp with time zone) returns setof pgmq.message_record',
                           pgmq._one_scan(), $plan$
begin
    return query {by id}
        update {q} m set vt = $2 where m.msg_id = any ($1)
        returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers{end};
    if found and {waited} then
        perform pg_notify('hanjul', {name});
    end if;
end
    $plan$);
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s($1, $2)', pgmq._planned('set_vt', queue_name)) using msg_ids, vt;
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s($1, $2)', pgmq._planned('set_vt', queue_name))
        using msg_ids, pg_catalog.clock_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(secs => vt);
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s(array[$1], $2)', pgmq._planned('set_vt', queue_name))
        using msg_id, vt;
end
$$;

create or replace function pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s(array[$1], $2)', pgmq._planned('set_vt', queue_name))
        using msg_id, pg_catalog.clock_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(secs => vt);
end
$$;
