-- The queue's own functions behind hanjul.claim, hanjul.ack and hanjul.send_many, which tell what they promise. Of the
-- calls that workers make these are the ones that every message passes.

create or replace function pgmq._plan_leases(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    refused text := 'returns table (msg_id bigint, attempt integer, held_by integer)';
    ack text := $plan$
#variable_conflict use_column
declare
    done_ids bigint[];
    done_attempts integer[];
begin
    with lease as materialized (select * from unnest($1, $2) as u (msg_id, attempt) order by 1),
    done as (
        delete from {q} m using lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt and m.settled < m.read_ct
        returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers){kept}
    select array_agg(d.msg_id), array_agg(d.read_ct) into done_ids, done_attempts from done d;
    if cardinality($1) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused({table}, $1, $2, done_ids, done_attempts);
    end if;
end
    $plan$;
    kept text := ',
    kept as (
        insert into {a} (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers)
        select d.msg_id, d.read_ct, d.enqueued_at, d.last_read_at, d.vt, d.message, d.headers from done d)';
begin
    ack := replace(ack, '{table}', quote_literal(pgmq.format_table_name(queue_name, 'q')));
    perform pgmq._plan_one(queue_name, 'ack', '(msg_ids bigint[], attempts integer[]) ' || refused, pgmq._one_plan(),
                           replace(replace(ack, '{kept}', ''), ', m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers', ''));
    perform pgmq._plan_one(queue_name, 'ack_to_archive', '(msg_ids bigint[], attempts integer[]) ' || refused, pgmq._one_plan(),
                           replace(ack, '{kept}', kept));
    perform pgmq._plan_one(queue_name, 'claim', $plan$(lease_s double precision, qty integer) returns table (
        msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)$plan$,
                           pgmq._one_plan(), $plan$
#variable_conflict use_column
declare
    ts timestamptz := clock_timestamp();
    ids bigint[];
begin
    {find}
    return query
        with leased as (
            update {q} m set read_ct = m.read_ct + 1, last_read_at = ts, vt = ts + make_interval(secs => $1)
            where m.msg_id = any (ids)
            returning m.msg_id, m.read_ct, m.released, m.enqueued_at, m.message::text, m.headers::text)
        select * from leased l order by l.msg_id;
end
    $plan$);
    perform pgmq._plan_one(queue_name, 'claim_groups', $plan$(lease_s double precision, qty integer) returns table (
        msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)$plan$,
                           pgmq._one_plan(), replace($plan$
#variable_conflict use_column
begin
    return query
        select g.msg_id, g.read_ct, (select m.released from {q} m where m.msg_id = g.msg_id), g.enqueued_at,
               g.message::text, g.headers::text
        from {grouped}($1, $2, 1, false) g;
end
    $plan$, '{grouped}', format('pgmq.%I', pgmq._planned_name('grouped', queue_name))));
    perform pgmq._plan_one(queue_name, 'send_many', '(batch jsonb) returns setof bigint', '', $plan$
declare
    ts timestamptz := pg_catalog.clock_timestamp();
begin
    return query
        insert into {q} (vt, message, headers, due)
        select s.vt, s.message, s.headers, case when s.vt operator(pg_catalog.>) ts then s.vt end
        from (
            select ts operator(pg_catalog.+) pg_catalog.make_interval(
                       secs => coalesce((e operator(pg_catalog.->>) 2)::pg_catalog.float8, 0)) as vt,
                   case when pg_catalog.jsonb_array_length(e) operator(pg_catalog.>) 0
                        then e operator(pg_catalog.->) 0 end as message,  -- refuses what is not an array
                   case when (e operator(pg_catalog.->) 1) operator(pg_catalog.<>) 'null'::pg_catalog.jsonb
                        then e operator(pg_catalog.->) 1 end as headers
            from pg_catalog.jsonb_array_elements($1) as e) s
        returning msg_id;
    if {waited} then
        perform pg_catalog.pg_notify('hanjul', {name});
    end if;
end
    $plan$);
end
$$;
