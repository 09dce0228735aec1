-- Reading groups in order. A message's group is its header x-pgmq-group; those without one are a group too. A group is
-- eligible while its oldest message is visible, and what is read of it is its oldest messages without a gap: the first
-- hidden one ends it. So its messages are handled in order.
-- Locks: row locks on the messages taken only; SKIP LOCKED: nobody waits. Whoever has locked the group's oldest message has
-- the group; groups that an open transaction holds do not keep others from theirs.
-- Why in order: a group is looked at by one statement, whose snapshot holds every message that was committed before the
-- youngest it shows was sent. The oldest is locked first, and only while it is visible still, then the others up to the
-- first that is hidden or locked by now. What is older and not there is gone for good, or its sender commits only now.

-- _group(alias): the expression that groups are told apart by: a hash, because a header can be longer than an index entry.
create or replace function pgmq._group(alias text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('hashtextextended(coalesce(%s.headers ->> ''x-pgmq-group'', ''_default_fifo_group''), 0)', alias);
$$;

-- _has_group(alias): whether a message names a group. Only such are in the index of groups: whoever has headers for other
-- purposes does not pay for it.
create or replace function pgmq._has_group(alias text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('(%s.headers ->> ''x-pgmq-group'') is not null', alias);
$$;

-- create_fifo_index(queue_name): the index of groups. Queues have it from the start; one that was taken over may not.
create or replace function pgmq.create_fifo_index(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
begin
    execute format('create index if not exists %I on pgmq.%I ((%s), msg_id) where %s',
                   pgmq._fifo_index_name(qtable), qtable, replace(pgmq._group('q'), 'q.', ''), replace(pgmq._has_group('q'), 'q.', ''));
end
$$;

create or replace function pgmq._fifo_index_name(qtable text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when octet_length(qtable) <= 54 then qtable || '_fifo_idx' else 'fifo_idx_' || md5(qtable) end;
$$;

create or replace function pgmq.create_fifo_indexes_all()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq.create_fifo_index(m.queue_name) from pgmq.meta m;
end
$$;

-- _groups(): the query for groups to take from, perhaps more than once each; read lazily, it goes no further than its
-- reader does. `ts`: the time; `enough`: how many visible messages are walked over before the index of groups is asked.
create or replace function pgmq._groups()
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select $query$
    with recursive visible as materialized (
        (select {group m} as grp, m.msg_id from {q} m
         where not exists (select from {q} p where p.due <= ts)
           and m.due is null and m.msg_id >= (select b.last_value from {b} b) and m.vt <= ts
         order by m.due, m.msg_id limit enough)
        union all
        (select n.grp, n.msg_id from (
             (select {group m} as grp, m.msg_id from {q} m
              where m.due is null and m.msg_id >= (select b.last_value from {b} b) and m.vt <= ts
              order by m.due, m.msg_id limit enough)
             union all
             (select {group m}, m.msg_id from {q} m where m.due <= ts order by m.due limit enough)) n
         where exists (select from {q} p where p.due <= ts)
         order by n.msg_id)),
    oldest as (
        (select {group m} as grp, m.msg_id, m.vt from {q} m where {has group m} order by {group m}, m.msg_id limit 1)
        union all
        select n.grp, n.msg_id, n.vt from oldest o cross join lateral (
            select {group m} as grp, m.msg_id, m.vt from {q} m
            where {has group m} and {group m} > o.grp order by {group m}, m.msg_id limit 1) n)
    select v.grp, v.msg_id from visible v
    where v.grp = {default} or ts >= (select m.vt from {q} m where {has group m} and {group m} = v.grp
                                      order by {group m}, m.msg_id limit 1)
    union all
    (select o.grp, o.msg_id
     from (select * from oldest
           union all
           (select {default}, n.msg_id, n.vt
            from (select m.msg_id, m.vt, not ({has group m}) as bare from {q} m
                  where m.msg_id > (select max(v.msg_id) from visible v)
                  order by m.msg_id limit case when random() < 0.05 then null else 3000 end) n
            where n.bare and n.vt <= ts limit 1)) o
     where (select count(*) from visible) >= enough and o.vt <= ts
     order by o.msg_id)
    $query$;
$$;

-- _plan_grouped(queue_name): three functions of the queue. `heads`: up to `qty` groups to take from.
-- `take`: the oldest messages of one group, locked: up to `qty`, newer than `after`; of the messages without a group only
-- those near `near` are looked for, they have no index.
-- `grouped`: leases up to `qty` messages, at most `depth` of each group at first; if `layered`, then the second of each,
-- and so on.
create or replace function pgmq._plan_grouped(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    heads text := $plan$
#variable_conflict use_column
declare
    enough integer := 500 + 2 * least($2, 10000);
    candidate record;
    tried bigint[] := '{}';
begin
    for candidate in {groups} loop
        exit when cardinality(tried) >= $2;
        continue when candidate.grp = any (tried);
        tried := tried || candidate.grp;
        grp := candidate.grp;
        msg_id := candidate.msg_id;
        return next;
    end loop;
end
    $plan$;
    take text := $plan$
declare
    upto bigint;
    run bigint[] := array(select m.msg_id from {q} m where {has group m} and {group m} = $1 and m.msg_id > $2
                          order by {group m}, m.msg_id limit $4);
    locked bigint[];
    taken bigint[];
begin
    if $1 = {default} then
        upto := coalesce(run[$4], $3 + 1000);
        run := array(
            select n.msg_id from (
                (select m.msg_id from {q} m where not ({has group m}) and m.msg_id > $2 and m.msg_id <= upto
                 order by m.msg_id limit $4)
                union all
                select u.msg_id from unnest(run) u (msg_id) where u.msg_id <= upto) n
            order by n.msg_id limit $4);
    end if;
    select array_agg(m.msg_id) into taken
    from (select m.msg_id from {q} m where m.msg_id = run[1] and m.vt <= $5 for update skip locked) m;
    if taken is not null and cardinality(run) > 1 then
        locked := array(select m.msg_id from {q} m where m.msg_id = any (run[2:]) and m.vt <= $5
                        order by m.msg_id for update skip locked);
        for i in 1 .. cardinality(locked) loop
            exit when locked[i] <> run[i + 1];
            taken := taken || locked[i];
        end loop;
    end if;
    return taken;
end
    $plan$;
    grouped text := $plan$
#variable_conflict use_column
declare
    ts timestamptz := clock_timestamp();
    enough integer := 500 + 2 * least($2, 10000);
    candidate record;
    tried bigint[];
    ids bigint[];
    part bigint[];
    open_groups bigint[];  -- those that we hold and that may have more
    lasts bigint[];        -- the newest message taken of each
    held record;
    depth integer := $3;
begin
    if coalesce($2, 0) <= 0 then
        return;
    end if;
    if random() < 0.0025 * least($2, 100) then
        perform {tidy}();
    end if;
    for look in 1 .. 2 loop
        tried := '{}';
        ids := '{}';
        open_groups := '{}';
        lasts := '{}';
        for candidate in {groups} loop
            continue when candidate.grp = any (tried);
            tried := tried || candidate.grp;
            part := {take}(candidate.grp, 0, candidate.msg_id, least(depth, $2 - cardinality(ids)), ts);
            continue when part is null;
            ids := ids || part;
            open_groups := open_groups || candidate.grp;
            lasts := lasts || part[cardinality(part)];
            exit when cardinality(ids) >= $2;
        end loop;
        exit when look = 2 or cardinality(ids) >= $2 or not {missed}();  -- what it has locked it can take again
    end loop;
    while $4 and cardinality(open_groups) > 0 and cardinality(ids) < $2 loop  -- as many layers as fill at once
        depth := greatest(($2 - cardinality(ids)) / cardinality(open_groups), 1);
        for held in select * from unnest(open_groups, lasts) with ordinality as h (grp, last, n) order by h.n loop
            part := null;
            if cardinality(ids) < $2 then
                part := {take}(held.grp, held.last, held.last, depth, ts);
            end if;
            ids := ids || part;
            open_groups[held.n] := case when cardinality(part) = depth then held.grp end;
            lasts[held.n] := part[depth];
        end loop;
        open_groups := array_remove(open_groups, null);
        lasts := array_remove(lasts, null);
    end loop;
    return query
        with leased as (
            update {q} m set read_ct = m.read_ct + 1, last_read_at = ts, vt = ts + make_interval(secs => $1)
            where m.msg_id = any (ids)
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers, {group m} as grp),
        placed as (
            select l.*, row_number() over of_group as layer, first_value(l.msg_id) over of_group as oldest
            from leased l window of_group as (partition by l.grp order by l.msg_id))
        select p.msg_id, p.read_ct, p.enqueued_at, p.last_read_at, p.vt, p.message, p.headers from placed p
        order by case when $4 then p.layer end, case when $4 then p.oldest end, p.msg_id;
end
    $plan$;
begin
    perform pgmq._plan_one(queue_name, 'heads', '(ts timestamp with time zone, qty integer) returns table (grp bigint, msg_id bigint)',
                           pgmq._one_plan(), pgmq._put_groups(heads, queue_name));
    perform pgmq._plan_one(queue_name, 'take', '(grp bigint, after bigint, near bigint, qty integer, ts timestamp with time zone) returns bigint[]',
                           pgmq._one_plan(), pgmq._put_groups(take, queue_name));
    perform pgmq._plan_one(queue_name, 'grouped', '(vt double precision, qty integer, depth integer, layered boolean) returns setof pgmq.message_record',
                           pgmq._one_plan(), pgmq._put_groups(grouped, queue_name));
end
$$;

-- _put_groups(body, queue_name): what the templates above leave open.
create or replace function pgmq._put_groups(body text, queue_name text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return replace(replace(replace(replace(replace(replace(body,
        '{groups}', pgmq._groups()),
        '{group m}', pgmq._group('m')),
        '{has group m}', pgmq._has_group('m')),
        '{default}', hashtextextended('_default_fifo_group', 0)::text),
        '{heads}', pgmq._shielded(format('pgmq.%I', pgmq._planned_name('heads', queue_name)))),
        '{take}', pgmq._shielded(format('pgmq.%I', pgmq._planned_name('take', queue_name))));
end
$$;

-- read_grouped(queue_name, vt, qty): groups by the age of their oldest message: all that is visible of the first, then of
-- the next, until `qty`. The rows are in the order of their ids.
create or replace function pgmq.read_grouped(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s($1, $2, $2, false)', pgmq._planned('grouped', queue_name)) using vt, qty;
end
$$;

-- read_grouped_rr(queue_name, vt, qty): round robin: the first message of each group, then the second of each, until `qty`.
create or replace function pgmq.read_grouped_rr(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record language plpgsql as $$
begin
    return query execute pg_catalog.format('select * from %s($1, $2, 1, true)', pgmq._planned('grouped', queue_name)) using vt, qty;
end
$$;

-- read_grouped_head(queue_name, vt, qty): the oldest message of each of up to `qty` groups (null: all), the oldest first.
create or replace function pgmq.read_grouped_head(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record language plpgsql as $$
begin
    if qty operator(pg_catalog.<) 0 then
        raise exception 'LIMIT must not be negative' using errcode = '2201W';
    end if;
    return query execute pg_catalog.format('select * from %s($1, coalesce($2, 2147483647), 1, false)', pgmq._planned('grouped', queue_name))
        using vt, qty;
end
$$;
