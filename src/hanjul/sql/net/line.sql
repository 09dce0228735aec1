-- Lines: of each ordering key of a role one request at a time is on its way, by id.

-- _heads(ids, ts): those of them, all locked by us, that no other of their key goes before; a fresh look, after the lock. The
-- others are put off for ever: whoever ends what they wait for makes the next one due (settle.sql). That would be missed by
-- one who ends it just now, so it is locked for it; if it cannot be, they stay as they are. What somebody deletes by hand
-- ends without a word: mend_lines() looks after that. One that waits for a later one, since it is sent again, stays as it is, too:
-- that one's lease may end without an end of it.
create or replace function net._heads(ids bigint[], ts timestamptz)
returns bigint[] language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    behind bigint[] := array(
        select r.id from net.http_request_queue r
        where r.id = any (ids) and r.ordering_key is not null and exists (
            select from net.http_request_queue e
            where e.enqueued_by = r.enqueued_by and e.ordering_key = r.ordering_key and e.finished is null and e.id < r.id)
        union
        select r.id from net.http_request_queue r
        where r.id = any (ids) and r.ordering_key is not null and exists (
            select from net.http_request_queue e
            where e.enqueued_by = r.enqueued_by and e.ordering_key = r.ordering_key and e.finished is null and e.locked_until is not null
              and e.locked_until > ts and e.id <> r.id));
begin
    if cardinality(behind) > 0 then
        update net.http_request_queue r
        set next_attempt_at = 'infinity', in_line = true
        where r.id = any (behind) and exists (
            select from net.http_request_queue e
            where e.enqueued_by = r.enqueued_by and e.ordering_key = r.ordering_key and e.finished is null and e.id < r.id
            order by e.id limit 1 for update skip locked);
    end if;
    return array(select i from unnest(ids) with ordinality u (i, n) where i <> all (behind) order by n);
end
$$;

-- mend_lines(): make due the first of each line that was put off behind one which somebody deleted by hand. How many.
create or replace function net.mend_lines()
returns bigint language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
declare
    owner name;
    key text;
    mended bigint := 0;
    n bigint;
begin
    loop
        select r.enqueued_by, r.ordering_key into owner, key from net.http_request_queue r
        where r.finished is null and r.ordering_key is not null and (owner is null or (r.enqueued_by, r.ordering_key) > (owner, key))
        order by r.enqueued_by, r.ordering_key, r.id limit 1;
        exit when not found;
        update net.http_request_queue r set next_attempt_at = r.created, in_line = false
        where r.in_line and r.id = (
            select q.id from net.http_request_queue q
            where q.enqueued_by = owner and q.ordering_key = key and q.finished is null order by q.id limit 1);
        get diagnostics n = row_count;
        mended := mended + n;
    end loop;
    return mended;
end
$$;

-- _next_in_line(owners, keys): let the first of each role's key, if it was put off, be due.
create or replace function net._next_in_line(owners name[], keys text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update net.http_request_queue r
    set next_attempt_at = r.created, in_line = false  -- before what came later; claims start anew for it
    where r.in_line and r.id in (
        select (select q.id from net.http_request_queue q
                where q.enqueued_by = k.owner and q.ordering_key = k.key and q.finished is null order by q.id limit 1)
        from unnest(owners, keys) k (owner, key));
    if found then
        perform hanjul.wake('http requests');
    end if;
end
$$;
