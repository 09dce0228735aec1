-- Wake-ups. A consumer that has found its queue empty holds a shared advisory lock on (1751215722, hash of the queue)
-- from the connection that listens. A sender tries the same lock exclusively: if it gets it, nobody waits, and it gives
-- it back at once; if not, it notifies, unless even a shared lock is refused: then it has met another sender in the act,
-- and nobody waits. So senders pay for NOTIFY (a lock over all databases at commit) only while somebody is idle, and a
-- waiter that dies takes its lock with it.
-- A sender that looked before the waiter took its lock, and commits after the waiter's last look, is found by the
-- waiter's polling, whose interval starts small.

-- wake(queue_name): tell waiting consumers, when this transaction commits, to look at the queue again.
create or replace function hanjul.wake(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    folded text := lower(queue_name);
    key integer := hashtext(folded);
begin
    if (case  -- one expression: between statements a cancel could leave the lock behind, for as long as the session lives
        when pg_try_advisory_lock(1751215722, key) then not pg_advisory_unlock(1751215722, key)
        when pg_try_advisory_lock_shared(1751215722, key) then pg_advisory_unlock_shared(1751215722, key)
        else false
    end) then
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
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    foreach queue_name in array queue_names loop
        if to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))) is null then
            continue;
        end if;
        execute format('select extract(epoch from min(m.vt) - clock_timestamp()) from pgmq.%I m',
                       pgmq.format_table_name(queue_name, 'q')) into due_in_s;
        if due_in_s is not null then
            return next;
        end if;
    end loop;
end
$$;
