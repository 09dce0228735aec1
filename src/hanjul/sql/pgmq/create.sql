-- Making queues. A queue is two tables, q_<name> and a_<name> (its archive), and a row of pgmq.meta.
-- Locks: the queue's advisory lock, nothing on a queue that exists already: its writers are never made to wait.

-- _create_tables(queue_name, unlogged): the hot layout. No index on vt and half-empty pages make taking a lease a
-- heap-only update. Three columns are ours: `released` counts the deliveries that were given back, so that attempts
-- charged = read_ct - released; `settled` is the newest delivery that was nacked or released, so that none is twice;
-- `due` is vt where a message is parked (find.sql), and null where reads walk over it. b_<name> is the scan bound.
create or replace function pgmq._create_tables(queue_name text, unlogged boolean)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    atable text := pgmq.format_table_name(queue_name, 'a');
    index_name text := 'archived_at_idx_' || queue_name;
    sequence regclass;
begin
    execute format($ddl$
        create %1$s table pgmq.%2$I (
            msg_id       bigint primary key generated always as identity,
            read_ct      integer not null default 0,
            enqueued_at  timestamp with time zone not null default now(),
            last_read_at timestamp with time zone,
            vt           timestamp with time zone not null,
            message      jsonb,
            headers      jsonb,
            released     integer not null default 0,
            settled      integer not null default 0,
            due          timestamp with time zone
        ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
                autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0.2);
        create table pgmq.%3$I (
            msg_id       bigint primary key,
            read_ct      integer not null default 0,
            enqueued_at  timestamp with time zone not null default now(),
            last_read_at timestamp with time zone,
            archived_at  timestamp with time zone not null default now(),
            vt           timestamp with time zone not null,
            message      jsonb,
            headers      jsonb
        );
        create index on pgmq.%2$I (due, msg_id);
        create trigger due_follows_vt before update on pgmq.%2$I
            for each row when (old.due is not null and new.vt is distinct from old.vt) execute function pgmq._due_follows_vt();
        create sequence pgmq.%4$I minvalue 0 start 0 owned by pgmq.%2$I.due;
        grant select on sequence pgmq.%4$I to public  -- a number; who may read a queue needs no further right
    $ddl$, case when unlogged then 'unlogged' else '' end, qtable, atable, pgmq.format_table_name(queue_name, 'b'));
    if octet_length(index_name) > 63 then  -- let the server choose: a cut name could be another queue's
        execute format('create index on pgmq.%I (archived_at)', atable);
    else
        execute format('create index %I on pgmq.%I (archived_at)', index_name, atable);
    end if;
    sequence := pg_get_serial_sequence(format('pgmq.%I', qtable), 'msg_id')::regclass;
    if exists (select from pg_class c where c.oid = sequence and c.relpersistence = 'u') then
        execute format('alter sequence %s set logged', sequence);  -- a crash empties the queue, ids still go on
    end if;
    perform pgmq.create_fifo_index(queue_name);
    perform pgmq._plan(queue_name);
end
$$;

-- _create(queue_name, unlogged): does nothing, with a notice, if a queue of that folded name exists.
create or replace function pgmq._create(queue_name text, unlogged boolean)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq.format_table_name(queue_name, null);  -- the characters alone: a long name has its own message
    perform pgmq.validate_queue_name(queue_name);
    if queue_name is null then
        raise exception 'null values cannot be formatted as an SQL identifier' using errcode = 'null_value_not_allowed';
    end if;
    perform pgmq.acquire_queue_lock(lower(queue_name));
    if exists (select from pgmq.meta m where lower(m.queue_name) = lower(_create.queue_name)) then
        raise notice 'queue "%" already exists, skipping', queue_name;
        return;
    end if;
    perform pgmq._create_tables(queue_name, unlogged);
    insert into pgmq.meta (queue_name, is_partitioned, is_unlogged) values (_create.queue_name, false, unlogged);
end
$$;

create or replace function pgmq.create_non_partitioned(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._create(queue_name, false);
end
$$;

create or replace function pgmq."create"(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._create(queue_name, false);
end
$$;

-- create_unlogged(queue_name): several times faster to write; a crash of the server empties it. Its archive is logged.
create or replace function pgmq.create_unlogged(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._create(queue_name, true);
end
$$;

-- create_queue(queue_name): the name that tutorials use for create.
create or replace function pgmq.create_queue(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._create(queue_name, false);
end
$$;
