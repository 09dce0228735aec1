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
        from unnest(pgmq._operations()) operation
        join pg_proc p on p.proname = pgmq._planned_name(operation, queue_name) and p.pronamespace = 'pgmq'::regnamespace
    loop
        execute format('drop function %s', planned);
    end loop;
end
$$;

select pgmq._plan_all();
