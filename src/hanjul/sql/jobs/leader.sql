-- Who looks after what belongs to no queue: schedules, lost jobs, history, counts. One process of all that work on jobs, so
-- that it is done once and not by each. What keeps it right is not that there is only one: everything that a leader does
-- may be done by two at once.
--
-- A lease in a row, not an advisory lock: a lock of a session outlasts a process that hangs, and does not pass a pooler.

-- lead(holder, lease_s): whether the holder leads for the next lease_s; what there is to do then: counts to be rolled up;
-- and in how many seconds the next tick of a schedule is due, null if there is none. Who does not lead hears when the lease ends.
-- Locks: the one row, to the end of the statement; whoever sees somebody else's lease waits for nobody.
create or replace function hanjul.lead(holder text, lease_s double precision)
returns table (leads boolean, noted boolean, due_in_s double precision)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
begin
    if holder is null or length(holder) not between 1 and 300 then
        raise exception 'holder must be text of 1 to 300 characters, not %', coalesce(quote_literal(left(holder, 350)), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif (lease_s > 0 and lease_s <= 3600) is not true then
        raise exception 'lease_s must be more than 0 and at most 3600, not %', coalesce(lease_s::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    leads := false;
    if not exists (select from hanjul.leader l where l.holder <> lead.holder and l.leased_until > ts) then
        insert into hanjul.leader as l (holder, since, leased_until) values (lead.holder, ts, ts + make_interval(secs => lease_s))
        on conflict on constraint leader_pkey do update
        set holder = excluded.holder, leased_until = excluded.leased_until,
            since = case when l.holder = excluded.holder then l.since else excluded.since end
        where l.holder = excluded.holder or l.leased_until <= ts;
        leads := found;
    end if;
    if leads then
        noted := exists (select from hanjul.job_flow);
        due_in_s := (select extract(epoch from min(coalesce(s.next_tick, ts)) - ts)
                     from hanjul.schedule s where s.enabled and s.problem is null);
    else
        due_in_s := (select extract(epoch from l.leased_until - ts) from hanjul.leader l);
    end if;
    return next;
end
$$;

-- resign(holder): let another lead at once.
create or replace function hanjul.resign(holder text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
    delete from hanjul.leader l where l.holder = resign.holder;
$$;
