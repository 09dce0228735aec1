-- send_many(queue_name, batch): what a client puts together from concurrent sends. `batch` is a JSON array of
-- [message, headers or null, delay in seconds or null], of which the nulls at the end may be left out; the ids come in that
-- order. One text is the cheapest way to carry many messages: it is parsed once, by the server.
create or replace function hanjul.send_many(queue_name text, batch jsonb)
returns setof bigint language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned('send_many', queue_name);
begin
    if planned is null then
        return query select * from hanjul._send_many_upstream(queue_name, batch);
    else
        return query execute pg_catalog.format('select %s($1)', planned) using batch;
    end if;
end
$$;

-- _send_many_upstream(...): the same into a table that the pgmq extension made.
create or replace function hanjul._send_many_upstream(queue_name text, batch jsonb)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($send$
        insert into pgmq.%I (vt, message, headers)
        select $1 + make_interval(secs => coalesce((e ->> 2)::double precision, 0)),
               case when jsonb_array_length(e) > 0 then e -> 0 end,  -- refuses what is not an array
               nullif(e -> 1, 'null'::jsonb)
        from jsonb_array_elements($2) as e
        returning msg_id
    $send$, pgmq.format_table_name(queue_name, 'q'))
        using clock_timestamp(), batch;
    perform hanjul.wake(queue_name);
end
$$;
