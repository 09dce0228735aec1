-- What an installation of PGMQ consists of, what adopt.sql would do with it, and why it may not be able to.
-- Functions of PGMQ are told by their names: others in schema pgmq are their owners' and stay. Nothing here changes anything.

-- _adopt_functions(): PGMQ's, from all releases.
create or replace function pgmq._adopt_functions()
returns setof oid language sql stable set search_path = pg_catalog, pg_temp as $$
    select p.oid from pg_proc p
    where p.pronamespace = 'pgmq'::regnamespace and p.proname = any ('{
        acquire_queue_lock, archive, bind_topic, convert_archive_partitioned, create, create_fifo_index,
        create_fifo_indexes_all, create_non_partitioned, create_partitioned, create_unlogged, delete, detach_archive,
        disable_notify_insert, drop_queue, enable_notify_insert, format_table_name, list_notify_insert_throttles,
        list_queues, list_topic_bindings, metrics, metrics_all, notify_queue_listeners, pop, purge_queue, read,
        read_grouped, read_grouped_head, read_grouped_head_with_poll, read_grouped_rr, read_grouped_rr_with_poll,
        read_grouped_with_poll, read_with_poll, send, send_batch, send_batch_topic, send_topic, set_vt, test_routing,
        unbind_topic, update_notify_insert, validate_queue_name, validate_routing_key, validate_topic_pattern,
        _belongs_to_pgmq, _create_fifo_index_if_not_exists, _ensure_pg_partman_installed, _extension_exists,
        _get_partition_col, _get_pg_partman_major_version, _get_pg_partman_schema, _send_batch, _validate_batch_params
    }'::name[]);
$$;

-- _adopt_tables(): PGMQ's registries, as far as this release of it has them.
create or replace function pgmq._adopt_tables()
returns setof regclass language sql stable set search_path = pg_catalog, pg_temp as $$
    select c.oid::regclass from pg_class c
    where c.relnamespace = 'pgmq'::regnamespace and c.relname in ('meta', 'notify_insert_throttle', 'topic_bindings')
    order by c.relname;
$$;

create or replace function pgmq._adopt_types()
returns setof oid language sql stable set search_path = pg_catalog, pg_temp as $$
    select t.oid from pg_type t
    where t.typnamespace = 'pgmq'::regnamespace and t.typname in ('message_record', 'queue_record', 'metrics_result');
$$;

-- _adopt_objects(): all of these, as the catalog of dependencies names objects.
create or replace function pgmq._adopt_objects()
returns table (classid oid, objid oid) language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'pg_proc'::regclass::oid, f from pgmq._adopt_functions() f
    union all select 'pg_class'::regclass, t from pgmq._adopt_tables() t
    union all select 'pg_type'::regclass, t from pgmq._adopt_types() t
    union all select 'pg_type'::regclass, t.typarray from pg_type t where t.oid in (select pgmq._adopt_types())
    union all select 'pg_type'::regclass, t.oid from pg_type t where t.typrelid in (select pgmq._adopt_tables());
$$;

-- _adopt_queues(): one row for each folded name in meta. `keeps`: the spelling that stays, the folded one if it is there
-- (only under that one PGMQ notifies), or else the oldest. `qtable`: null if there is none; it is looked up by name, for
-- PGMQ let the server cut names that were too long.
create or replace function pgmq._adopt_queues()
returns table (folded text, keeps text, spellings text[], qtable regclass, atable regclass)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select lower(m.queue_name),
               (array_agg(m.queue_name::text order by m.queue_name = lower(m.queue_name) desc, m.created_at, m.queue_name))[1],
               array_agg(m.queue_name::text order by m.queue_name),
               to_regclass(format('pgmq.%I', 'q_' || lower(m.queue_name))),
               to_regclass(format('pgmq.%I', 'a_' || lower(m.queue_name)))
        from pgmq.meta m group by lower(m.queue_name) order by 1;
end
$$;

-- _adopt_version(): what is installed, as people say it.
create or replace function pgmq._adopt_version()
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    known text := (select 'the extension pgmq ' || e.extversion from pg_extension e where e.extname = 'pgmq');
    since text := case
        when to_regprocedure('pgmq.create_partitioned(text, text, text, integer)') is not null then '1.13'
        when to_regclass('pgmq.topic_bindings') is not null then '1.11'
        when exists (select from pg_attribute a where a.attrelid = to_regclass('pgmq.message_record') and a.attname = 'last_read_at') then '1.10'
        when to_regproc('pgmq.read_grouped') is not null then '1.9'
        when to_regclass('pgmq.notify_insert_throttle') is not null then '1.8'
        when to_regproc('pgmq.enable_notify_insert') is not null then '1.7'
        else '1.5' end;
begin
    return coalesce(known, format('PGMQ''s SQL, %s or later', since));
end
$$;

-- _adopt_refusals(ours, keep_extension): why it cannot be done, object by object; no row: it can. `ours`: the names of our
-- functions; `kind`: right, where another role may be able to, or shape.
create or replace function pgmq._adopt_refusals(ours text[], keep_extension boolean)
returns table (kind text, said text) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    extension pg_extension;
begin
    return query select * from pgmq._adopt_refused_owners();
    if found then
        return;
    end if;
    select * into extension from pg_extension e where e.extname = 'pgmq';
    if string_to_array(substring(extension.extversion from '^\d+\.\d+'), '.')::integer[] between '{1,5}' and '{1,13}' is false then
        return query select 'shape', format('the extension pgmq is version %s; 1.5 to 1.13 can be adopted', extension.extversion);
    end if;
    if to_regclass('pgmq.meta') is null then
        return query select 'shape', 'there is no table pgmq.meta';
        return;
    end if;
    return query
        select 'shape', format('table %s has no column %s', c.tab, c.col)
        from (values ('pgmq.meta', 'queue_name'), ('pgmq.meta', 'is_partitioned'), ('pgmq.meta', 'is_unlogged'), ('pgmq.meta', 'created_at'),
                     ('pgmq.notify_insert_throttle', 'queue_name'), ('pgmq.notify_insert_throttle', 'throttle_interval_ms'),
                     ('pgmq.topic_bindings', 'pattern'), ('pgmq.topic_bindings', 'queue_name'), ('pgmq.topic_bindings', 'bound_at')) c (tab, col)
        where to_regclass(c.tab) is not null and not pgmq._adopt_has(to_regclass(c.tab), c.col);
    if found then
        return;
    end if;
    return query select * from pgmq._adopt_refused_queues();
    return query select * from pgmq._adopt_refused_dependents();
    return query
        select 'shape', format('function %s is not PGMQ''s, and hanjul has one of that name; rename it', p.oid::regprocedure)
        from pg_proc p
        where p.pronamespace = 'pgmq'::regnamespace and p.proname = any (ours) and p.proname not like '\_adopt%'
          and p.oid not in (select pgmq._adopt_functions());
    return query
        select 'shape', format('%s needs the extension pgmq; it can be kept, without content', pg_describe_object(d.classid, d.objid, 0))
        from pg_depend d
        where d.refclassid = 'pg_extension'::regclass and d.refobjid = extension.oid and d.deptype = 'n' and not keep_extension;
end
$$;

-- _adopt_refused_owners(): what belongs to others; one of each kind is named.
create or replace function pgmq._adopt_refused_owners()
returns table (kind text, said text) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select 'right', format('%s%s to role %s, and the role %s is not in it', (array_agg(o.what order by o.what))[1],
                               case count(*) when 1 then ' belongs' else format(' and %s more %ss belong', count(*) - 1, o.kind) end,
                               pg_get_userbyid(o.owner), current_user)
        from (select 'schema' as kind, 'schema pgmq' as what, n.nspowner as owner from pg_namespace n where n.nspname = 'pgmq'
              union all select 'extension', 'extension pgmq', e.extowner from pg_extension e where e.extname = 'pgmq'
              union all select 'function', 'function ' || p.oid::regprocedure, p.proowner
                        from pg_proc p where p.oid in (select pgmq._adopt_functions())
              union all select 'type', 'type ' || t.oid::regtype, t.typowner from pg_type t where t.oid in (select pgmq._adopt_types())
              union all select 'table', 'table ' || c.oid::regclass, c.relowner
                        from pg_class c where c.relnamespace = 'pgmq'::regnamespace and c.relkind in ('r', 'p')
                          and (c.oid in (select pgmq._adopt_tables()) or c.relname ~ '^[qa]_')) o
        where not pg_has_role(o.owner, 'usage')
        group by o.kind, o.owner order by o.kind desc;
end
$$;

-- _adopt_refused_queues(): tables that are not as any release makes them.
create or replace function pgmq._adopt_refused_queues()
returns table (kind text, said text) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select 'shape', r.said
        from pgmq._adopt_queues() q
        cross join lateral (
            select format('queue "%s": its name has %s bytes, 61 are possible; drop or rename the queue', q.keeps, octet_length(q.folded)) as said
            where octet_length(q.folded) > 61
            union all
            select format('queue "%s": its name has characters that no function takes: $, ;, -- or ''', q.keeps) where q.folded ~ '[$;'']|--'
            union all
            select format('queue "%s" has no archive pgmq.a_%s', q.keeps, q.folded) where q.atable is null
            union all
            select format('%s is no table', c.oid::regclass) from pg_class c where c.oid in (q.qtable, q.atable) and c.relkind not in ('r', 'p')
            union all
            select format('table %s has no column %s', t.tab, col)
            from unnest(array[q.qtable, q.atable]) t (tab), unnest('{msg_id, read_ct, enqueued_at, vt, message}'::text[]) col
            where t.tab is not null and not pgmq._adopt_has(t.tab, col)
            union all
            select format('table %s has no column archived_at', q.atable) where q.atable is not null and not pgmq._adopt_has(q.atable, 'archived_at')
            union all
            select format('column msg_id of %s has no sequence', q.qtable)
            where case when pgmq._adopt_has(q.qtable, 'msg_id') then pg_get_serial_sequence(q.qtable::text, 'msg_id') is null end
            union all
            select format('%s is in the place of the sequence of a queue', b.oid::regclass)
            from pg_class b where b.oid = to_regclass(format('pgmq.%I', 'b_' || q.folded))) r
        where q.qtable is not null;
end
$$;

-- _adopt_refused_dependents(): what would go or break with PGMQ's objects, and is not PGMQ's.
create or replace function pgmq._adopt_refused_dependents()
returns table (kind text, said text) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query
        select distinct 'shape', format('%s depends on %s; drop it, adopt, and create it again',
                                        pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, 0))
        from pg_depend d join pgmq._adopt_objects() o on (o.classid, o.objid) = (d.refclassid, d.refobjid)
        where d.deptype in ('n', 'a')
          and (d.classid, d.objid) not in (select i.classid, i.objid from pgmq._adopt_objects() i)
          and case d.classid
                  when 'pg_class'::regclass then (select c.relkind not in ('i', 'S', 't') from pg_class c where c.oid = d.objid)
                  when 'pg_attrdef'::regclass then false
                  when 'pg_constraint'::regclass then not exists (
                      select from pg_constraint c where c.oid = d.objid and c.conrelid in (select pgmq._adopt_tables()))
                  when 'pg_trigger'::regclass then not exists (
                      select from pg_trigger t where t.oid = d.objid
                        and (t.tgisinternal or t.tgname = 'trigger_notify_queue_insert_listeners'))
                  else true end;
end
$$;

create or replace function pgmq._adopt_has(tab regclass, col text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from pg_attribute a where a.attrelid = tab and a.attname = col and a.attnum > 0 and not a.attisdropped);
$$;

-- _adopt_plan(counted): queue by queue what there is and what is to be done. `counted`: with the numbers of messages, for
-- which every table is read. `gone`: there is no table, only the row of meta that PGMQ has left behind.
create or replace function pgmq._adopt_plan(counted boolean)
returns table (queue_name text, kind text, messages bigint, parked bigint, archived bigint, bytes bigint, gone boolean, steps text[])
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    q record;
begin
    for q in select * from pgmq._adopt_queues() loop
        queue_name := q.keeps;
        gone := q.qtable is null;
        steps := pgmq._adopt_steps(q.keeps, q.spellings, q.qtable, q.atable);
        kind := null; messages := null; parked := null; archived := null; bytes := null;
        if not gone then
            kind := pgmq._adopt_kind(q.qtable);
            bytes := (select sum(pg_total_relation_size(heap)) from unnest(array[q.qtable, q.atable]) tab, pgmq._heaps(tab) heap);
            if counted then
                execute format('select count(*), count(*) filter (where m.vt > clock_timestamp()) from %s m', q.qtable) into messages, parked;
                execute format('select count(*) from %s m', q.atable) into archived;
            end if;
        end if;
        return next;
    end loop;
end
$$;

create or replace function pgmq._adopt_kind(qtable regclass)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when c.relkind = 'p' then 'partitioned' when c.relpersistence = 'u' then 'unlogged' else 'standard' end
    from pg_class c where c.oid = qtable;
$$;

-- _adopt_steps(...): what will be done to one queue, in words.
create or replace function pgmq._adopt_steps(keeps text, spellings text[], qtable regclass, atable regclass)
returns text[] language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    steps text[] := '{}';
    lacking text;
    stale regclass;
    tab regclass;
begin
    if cardinality(spellings) > 1 then
        steps := steps || format('merge the spellings %s: they share one table', array_to_string(spellings, ', '));
    end if;
    if qtable is null then
        return steps || format('remove its row from pgmq.meta: there is no table pgmq.q_%s%s', lower(keeps),
                               case when atable is not null then format('; %s stays as it is', atable) else '' end);
    end if;
    foreach tab in array array[qtable, atable] loop
        select string_agg(col, ', ') into lacking
        from unnest(case when tab = qtable then '{last_read_at, headers, released, settled, due}' else '{last_read_at, headers}' end::text[]) col
        where not pgmq._adopt_has(tab, col);
        if lacking is not null then
            steps := steps || format('add to %s: %s', tab, lacking);
        end if;
    end loop;
    for stale in select pgmq._adopt_stale_indexes(qtable) loop
        steps := steps || format('drop index %s', stale);
    end loop;
    steps := steps || format('index %s by (due, msg_id) and by group', qtable);
    if pgmq._adopt_notifies(qtable) then
        steps := steps || 'keep its notifications'::text;
    end if;
    if exists (select from pg_class c where c.oid = qtable and c.relkind = 'p') then
        steps := steps || 'leave its partitions to pg_partman'::text;
    end if;
    return steps;
end
$$;

create or replace function pgmq._adopt_notifies(qtable regclass)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from pg_trigger t where t.tgrelid = qtable and t.tgname = 'trigger_notify_queue_insert_listeners');
$$;

-- _adopt_stale_indexes(qtable): PGMQ's own that no query uses: on vt, and on the headers as a whole.
create or replace function pgmq._adopt_stale_indexes(qtable regclass)
returns setof regclass language sql stable set search_path = pg_catalog, pg_temp as $$
    select i.indexrelid::regclass
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam join pg_class t on t.oid = i.indrelid
    where i.indrelid = qtable
      and (c.relname = left(t.relname || '_vt_idx', 63) and pg_get_indexdef(i.indexrelid) like '% (vt)'
           or c.relname = left(t.relname || '_fifo_idx', 63) and m.amname = 'gin');
$$;

-- _adopt_names(ours, at_work): functions of PGMQ for users that we do not have, and those in its schema that are not PGMQ's.
-- `at_work`: the names of the functions by which all this is done.
create or replace function pgmq._adopt_names(ours text[], at_work text[])
returns table (lost text[], kept text[]) language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_agg(distinct p.proname::text) filter (where p.oid in (select pgmq._adopt_functions())
                                                                and p.proname <> all (ours) and p.proname not like '\_%'), '{}'),
           coalesce(array_agg(distinct p.proname::text) filter (where p.oid not in (select pgmq._adopt_functions())
                                                                and p.proname <> all (at_work)), '{}')
    from pg_proc p where p.pronamespace = 'pgmq'::regnamespace;
$$;
