-- Wake-ups, for the functions of this schema, whose callers may have no access to schema hanjul; the protocol is told in
-- leases/wake.sql.

-- _waited(): the expression that is true if a consumer waits at the queue whose hash is {key}, and may be notified. One
-- expression: between statements a cancel could leave the lock behind, for as long as the session lives.
create or replace function pgmq._waited()
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '(case when pg_catalog.pg_try_advisory_lock(1751215722, {key})
                  then not pg_catalog.pg_advisory_unlock(1751215722, {key})
                  when pg_catalog.pg_try_advisory_lock_shared(1751215722, {key})
                  then pg_catalog.pg_advisory_unlock_shared(1751215722, {key})
                  else false end
             and coalesce(pg_catalog.current_setting(''hanjul.notify'', true), '''') operator(pg_catalog.<>) ''off'')';
$$;

-- _wake(queue_name): tell waiting consumers, when this transaction commits, to look at the queue again.
create or replace function pgmq._wake(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    waited boolean;
begin
    execute 'select ' || replace(pgmq._waited(), '{key}', hashtext(lower(queue_name))::text) into waited;
    if waited then
        perform pg_notify('hanjul', lower(queue_name));
    end if;
end
$$;
