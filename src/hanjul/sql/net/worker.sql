-- What pg_net's users ask about its worker: here it is every sender, of whatever process, that serves this database.

-- worker_restart(): senders read the settings again and begin anew, after what they are at; true.
create or replace function net.worker_restart()
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pg_notify('hanjul_net', 'restart');
    return true;
end
$$;

-- wake(): tell a waiting sender, when this transaction commits, to look for requests: after a direct insert, say.
create or replace function net.wake()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform net._wake();
end
$$;

-- check_worker_is_up(): P0001 if no sender is connected. The name of a session is for every role to see.
create or replace function net.check_worker_is_up()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not net._is_worker_up() then
        raise exception 'the pg_net background worker is not up' using
            detail = 'No session of this database is named like a sender: requests are kept, and sent when one runs.',
            hint = 'Run one: hanjul up, hanjul worker or hanjul net worker.';
    end if;
end
$$;

-- wait_until_running(): return when a sender is connected; without limit, so set statement_timeout.
create or replace function net.wait_until_running()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    while not net._is_worker_up() loop
        perform pg_sleep(0.05);
    end loop;
end
$$;

-- _is_worker_up(): whether a sender is connected now, also later in the same transaction.
create or replace function net._is_worker_up()
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pg_stat_clear_snapshot();
    return exists (select from pg_stat_activity a where a.datname = current_database() and a.application_name like '%pg\_net%');
end
$$;
