-- _wake(queue_name): hanjul.wake for the functions of this schema, whose callers may have no access to ours; the
-- protocol is told in leases/wake.sql.
create or replace function pgmq._wake(queue_name text)
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
