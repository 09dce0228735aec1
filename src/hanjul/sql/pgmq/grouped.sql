-- Reading groups in order. A message's group is its header x-pgmq-group; those without one are a group too. A group is
-- eligible while its oldest message is visible, and what is read of it is its oldest messages without a gap: the first
-- hidden one ends it. So its messages are handled in order and one batch at a time.
-- Locks: whoever has locked the group's oldest message has the group. A look before the lock may be out of date, so the
-- group is looked at again, by a statement with a new snapshot, before anything is taken; then the messages are locked
-- too, one that is locked by somebody else ends the group for now. SKIP LOCKED: nobody waits, and groups that an open
-- transaction holds do not keep others from theirs.

-- _group(alias): the expression that groups are told apart by: a hash, because a header can be longer than an index entry.
create or replace function pgmq._group(alias text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('hashtextextended(coalesce(%s.headers ->> ''x-pgmq-group'', ''_default_fifo_group''), 0)', alias);
$$;

-- create_fifo_index(queue_name): the index of groups. Queues have it from the start; one that was taken over may not.
create or replace function pgmq.create_fifo_index(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
begin
    execute format('create index if not exists %I on pgmq.%I ((%s), msg_id) where headers is not null',
                   pgmq._fifo_index_name(qtable), qtable, replace(pgmq._group('q'), 'q.', ''));
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

-- _plan_grouped(queue_name): two functions of the queue. `heads`: the oldest messages of up to `qty` eligible groups, the
-- oldest first. Usually the messages themselves, oldest first, lead to them; where a few groups stand in the way of the
-- others, the index of groups does, at the price of a look at every group.
-- `grouped`: leases up to `qty` messages of up to `qty` groups; at most `depth` of each, by layers if `layered`: the first
-- of each group, then the second of each.
create or replace function pgmq._plan_grouped(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    heads text := $plan$
#variable_conflict use_column
declare
    visible refcursor;
    enough integer := 300 + 2 * $2;
    looked integer := 0;
    found_ids bigint[] := '{}';
    walked bigint := 0;
    bare_head bigint;  -- the oldest message without headers, once it was looked for; 0: there is none
    c record;
begin
    if exists (select from {q} p where p.due <= $1) then
        open visible for
            select n.msg_id, n.grp, (select m.msg_id from {q} m where m.headers is not null and {group m} = n.grp
                                     order by {group m}, m.msg_id limit 1) as head
            from (
                (select m.msg_id, {group m} as grp from {q} m
                 where m.due is null and m.msg_id >= (select b.last_value from {b} b) and m.vt <= $1
                 order by m.due, m.msg_id limit enough)
                union all
                (select m.msg_id, {group m} from {q} m where m.due <= $1 order by m.due limit enough)) n
            order by n.msg_id;
    else
        open visible for
            select m.msg_id, {group m} as grp, (select h.msg_id from {q} h where h.headers is not null and {group h} = {group m}
                                                order by {group h}, h.msg_id limit 1) as head
            from {q} m
            where m.due is null and m.msg_id >= (select b.last_value from {b} b) and m.vt <= $1
            order by m.due, m.msg_id limit enough;
    end if;
    while cardinality(found_ids) < $2 loop
        fetch visible into c;
        exit when not found;
        looked := looked + 1;
        walked := c.msg_id;
        if c.grp = {default} then
            bare_head := coalesce(
                bare_head, (select m.msg_id from {q} m where m.headers is null and m.msg_id <= c.msg_id order by m.msg_id limit 1), 0);
            c.head := least(c.head, nullif(bare_head, 0));
        end if;
        if c.msg_id = c.head then
            found_ids := found_ids || c.msg_id;
            grp := c.grp;
            msg_id := c.msg_id;
            return next;
        end if;
    end loop;
    close visible;
    if cardinality(found_ids) >= $2 or looked < enough then
        return;
    end if;
    bare_head := coalesce(bare_head, (
        select n.msg_id
        from (select m.msg_id, m.headers is null as bare from {q} m where m.msg_id > walked
              order by m.msg_id limit case when random() < 0.02 then null else 10000 end) n
        where n.bare limit 1));
    bare_head := (select m.msg_id from {q} m where m.headers is null and m.msg_id <= bare_head order by m.msg_id limit 1);
    return query
        with recursive g as (
            (select {group m} as grp, m.msg_id, m.vt from {q} m where m.headers is not null order by {group m}, m.msg_id limit 1)
            union all
            select n.grp, n.msg_id, n.vt from g cross join lateral (
                select {group m} as grp, m.msg_id, m.vt from {q} m
                where m.headers is not null and {group m} > g.grp order by {group m}, m.msg_id limit 1) n),
        head as (
            select g.grp, g.msg_id, g.vt from g where g.grp <> {default}
            union all
            (select d.grp, d.msg_id, d.vt
             from (select * from g where g.grp = {default}
                   union all
                   select {default}, m.msg_id, m.vt from {q} m where m.msg_id = bare_head) d
             order by d.msg_id limit 1))
        select h.grp, h.msg_id from head h
        where h.vt <= $1 and h.msg_id <> all (found_ids)
        order by h.msg_id limit $2 - cardinality(found_ids);
end
    $plan$;
    grouped text := $plan$
#variable_conflict use_column
declare
    ts timestamptz := clock_timestamp();
    head record;
    groups bigint[] := '{}';   -- groups that we hold and that may have more
    lasts bigint[] := '{}';    -- the newest message taken of each
    open_groups bigint[];
    open_lasts bigint[];
    ids bigint[] := '{}';      -- what is taken, in the order of the answer
    part bigint[];
begin
    if coalesce($2, 0) <= 0 then
        return;
    end if;
    if random() < 0.0025 * least($2, 100) then
        perform pgmq._tidy({name});
    end if;
    for look in 1 .. 2 loop
        for head in select * from {heads}(ts, $2) loop
            exit when cardinality(ids) >= $2;
            part := {take}(head.grp, 0, head.msg_id, case when $4 then 1 else least($3, $2 - cardinality(ids)) end, ts);
            ids := ids || part;
            if cardinality(part) > 0 then
                groups := groups || head.grp;
                lasts := lasts || part[cardinality(part)];
            end if;
        end loop;
        exit when cardinality(ids) > 0 or not pgmq._missed({name});
    end loop;
    while $4 and cardinality(groups) > 0 and cardinality(ids) < $2 loop  -- the next layer
        open_groups := '{}';
        open_lasts := '{}';
        for i in 1 .. cardinality(groups) loop
            exit when cardinality(ids) >= $2;
            part := {take}(groups[i], lasts[i], null, 1, ts);
            ids := ids || part;
            if cardinality(part) > 0 then
                open_groups := open_groups || groups[i];
                open_lasts := open_lasts || part[1];
            end if;
        end loop;
        groups := open_groups;
        lasts := open_lasts;
    end loop;
    return query
        with leased as (
            update {q} m set read_ct = m.read_ct + 1, last_read_at = ts, vt = ts + make_interval(secs => $1)
            where m.msg_id = any (ids)
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
        select l.* from leased l order by array_position(ids, l.msg_id);
end
    $plan$;
    take text := $plan$
declare
    run bigint[];
    locked bigint[];
    taken bigint[] := '{}';
begin
    if $3 is not null then
        perform from {q} m where m.msg_id = $3 and m.vt <= $5 for update skip locked;
        if not found then
            return '{}';
        end if;
    end if;
    run := array(
        select n.msg_id from (
            (select m.msg_id from {q} m where m.headers is not null and {group m} = $1 and m.msg_id > $2
             order by {group m}, m.msg_id limit $4)
            union all
            (select m.msg_id from {q} m where $1 = {default} and m.headers is null and m.msg_id > $2 order by m.msg_id limit $4)) n
        order by n.msg_id limit $4);
    if run[1] <> $3 then  -- an older one has come, by a sender that was slow to commit
        return '{}';
    end if;
    locked := array(select m.msg_id from {q} m where m.msg_id = any (run) and m.vt <= $5 order by m.msg_id for update skip locked);
    for i in 1 .. cardinality(run) loop
        exit when run[i] is distinct from locked[i];
        taken := taken || run[i];
    end loop;
    return taken;
end
    $plan$;
begin
    perform pgmq._plan_one(queue_name, 'heads', '(ts timestamp with time zone, qty integer) returns table (grp bigint, msg_id bigint)',
                           pgmq._one_plan(), pgmq._put_groups(heads, queue_name));
    perform pgmq._plan_one(queue_name, 'take', '(grp bigint, after bigint, head bigint, qty integer, ts timestamp with time zone) returns bigint[]',
                           pgmq._one_plan(), pgmq._put_groups(take, queue_name));
    perform pgmq._plan_one(queue_name, 'grouped', '(vt integer, qty integer, depth integer, layered boolean) returns setof pgmq.message_record',
                           pgmq._one_plan(), pgmq._put_groups(grouped, queue_name));
end
$$;

-- _put_groups(body, queue_name): what the templates above leave open.
create or replace function pgmq._put_groups(body text, queue_name text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return replace(replace(replace(replace(replace(body,
        '{group m}', pgmq._group('m')),
        '{group h}', pgmq._group('h')),
        '{default}', hashtextextended('_default_fifo_group', 0)::text),
        '{heads}', format('pgmq.%I', pgmq._planned_name('heads', queue_name))),
        '{take}', format('pgmq.%I', pgmq._planned_name('take', queue_name)));
end
$$;

-- read_grouped(queue_name, vt, qty): groups by the age of their oldest message: all that is visible of the first, then of
-- the next, until `qty`.
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

-- read_grouped_head(queue_name, vt, qty): the oldest message of each of up to `qty` groups.
create or replace function pgmq.read_grouped_head(queue_name text, vt integer, qty integer)
returns setof pgmq.message_record language plpgsql as $$
begin
    if qty operator(pg_catalog.<) 0 then
        raise exception 'LIMIT must not be negative' using errcode = '2201W';
    end if;
    return query execute pg_catalog.format('select * from %s($1, $2, 1, false)', pgmq._planned('grouped', queue_name)) using vt, qty;
end
$$;
