-- Making queues. A queue is two tables, q_<name> and a_<name> (its archive), and a row of pgmq.meta.
-- Locks: the queue's advisory lock, nothing on a queue that exists already: its writers are never made to wait.

-- _create_tables(queue_name, unlogged): the tables as PGMQ has them; layout.sql adds what is ours.
create or replace function pgmq._create_tables(queue_name text, unlogged boolean)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute format($ddl$
        create %1$s table pgmq.%2$I (
            msg_id       bigint primary key generated always as identity,
            read_ct      integer not null default 0,
            enqueued_at  timestamp with time zone not null default now(),
            last_read_at timestamp with time zone,
            vt           timestamp with time zone not null,
            message      jsonb,
            headers      jsonb
        );
        create table pgmq.%3$I (
            msg_id       bigint primary key,
            read_ct      integer not null default 0,
            enqueued_at  timestamp with time zone not null default now(),
            last_read_at timestamp with time zone,
            archived_at  timestamp with time zone not null default now(),
            vt           timestamp with time zone not null,
            message      jsonb,
            headers      jsonb
        )
    $ddl$, case when unlogged then 'unlogged' else '' end,
           pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a'));
    perform pgmq._lay_out(queue_name);
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
