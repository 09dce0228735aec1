-- Notifications of inserts: `listen "pgmq.q_<name>.INSERT"`, the queue's name in the spelling given to enable; payload
-- empty. At most one notification an interval; a listener that misses what was not notified polls.
-- Rule: a send goes without a notification only if a committed one (or its own) is younger than the interval, or younger
-- than two while somebody is about to notify.
-- Locks: a sender waits for nobody. Why one notification too many is better: docs/decisions/0007-notify-throttle.md

-- notify_queue_listeners(): once a statement, however many rows. Argument: the queue's name; PGMQ's own trigger has none.
create or replace function pgmq.notify_queue_listeners()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    queue text := coalesce(tg_argv[0], substr(tg_table_name, 3));
    ts timestamptz := clock_timestamp();
    notified timestamptz;
    quiet interval;
begin
    select t.last_notified_at, make_interval(secs => t.throttle_interval_ms / 1000.0) into notified, quiet
    from pgmq.notify_insert_throttle t where t.queue_name = queue;
    if notified > ts - quiet and notified < ts + quiet then  -- not if the clock was set back
        return null;
    end if;
    if current_setting('transaction_isolation') like 'read %' then  -- others would fail if somebody notified meanwhile
        perform from pgmq.notify_insert_throttle t
        where t.queue_name = queue and t.last_notified_at = notified for no key update skip locked;
        if found then
            update pgmq.notify_insert_throttle t set last_notified_at = ts where t.queue_name = queue;
        elsif notified > ts - 2 * quiet and notified < ts + quiet then  -- somebody notifies: not the whole crowd
            return null;
        end if;
    end if;
    perform pg_notify(('pgmq.q_' || queue || '.INSERT')::name::text, '');  -- name: cut just as `listen` cuts it
    return null;
end
$$;

-- enable_notify_insert(queue_name, throttle_interval_ms): idempotent; where the trigger is there already its table is not
-- locked. Otherwise it waits for open transactions that have sent.
create or replace function pgmq.enable_notify_insert(queue_name text, throttle_interval_ms integer default 250)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
begin
    if throttle_interval_ms < 0 then
        raise exception 'throttle_interval_ms must be non-negative';
    end if;
    perform pgmq.acquire_queue_lock(lower(queue_name));
    if to_regclass(format('pgmq.%I', qtable)) is null then
        raise exception 'Queue "%" does not exist. Create it first using pgmq.create()', queue_name;
    end if;
    insert into pgmq.notify_insert_throttle (queue_name, throttle_interval_ms)
    values (enable_notify_insert.queue_name, enable_notify_insert.throttle_interval_ms)
    on conflict on constraint notify_insert_throttle_queue_name_key
        do update set throttle_interval_ms = excluded.throttle_interval_ms, last_notified_at = excluded.last_notified_at;
    if exists (
        select from pg_trigger t
        where t.tgrelid = format('pgmq.%I', qtable)::regclass and t.tgname = 'trigger_notify_queue_insert_listeners'
          and t.tgenabled = 'O' and t.tgconstraint = 0
          and t.tgargs = convert_to(queue_name, getdatabaseencoding()) || decode('00', 'hex')
    ) then
        return;
    end if;
    execute format('drop trigger if exists trigger_notify_queue_insert_listeners on pgmq.%I', qtable);  -- PGMQ's own
    execute format($create$
        create trigger trigger_notify_queue_insert_listeners after insert on pgmq.%I
        for each statement execute function pgmq.notify_queue_listeners(%L)
    $create$, qtable, queue_name);
end
$$;

-- update_notify_insert(queue_name, throttle_interval_ms): the interval from now on; the next send notifies.
create or replace function pgmq.update_notify_insert(queue_name text, throttle_interval_ms integer)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if throttle_interval_ms < 0 then
        raise exception 'throttle_interval_ms must be non-negative, got: %', throttle_interval_ms;
    elsif not exists (select from pgmq.meta m where m.queue_name = update_notify_insert.queue_name) then
        raise exception 'Queue "%" does not exist. Create the queue first using pgmq.create()', queue_name;
    end if;
    update pgmq.notify_insert_throttle t
    set throttle_interval_ms = update_notify_insert.throttle_interval_ms, last_notified_at = to_timestamp(0)
    where t.queue_name = update_notify_insert.queue_name;
    if not found then
        raise exception 'Queue "%" does not have notify_insert enabled. Enable it first using pgmq.enable_notify_insert()', queue_name;
    end if;
end
$$;

-- disable_notify_insert(queue_name): idempotent.
create or replace function pgmq.disable_notify_insert(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable regclass;
begin
    perform pgmq.acquire_queue_lock(lower(queue_name));
    qtable := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass;
    if exists (select from pg_trigger t where t.tgrelid = qtable and t.tgname = 'trigger_notify_queue_insert_listeners') then
        execute format('drop trigger trigger_notify_queue_insert_listeners on %s', qtable);
    end if;
    delete from pgmq.notify_insert_throttle t where t.queue_name = disable_notify_insert.queue_name;
end
$$;

create or replace function pgmq.list_notify_insert_throttles()
returns table (queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query select t.queue_name::text, t.throttle_interval_ms, t.last_notified_at from pgmq.notify_insert_throttle t
                 order by t.queue_name;
end
$$;
