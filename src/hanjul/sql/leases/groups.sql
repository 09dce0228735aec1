-- Claiming groups in order: pgmq.read_grouped_head for workers.

-- claim_groups(queue_name, lease_s, qty): as hanjul.claim, of up to `qty` groups the oldest message of each; a group whose
-- oldest message is leased or delayed gives none. So a group's messages are handled one at a time, whoever handles them.
create or replace function hanjul.claim_groups(queue_name text, lease_s double precision, qty integer)
returns table (msg_id bigint, attempt integer, released integer, enqueued_at timestamp with time zone, message text, headers text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    planned text := hanjul._planned('claim_groups', queue_name);
begin
    if planned is null then  -- the pgmq extension's own; whole seconds are all it knows
        return query select m.msg_id, m.read_ct, 0, m.enqueued_at, m.message::text, m.headers::text
                     from pgmq.read_grouped_head(queue_name, ceil(lease_s)::integer, qty) m;
    else
        return query execute format('select * from %s($1, $2)', planned) using lease_s, qty;
    end if;
end
$$;

-- ready_groups(queue_names): as hanjul.ready, for consumers that claim groups: a message that waits for another of its
-- group is not ready. Seconds until a group is, or may be, because a lease or a delay ends; queues with nothing, and those
-- of the pgmq extension, are left out. Of a queue with very many messages that wait it says now and then that it is
-- ready, because another group may stand behind them.
create or replace function hanjul.ready_groups(queue_names text[])
returns table (queue_name text, due_in_s double precision)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off
set jit = off as $$
begin
    foreach queue_name in array queue_names loop
        continue when hanjul._planned('claim_groups', queue_name) is null;
        execute format($ready$
            with seen as materialized (
                (select m.msg_id, not (%4$s) as bare, %3$s as grp from pgmq.%1$I m
                 where m.due is null and m.msg_id >= (select b.last_value from pgmq.%2$I b) and m.vt <= $1
                 order by m.due, m.msg_id limit 500)
                union all
                (select m.msg_id, not (%4$s), %3$s from pgmq.%1$I m where m.due <= $1 order by m.due limit 500))
            select case
                when exists (
                    select from seen s
                    where case when s.bare
                        then (select m.vt from pgmq.%1$I m where not (%4$s) and m.msg_id <= s.msg_id order by m.msg_id limit 1)
                        else (select m.vt from pgmq.%1$I m where %4$s and %3$s = s.grp
                              order by %3$s, m.msg_id limit 1) end <= $1)
                    or (select count(*) from seen) >= 500 and random() < 0.2
                then 0
                else extract(epoch from least(
                    (select m.due from pgmq.%1$I m where m.due > $1 order by m.due limit 1),
                    (select min(c.vt) from (
                        select m.vt from pgmq.%1$I m
                        where m.due is null and m.msg_id >= (select b.last_value from pgmq.%2$I b)
                        order by m.due, m.msg_id limit 2000) c
                     where c.vt > $1)) - $1) end
        $ready$, pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'b'), pgmq._group('m'), pgmq._has_group('m'))
            into due_in_s using clock_timestamp();
        if coalesce(due_in_s, 1) > 0 and pgmq._missed(queue_name) then
            due_in_s := 0;
        end if;
        if due_in_s is not null then
            return next;
        end if;
    end loop;
end
$$;
