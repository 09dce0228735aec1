-- The queue's own functions behind hanjul.claim, hanjul.send_many and those that settle deliveries (leases/settle.sql,
-- leases/dead_letter.sql), which tell what they promise.

-- _plan_settling(queue_name): the settlements. All are one statement and then the question whether it did all: what was
-- refused costs a second one. `fence`: a pair of $1 and $2 is the newest delivery of the message m, and not settled before;
-- pairs are looked up only where their attempts differ. `closed`: the message stays and may be due: repeating that is no
-- refusal, and consumers are woken.
create or replace function pgmq._plan_settling(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    pairs text := 'msg_ids bigint[], attempts integer[]';
    body text := $plan$
#variable_conflict use_column
declare
    ts timestamptz := clock_timestamp();
    alike boolean := cardinality($1) = cardinality($2) and $2[1] = all ($2);
    done_ids bigint[];
    done_attempts integer[];
begin
    with {done}
    select array_agg(d.msg_id), array_agg(d.read_ct) into done_ids, done_attempts from done d;
    if cardinality($1) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused({table}, $1, $2, done_ids, done_attempts, {closed});
    end if;
    if {closed} and {waited} then
        perform pg_notify('hanjul', {name});
    end if;
end
    $plan$;
    fence text := 'm.msg_id = any ($1) and m.settled < m.read_ct and '
        'case when alike then m.read_ct = $2[1] else (m.msg_id, m.read_ct) in (select * from unnest($1, $2)) end';
    postpone text := $plan$
    lease as materialized (select * from unnest($1, $2, $3) as u (msg_id, attempt, delay_s) order by 1),
    done as (
        update {q} m set vt = ts + make_interval(secs => l.delay_s), settled = m.read_ct{also}
        from lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt and m.settled < m.read_ct
        returning m.msg_id, m.read_ct)$plan$;
    name text;
    arguments text;
    done text;
    closed boolean;
begin
    for name, arguments, done, closed in values
        ('ack', pairs, format('done as (delete from {q} m where %s returning m.msg_id, m.read_ct)', fence), false),
        ('ack_to_archive', pairs, format($plan$
    done as (
        delete from {q} m where %s
        returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers),
    kept as (
        insert into {a} (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers) select * from done)$plan$, fence), false),
        ('nack', pairs || ', delays_s double precision[]', replace(postpone, '{also}', ''), true),
        ('release', pairs || ', delays_s double precision[]', replace(postpone, '{also}', ', released = m.released + 1'), true),
        ('extend', pairs || ', lease_s double precision', format($plan$
    done as (
        update {q} m set vt = ts + make_interval(secs => $3) where %s returning m.msg_id, m.read_ct)$plan$, fence), false),
        ('reject', pairs || ', reasons text[], errors text[]', $plan$
    lease as materialized (select * from unnest($1, $2, $3, $4) as u (msg_id, attempt, reason, error) order by 1),
    done as (
        delete from {q} m using lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt and m.settled < m.read_ct
        returning m.msg_id, m.read_ct, m.read_ct - m.released as charged, m.enqueued_at, m.message, m.headers, l.reason, l.error),
    dead as (
        insert into hanjul.dead_letter (queue_name, msg_id, attempts, reason, error, enqueued_at, message, headers)
        select {name}, d.msg_id, d.charged, d.reason, left(d.error, 2048), d.enqueued_at, d.message, d.headers
        from done d order by d.msg_id)$plan$, false)
    loop
        perform pgmq._plan_one(queue_name, name, format('(%s) returns table (msg_id bigint, attempt integer, held_by integer)', arguments),
            pgmq._one_plan(), replace(replace(replace(body, '{done}', done),
            '{table}', pgmq._shielded(quote_literal(pgmq.format_table_name(queue_name, 'q')))), '{closed}', closed::text));
    end loop;
end
$$;

create or replace function pgmq._plan_leases(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_settling(queue_name);
    perform pgmq._plan_one(queue_name, 'claim', $plan$(lease_s double precision, qty integer) returns table (
        msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)$plan$,
                           pgmq._one_scan(), $plan$
#variable_conflict use_column
declare
    ts timestamptz := clock_timestamp();
    ids bigint[];
begin
    {find}
    return query {by id}
        update {q} m set read_ct = m.read_ct + 1, last_read_at = ts, vt = ts + make_interval(secs => $1)
        where m.msg_id = any (ids)
        returning m.msg_id, m.read_ct, m.released, m.enqueued_at, m.message::text, m.headers::text{end};
end
    $plan$);
    perform pgmq._plan_one(queue_name, 'claim_groups', $plan$(lease_s double precision, qty integer) returns table (
        msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)$plan$,
                           pgmq._one_scan(), replace($plan$
#variable_conflict use_column
declare
    ids bigint[] := array(select g.msg_id from {grouped}($1, $2, 1, false) g);
begin
    return query  -- a statement of its own: the one above does not see messages that were sent while it began
        select m.msg_id, m.read_ct, m.released, m.enqueued_at, m.message::text, m.headers::text
        from {q} m where m.msg_id = any (ids) order by m.msg_id;
end
    $plan$, '{grouped}', pgmq._shielded(format('pgmq.%I', pgmq._planned_name('grouped', queue_name)))));
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
