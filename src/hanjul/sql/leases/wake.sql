-- Wake-ups. A consumer that has found its queue empty holds a shared advisory lock on (1751215722, hash of the queue)
-- from the connection that listens. A sender tries the same lock exclusively: if it gets it, nobody waits, and it gives
-- it back at once; if not, it notifies, unless even a shared lock is refused: then it has met another sender in the act,
-- and nobody waits. So senders pay for NOTIFY (a lock over all databases at commit) only while somebody is idle, and a
-- waiter that dies takes its lock with it.
-- A transaction that is to be prepared for a second phase must not notify: after `set local hanjul.notify = off` it does
-- not, and its messages are found by polling.
-- A sender that looked before the waiter took its lock, and commits after the waiter's last look, is found by the
-- waiter's polling, whose interval starts small.

-- wake(queue_name): tell waiting consumers, when this transaction commits, to look at the queue again.
create or replace function hanjul.wake(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    folded text := lower(queue_name);
    key integer := hashtext(folded);
begin
    -- one expression: pgmq/wake.sql tells why, it asks the same
    if (case when pg_try_advisory_lock(1751215722, key)
             then not pg_advisory_unlock(1751215722, key)
             when pg_try_advisory_lock_shared(1751215722, key)
             then pg_advisory_unlock_shared(1751215722, key)
             else false end
        and coalesce(current_setting('hanjul.notify', true), '') <> 'off') then
        perform pg_notify('hanjul', folded);
    end if;
end
$$;

-- wait(queue_names): what a waiting consumer takes, in the order given; session locks, so never through a pooler.
create or replace function hanjul.wait(queue_names text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pg_advisory_lock_shared(1751215722, hashtext(lower(q))) from unnest(queue_names) q;
end
$$;

-- unwait(queue_names): give back what wait took.
create or replace function hanjul.unwait(queue_names text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pg_advisory_unlock_shared(1751215722, hashtext(lower(q))) from unnest(queue_names) q;
end
$$;

-- ready(queue_names): seconds until each queue's next message is due; 0 or less: now. Queues with nothing are left out.
create or replace function hanjul.ready(queue_names text[])
returns table (queue_name text, due_in_s double precision)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off
set jit = off as $$
declare
    qtable text;
    next_at text;
begin
    foreach queue_name in array queue_names loop
        qtable := pgmq.format_table_name(queue_name, 'q');
        if to_regclass(format('pgmq.%I', qtable)) is null then
            continue;
        end if;
        next_at := 'select min(m.vt) from pgmq.%1$I m';
        if hanjul.counts_releases(qtable) and to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'b'))) is not null then
            next_at := $next$
                select least(
                    (select c.due from pgmq.%1$I c where c.due is not null order by c.due limit 1),
                    (select c.vt from pgmq.%1$I c
                     where c.due is null and c.msg_id >= (select b.last_value from pgmq.%2$I b) and c.vt <= clock_timestamp()
                     order by c.due, c.msg_id limit 1),
                    (select min(c.vt) from (
                        select c.vt from pgmq.%1$I c
                        where c.due is null and c.msg_id >= (select b.last_value from pgmq.%2$I b)
                        order by c.due, c.msg_id limit 2000) c))
            $next$;
        end if;
        execute format('select extract(epoch from (' || next_at || ') - clock_timestamp())', qtable,
                       pgmq.format_table_name(queue_name, 'b')) into due_in_s;
        if coalesce(due_in_s, 1) > 0 and hanjul._planned('claim', queue_name) is not null then
            if pgmq._missed(queue_name) then  -- an if of its own: the pgmq extension has no such function
                due_in_s := 0;  -- a slow sender's, below the scan bound
            end if;
        end if;
        if due_in_s is not null then
            return next;
        end if;
    end loop;
end
$$;
