-- Writing the functions that belong to the queues (pgmq/planned.sql tells why there are such): last, when all that they
-- are written by is there.

-- _plan(queue_name): write the queue's functions, again if they exist. Every migrate does so for all queues.
create or replace function pgmq._plan(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_send(queue_name);
    perform pgmq._plan_read(queue_name);
    perform pgmq._plan_pop(queue_name);
    perform pgmq._plan_finish(queue_name);
    perform pgmq._plan_set_vt(queue_name);
    perform pgmq._plan_grouped(queue_name);
    perform pgmq._plan_leases(queue_name);
    perform pgmq._plan_rounds(queue_name);
    if exists (select from pg_partitioned_table t where t.partrelid in (
            to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))),
            to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))))) then
        perform pgmq._plan_upkeep(queue_name);
    end if;
    perform pgmq._own_plans(queue_name);
end
$$;

-- _own_plans(queue_name): the queue's functions are its owner's, above all those that run with their owner's rights: of
-- those only the very ones that were written here, whatever else has their name.
create or replace function pgmq._own_plans(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    owner regrole := (select c.relowner from pg_class c where c.oid = format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass);
    planned regprocedure;
begin
    for planned in
        select p.oid from pg_proc p
        where p.pronamespace = 'pgmq'::regnamespace and p.proowner <> owner
          and p.proname in (select pgmq._planned_name(operation, queue_name) from unnest(pgmq._operations() || 'upkeep'::text) operation)
          and (not p.prosecdef or p.oid in (
              select to_regprocedure(format('pgmq.%I(%s)', pgmq._planned_name(d.operation, queue_name), d.arguments))
              from (values ('advance', ''), ('tidy', ''), ('missed', ''), ('park', ''), ('upkeep', 'text, interval')) d (operation, arguments)))
    loop
        execute format('alter function %s owner to %s', planned, owner);
    end loop;
end
$$;

-- _plan_all(): for every queue, after the functions of this schema have changed.
create or replace function pgmq._plan_all()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan(m.queue_name) from pgmq.meta m
    where to_regclass(format('pgmq.%I', pgmq.format_table_name(m.queue_name, 'q'))) is not null;
end
$$;

-- _unplan(queue_name): drop the queue's functions.
create or replace function pgmq._unplan(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    planned regprocedure;
begin
    for planned in
        select p.oid
        from unnest(pgmq._operations() || 'upkeep'::text) operation
        join pg_proc p on p.proname = pgmq._planned_name(operation, queue_name) and p.pronamespace = 'pgmq'::regnamespace
    loop
        execute format('drop function %s', planned);
    end loop;
end
$$;

select pgmq._plan_all();
