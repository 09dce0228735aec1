-- Wake-ups of senders; the protocol is told in leases/wake.sql. Who enqueues may have no access to schema hanjul.

-- _wake(): tell a sender that waits, when this transaction commits, that there are requests; once per transaction. Returns
-- whether one waits. That it was told is noted in a setting, which a rollback to a savepoint takes back together with the
-- notification. While none waits, each call looks again: a sender may have run out of work meanwhile.
create or replace function net._wake()
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('hanjul.http_woken', true) = 'yes' then
        return true;
    end if;
    -- one expression: pgmq/wake.sql tells why, it asks the same
    if (case when pg_try_advisory_lock(1751215722, hashtext('http requests'))
             then not pg_advisory_unlock(1751215722, hashtext('http requests'))
             when pg_try_advisory_lock_shared(1751215722, hashtext('http requests'))
             then pg_advisory_unlock_shared(1751215722, hashtext('http requests'))
             else false end
        and coalesce(current_setting('hanjul.notify', true), '') <> 'off') then
        perform pg_notify('hanjul', 'http requests'), set_config('hanjul.http_woken', 'yes', true);
        return true;
    end if;
    return false;
end
$$;
