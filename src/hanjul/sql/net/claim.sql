-- Handing out requests to senders: those that are due, by the time that they are due and then by id, whatever nobody else has
-- locked. Of each ordering key of a role only the unfinished one with the smallest id.
--
-- The dead index entries of requests that have ended stay for as long as a transaction is open anywhere. So each connection
-- remembers, in a setting of its own, how far it got, and goes on from there. That is only a hint, as in jobs/fetch.sql: what
-- appears below it (committed late, given back, its sender dead) is found by a sweep from the start, every second, and
-- whenever a walk gives less than was asked for; where sweeps take long, they pause fifty, or then twenty times as long.

-- claim_requests(qty, lease_s, anew): up to qty of them, with bodies of no more than 32 MB together, or one that has more; so less
-- than qty does not mean that there are no more. Whoever has claimed one settles it by (id, claims). anew: from the start, as
-- after an end that lets the next of a line go. One that five senders died with is handed out alone, after ten it ends.
-- Locks: row locks on the requests handed out, and for ordering keys on those that they wait for; SKIP LOCKED.
create or replace function net.claim_requests(qty integer, lease_s double precision, anew boolean default false)
returns setof net.http_request_queue language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    known jsonb := coalesce(nullif(current_setting('hanjul.net_walk', true), '')::jsonb, '{}');
    got_to timestamptz := coalesce((known ->> 'at')::timestamptz, '-infinity');
    sweep boolean := anew or coalesce(ts >= (known ->> 'sweep_at')::timestamptz, true);
    chosen bigint[] := '{}';
    full_walk boolean;
    began timestamptz;
    cost interval;
begin
    if (qty between 0 and 100000) is not true then
        raise exception 'qty must be between 0 and 100000, not %', coalesce(qty::text, 'NULL') using errcode = 'invalid_parameter_value';
    elsif (lease_s > 0 and lease_s <= 86400) is not true then
        raise exception 'lease_s must be more than 0 and at most 86400, not %', coalesce(lease_s::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif qty = 0 then
        return;
    end if;
    if not sweep then
        select w.ids, w.walked_to, w.is_full into chosen, got_to, full_walk from net._walk(qty, ts, got_to) w;
        sweep := not full_walk and ts >= (known ->> 'sweep_idle_at')::timestamptz;
    end if;
    if sweep then
        began := clock_timestamp();
        select chosen || w.ids, greatest(got_to, w.walked_to) into chosen, got_to
        from net._walk(qty - cardinality(chosen), ts, '-infinity', chosen) w;
        cost := case when known ? 'sweep_at' then clock_timestamp() - began else '0' end;  -- the first one has to be planned
        known := jsonb_build_object('sweep_at', began + greatest(interval '1 second', 50 * cost),
                                    'sweep_idle_at', began + 20 * greatest(cost - interval '20 milliseconds', '0'));
    end if;
    perform set_config('hanjul.net_walk', (known || jsonb_build_object('at', got_to))::text, false);
    return query
        with leased as (
            update net.http_request_queue r
            set locked_until = ts + make_interval(secs => lease_s), claims = r.claims + 1, in_line = false
            where r.id = any (chosen)
            returning r.*)
        select l.* from leased l order by l.next_attempt_at, l.id;
end
$$;

-- _walk(qty, ts, walked_to, taken): up to qty that can be handed out, after walked_to, but not those that were taken already;
-- how far that got, and whether there may be more. Those that stand in line are put off on the way, those that have run out
-- of time or of senders are ended.
create or replace function net._walk(
    qty integer, ts timestamptz, inout walked_to timestamptz, taken bigint[] default '{}', out ids bigint[], out is_full boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    here bigint[];
    keyed boolean;
    doomed boolean;
    hooked boolean;
    suspects bigint[];
    heavy boolean;
    newest timestamptz;
    from_at timestamptz := walked_to;
begin
    ids := '{}';
    is_full := true;
    for n in 1 .. 10 loop
        select coalesce(array_agg(c.id), '{}'), max(c.next_attempt_at), coalesce(bool_or(c.ordering_key is not null), false),
               coalesce(bool_or(c.give_up_at <= ts or c.deaths >= 10), false), coalesce(bool_or(c.webhook is not null), false),
               array_agg(c.id) filter (where c.deaths >= 5), coalesce(sum(c.size), 0) > 33554432
        into here, newest, keyed, doomed, hooked, suspects, heavy
        from (select r.id, r.next_attempt_at, r.ordering_key, r.give_up_at, r.claims - r.attempts - r.released as deaths, r.webhook,
                     octet_length(r.body) as size
              from net.http_request_queue r
              where r.finished is null and r.next_attempt_at <= ts and r.next_attempt_at >= walked_to
                and (r.locked_until is null or r.locked_until <= ts)
                and r.id <> all (taken) and r.id <> all (ids)
              order by r.next_attempt_at, r.id limit qty - cardinality(ids) for update skip locked) c;
        is_full := cardinality(here) = qty - cardinality(ids);
        walked_to := greatest(walked_to, newest);
        if hooked then
            here := hanjul._hold(here);
        end if;
        if doomed then
            here := net._end_hopeless(here, ts);
        end if;
        if keyed then
            here := net._heads(here, ts);
        end if;
        if suspects is not null then
            here := net._apart(here, suspects);
        end if;
        if heavy then
            here := net._light(here);
        end if;
        ids := ids || here;
        if heavy or suspects is not null then  -- some of these are left for the next claim
            is_full := true;
            walked_to := from_at;
            exit;
        end if;
        exit when not is_full or cardinality(ids) >= qty;
    end loop;
    if not is_full then
        walked_to := greatest(walked_to, ts - interval '1 second');
    end if;
end
$$;

-- _apart(ids, suspects): what several senders died with is handed out alone, now and then, so that it takes nothing with it.
create or replace function net._apart(ids bigint[], suspects bigint[])
returns bigint[] language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    others bigint[] := array(select i from unnest(ids) with ordinality u (i, n) where i <> all (suspects) order by n);
begin
    if cardinality(others) > 0 and random() < 0.8 then
        return others;
    end if;
    return array(select i from unnest(ids) with ordinality u (i, n) where i = any (suspects) order by n limit 1);
end
$$;

-- _light(ids): as many from the first as have bodies of 32 MB together; at least one.
create or replace function net._light(ids bigint[])
returns bigint[] language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_agg(s.i order by s.n), '{}')
    from (select u.i, u.n, sum(coalesce(octet_length(r.body), 0)) over (order by u.n) as total
          from unnest(ids) with ordinality u (i, n) join net.http_request_queue r on r.id = u.i) s
    where s.total <= 33554432 or s.n = 1;
$$;

-- _end_hopeless(ids, ts): end those whose time is over, and those that no sender has survived; the rest.
create or replace function net._end_hopeless(ids bigint[], ts timestamptz)
returns bigint[] language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ended bigint[];
begin
    with hopeless as (
        select r.id, r.claims,
               case when r.give_up_at <= ts then 'given up: it was to be sent until ' || to_char(r.give_up_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                         || coalesce('; last: ' || r.error_msg, '')
                    else format('given up: %s senders died while they had it', r.claims - r.attempts - r.released) end as why
        from net.http_request_queue r
        where r.id = any (ids) and (r.give_up_at <= ts or r.claims - r.attempts - r.released >= 10))
    select array_agg(h.id) into ended
    from hopeless h, net._end_unanswered(h.id, h.why, ts);
    return array(select i from unnest(ids) with ordinality u (i, n) where i <> all (coalesce(ended, '{}')) order by n);
end
$$;

-- _end_unanswered(request_id, why, ts): an end without an answer, of a request that is ours to end.
create or replace function net._end_unanswered(request_id bigint, why text, ts timestamptz)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    r net.http_request_queue;
begin
    update net.http_request_queue q
    set status = 'ERROR', error_msg = why, finished = ts, locked_until = null, claims = q.claims + 1, released = q.released + 1
    where q.id = request_id
    returning q.* into strict r;
    insert into net._http_response (id, timed_out, error_msg, enqueued_by) values (r.id, false, why, r.enqueued_by);
    if r.webhook is not null then
        perform hanjul._webhooks_ended(array[r.webhook], array[false], array[null::integer], array[why]);
    end if;
    if r.ordering_key is not null then
        perform net._next_in_line(array[r.enqueued_by], array[r.ordering_key]);
    end if;
end
$$;

-- extend_requests(ids, claims, lease_s): end their leases lease_s from now. Those that are held by another claim by now, or
-- (held_by null) have ended.
create or replace function net.extend_requests(ids bigint[], claims integer[], lease_s double precision)
returns table (id bigint, claim integer, held_by integer) language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    ours bigint[];
begin
    perform from net.http_request_queue r where r.id = any (ids) order by r.id for update;
    with kept as (
        update net.http_request_queue r set locked_until = clock_timestamp() + make_interval(secs => lease_s)
        from unnest(ids, extend_requests.claims) g (id, claim)
        where r.id = g.id and r.claims = g.claim and r.finished is null and r.locked_until is not null
        returning r.id)
    select coalesce(array_agg(k.id), '{}') into ours from kept k;
    return query
        select g.id, g.claim, r.claims
        from unnest(ids, extend_requests.claims) g (id, claim)
        left join net.http_request_queue r on r.id = g.id and r.finished is null
        where g.id <> all (ours);
end
$$;

-- ready_requests(lines): seconds until the next request is due, or a lease ends; 0 or less: now. No row if there is none.
-- `lines` are names that the caller gives to all there is, and gets back. Looks from the start where that is quick, or was not for
-- fifty times as long as it took; else from where the connection's claims got.
create or replace function net.ready_requests(lines text[])
returns table (line text, due_in_s double precision) language plpgsql
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
declare
    ts timestamptz := clock_timestamp();
    from_start boolean := coalesce(ts >= nullif(current_setting('hanjul.net_look_at', true), '')::timestamptz, true);
    got_to timestamptz := case when from_start then '-infinity'
        else coalesce((nullif(current_setting('hanjul.net_walk', true), '')::jsonb ->> 'at')::timestamptz, '-infinity') end;
    next_at timestamptz;
begin
    next_at := least(
        (select r.next_attempt_at from net.http_request_queue r
         where r.finished is null and r.next_attempt_at >= got_to and (r.locked_until is null or r.locked_until <= ts)
         order by r.next_attempt_at, r.id limit 1),
        (select min(h.locked_until) from (
            select r.locked_until from net.http_request_queue r
            where r.finished is null and r.next_attempt_at >= got_to and r.next_attempt_at <= ts and r.locked_until > ts
            order by r.next_attempt_at, r.id limit 1000) h));
    if from_start then
        perform set_config('hanjul.net_look_at', (clock_timestamp() + 50 * greatest(clock_timestamp() - ts - interval '20 milliseconds', '0'))::text, false);
    end if;
    if next_at < 'infinity' then
        return query select l, extract(epoch from next_at - clock_timestamp())::double precision from unnest(lines) l;
    end if;
end
$$;
