-- _wake(queue_name): hanjul.wake for the functions of this schema, whose callers may have no access to ours; the
-- protocol is told in leases/wake.sql.
create or replace function pgmq._wake(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    folded text := lower(queue_name);
begin
    if pg_try_advisory_lock(1751215722, hashtext(folded)) then
        perform pg_advisory_unlock(1751215722, hashtext(folded));
    elsif pg_try_advisory_lock_shared(1751215722, hashtext(folded)) then
        perform pg_advisory_unlock_shared(1751215722, hashtext(folded));
        perform pg_notify('hanjul', folded);
    end if;
end
$$;
