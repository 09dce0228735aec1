-- Finding what can be read: the visible messages with the smallest ids that nobody has locked, as `ids`.
-- Messages that were sent without a delay are found along the index (due, msg_id), where due is null, from the queue's
-- scan bound on. Parked ones, delayed or long in the way, are in the same index by the time they are due; only when one
-- is due are both looked at, and of very many that are due those that were first. The first statement is all that most reads
-- need; it finds nothing if a parked message is due. What only others need is asked in statements of their own: an
-- expression with a query in it is one, and each is set up in every transaction.
-- Locks: row locks on the messages found only; SKIP LOCKED, so readers never wait for one another.

-- _find(): the PL/pgSQL block; `ts`: what the clock says, once: compared row by row, a volatile clock would rule out every
-- index; `qty`: how many at most, null for all.
create or replace function pgmq._find()
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '
    if random() < 0.02 + 0.006 * least(qty, 40) then
        perform {advance}();
    end if;
    for look in 1 .. 2 loop
        ids := array(
            select c.msg_id from {q} c
            where not exists (select from {q} p where p.due <= ts)
              and c.due is null and c.msg_id >= (select b.last_value from {b} b) and c.vt <= ts
            order by c.due, c.msg_id limit qty for update skip locked);
        exit when cardinality(ids) >= qty;
        if exists (select from {q} c where c.due <= ts) then
            ids := array(
                select c.msg_id from {q} c
                where c.vt <= ts and c.msg_id = any (
                    array(select c.msg_id from {q} c
                          where c.due is null and c.msg_id >= (select b.last_value from {b} b) and c.vt <= ts
                          order by c.due, c.msg_id limit qty::bigint + 100)
                    || array(select c.msg_id from {q} c where c.due <= ts order by c.due limit qty::bigint + 256))
                order by c.msg_id limit qty for update skip locked);
            if cardinality(ids) < qty then  -- others hold those that were looked at: whatever else there is
                ids := ids || array(
                    select c.msg_id from {q} c
                    where c.due <= ts and c.vt <= ts and c.msg_id <> all (ids)
                    order by c.due limit qty - cardinality(ids) for update skip locked);
                ids := ids || array(
                    select c.msg_id from {q} c
                    where c.due is null and c.msg_id >= (select b.last_value from {b} b) and c.vt <= ts and c.msg_id <> all (ids)
                    order by c.due, c.msg_id limit qty - cardinality(ids) for update skip locked);
            end if;
        end if;
        exit when look = 2 or cardinality(ids) >= qty or qty is null or qty <= 0 or not {missed}();
    end loop;
    if clock_timestamp() > ts + interval ''2 milliseconds'' then
        perform {park}();
    end if;';
$$;
