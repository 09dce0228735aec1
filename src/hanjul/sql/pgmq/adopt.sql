-- Taking over an installation of PGMQ, the extension or its SQL, in place: `hanjul adopt`, one transaction.
--   1. what cannot be carried over is named, and nothing is changed (adopt_plan.sql);
--   2. PGMQ's functions, triggers and types go, the rows of its three registries are kept aside (_adopt_set_aside);
--   3. hanjul's migrations and functions are installed, as everywhere;
--   4. the rows come back into our registries, with the rights that were given on them (_adopt_bring_back);
--   5. each queue's tables, which nobody touched so far, get our layout (_adopt_queue).
-- After it, in steps of their own, many delayed messages are parked (_adopt_park).

-- _adopt_lock(): ACCESS EXCLUSIVE on the registries and on each q_<name>, in the order of names; on an archive only if it
-- lacks a column. Under lock_timeout: whoever waits keeps those behind him waiting.
create or replace function pgmq._adopt_lock(of text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    tab regclass;
begin
    for tab in
        select t from pgmq._adopt_tables() t where of = 'registries'
        union all
        select r.tab from (
            select q.qtable as tab, q.folded, 1 as n from pgmq._adopt_queues() q where q.qtable is not null
            union all
            select q.atable, q.folded, 2 from pgmq._adopt_queues() q
            where q.qtable is not null and not (pgmq._adopt_has(q.atable, 'headers') and pgmq._adopt_has(q.atable, 'last_read_at'))
            order by folded, n) r
        where of = 'queues'
    loop
        begin
            execute format('lock table %s in access exclusive mode', tab);
        exception when lock_not_available then
            raise exception 'table % is in use', tab using errcode = 'lock_not_available', hint = pgmq._adopt_holders(tab);
        end;
    end loop;
end
$$;

-- _adopt_holders(tab): who holds locks on it, the oldest transaction first.
create or replace function pgmq._adopt_holders(tab regclass)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select string_agg(format('process %s, %s for %s s', h.pid, h.state, round(extract(epoch from clock_timestamp() - h.since))), '; ' order by h.since)
    from (select distinct a.pid, a.state, a.xact_start as since
          from pg_locks l join pg_stat_activity a using (pid)
          where l.locktype = 'relation' and l.relation = tab and l.granted and l.pid <> pg_backend_pid()
            and l.database = (select d.oid from pg_database d where d.datname = current_database())
          limit 5) h;
$$;

-- _adopt_set_aside(keep_extension): step 2. What depends on any of it and was not named stops it here: nothing cascades.
create or replace function pgmq._adopt_set_aside(keep_extension boolean)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    tab regclass;
    one text;
begin
    create temp table their_meta on commit drop as table pgmq.meta;
    create temp table their_topics (pattern text, queue_name text, bound_at timestamp with time zone) on commit drop;
    create temp table their_notifications (queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone) on commit drop;
    create temp table their_grants (object text, kind text, grantee oid, privilege text, grantable boolean) on commit drop;
    if to_regclass('pgmq.topic_bindings') is not null then
        insert into their_topics select b.pattern, b.queue_name, b.bound_at from pgmq.topic_bindings b;
    end if;
    if to_regclass('pgmq.notify_insert_throttle') is not null then
        insert into their_notifications
        select t.queue_name, t.throttle_interval_ms, t.last_notified_at
        from pgmq.notify_insert_throttle t join pgmq._adopt_queues() q on q.folded = lower(t.queue_name)
        where pgmq._adopt_notifies(q.qtable);
    end if;
    -- a trigger without settings: from before there were any, or a crash has emptied that unlogged table
    insert into their_notifications
    select q.keeps, case when to_regclass('pgmq.notify_insert_throttle') is null then 0 else 250 end, to_timestamp(0)
    from pgmq._adopt_queues() q
    where pgmq._adopt_notifies(q.qtable) and not exists (select from their_notifications n where lower(n.queue_name) = q.folded);
    insert into their_grants
    select c.oid::regclass::text, 'table', g.grantee, g.privilege_type, g.is_grantable
    from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g where c.oid in (select pgmq._adopt_tables())
    union all
    select p.oid::regprocedure::text, 'function', g.grantee, g.privilege_type, g.is_grantable
    from pg_proc p, aclexplode(p.proacl) g where p.oid in (select pgmq._adopt_functions());

    perform pgmq._adopt_release_members(keep_extension);
    for tab in select q.qtable from pgmq._adopt_queues() q where pgmq._adopt_notifies(q.qtable) loop
        execute format('drop trigger trigger_notify_queue_insert_listeners on %s', tab);
    end loop;
    for one in select f::regprocedure::text from pgmq._adopt_functions() f loop
        execute format('drop function %s', one);
    end loop;
    select string_agg(t::text, ', ') into one from pgmq._adopt_tables() t;
    execute format('drop table %s', one);
    for one in select t::regtype::text from pgmq._adopt_types() t loop
        execute format('drop type %s', one);
    end loop;
end
$$;

-- _adopt_release_members(keep_extension): nothing belongs to the extension any more, so that nothing goes with it.
create or replace function pgmq._adopt_release_members(keep_extension boolean)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    extension oid := (select e.oid from pg_extension e where e.extname = 'pgmq');
    member record;
begin
    for member in
        select o.type, o.identity
        from pg_depend d cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) o
        where d.refclassid = 'pg_extension'::regclass and d.refobjid = extension and d.deptype = 'e'
          and not exists (  -- the types of rows and arrays go with their tables and elements
              select from pg_type t left join pg_class c on c.oid = t.typrelid
              where d.classid = 'pg_type'::regclass and t.oid = d.objid and (t.typcategory = 'A' or c.relkind <> 'c'))
    loop
        execute format('alter extension pgmq drop %s %s', member.type, member.identity);
    end loop;
    if extension is not null and not keep_extension then
        select * into member from pg_depend d
        where d.refclassid = 'pg_extension'::regclass and d.refobjid = extension and d.deptype = 'e' limit 1;
        if found then
            raise exception '% is still a member of extension pgmq', pg_describe_object(member.classid, member.objid, 0);
        end if;
        drop extension pgmq;
    end if;
end
$$;

-- _adopt_bring_back(): step 4. Rows of queues that have no table stay away; spellings of one name become one.
create or replace function pgmq._adopt_bring_back()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    create temp table kept on commit drop as
    select distinct on (lower(m.queue_name)) m.queue_name::text as queue_name, m.created_at,
           to_regclass(format('pgmq.%I', 'q_' || lower(m.queue_name))) as qtable
    from their_meta m
    where to_regclass(format('pgmq.%I', 'q_' || lower(m.queue_name))) is not null
    order by lower(m.queue_name), m.queue_name = lower(m.queue_name) desc, m.created_at, m.queue_name;

    insert into pgmq.meta (queue_name, is_partitioned, is_unlogged, created_at)
    select k.queue_name, c.relkind = 'p', c.relpersistence = 'u', k.created_at from kept k join pg_class c on c.oid = k.qtable;
    insert into pgmq.topic_bindings (pattern, queue_name, bound_at)
    select b.pattern, k.queue_name, min(b.bound_at) from their_topics b join kept k on lower(k.queue_name) = lower(b.queue_name)
    group by b.pattern, k.queue_name;
    insert into pgmq.notify_insert_throttle (queue_name, throttle_interval_ms, last_notified_at)
    select distinct on (k.queue_name) k.queue_name, n.throttle_interval_ms, n.last_notified_at
    from their_notifications n join kept k on lower(k.queue_name) = lower(n.queue_name)
    order by k.queue_name, n.queue_name = k.queue_name desc, n.throttle_interval_ms;
    perform pgmq._adopt_grant();
end
$$;

-- _adopt_grant(): what was granted on PGMQ's tables and functions, on ours of the same names.
create or replace function pgmq._adopt_grant()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    g record;
begin
    delete from their_grants f where case f.kind when 'function' then to_regprocedure(f.object) is null end;
    for g in select distinct f.object from their_grants f where f.kind = 'function' loop
        execute format('revoke execute on function %s from public', g.object);
    end loop;
    for g in
        select f.*, case when f.grantee = 0 then 'public' else f.grantee::regrole::text end as role
        from their_grants f where f.grantee <> (select r.oid from pg_roles r where r.rolname = current_user)
    loop
        execute format('grant %s on %s %s to %s%s', g.privilege, g.kind, g.object, g.role,
                       case when g.grantable and g.grantee <> 0 then ' with grant option' else '' end);
    end loop;
end
$$;

-- _adopt_queue(queue_name): brings a queue's tables, whatever release made them, to our layout; can be run again. Every row
-- stays where it is, and ids go on above all that were given out.
create or replace function pgmq._adopt_queue(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
    q regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass;
    a regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))::regclass;
    tab regclass;
    stale regclass;
    throttle record;
begin
    perform pgmq.acquire_queue_lock(lower(queue_name));
    foreach tab in array array[q, a] loop
        if not (pgmq._adopt_has(tab, 'last_read_at') and pgmq._adopt_has(tab, 'headers')) then
            execute format('alter table %s add column if not exists last_read_at timestamp with time zone, add column if not exists headers jsonb', tab);
        end if;
    end loop;
    for stale in select pgmq._adopt_stale_indexes(q) loop
        execute format('drop index %s', stale);
    end loop;
    perform pgmq._lay_out(queue_name);
    if not exists (select from pg_index i where i.indrelid = q and pg_get_indexdef(i.indexrelid) like '% (msg_id)') then
        execute format('create index on %s (msg_id)', q);  -- partitioned queues have no primary key
    end if;
    perform pgmq._adopt_ids(q, a);
    select * into throttle from pgmq.notify_insert_throttle t where lower(t.queue_name) = lower(_adopt_queue.queue_name);
    if found then
        perform pgmq.enable_notify_insert(throttle.queue_name, throttle.throttle_interval_ms);
    end if;
end
$$;

-- _adopt_ids(qtable, atable): an unlogged queue of PGMQ counts from 1 again after a crash, into ids of its archive.
create or replace function pgmq._adopt_ids(qtable regclass, atable regclass)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    newest bigint;
begin
    execute format('select greatest((select max(m.msg_id) from %s m), (select max(m.msg_id) from %s m))', qtable, atable) into newest;
    execute format('select setval(%1$L, $1) from %1$s s where s.last_value < $1', pg_get_serial_sequence(qtable::text, 'msg_id'))
        using newest;
end
$$;

-- _adopt_hides(queue_name): whether there are as many hidden messages as are worth parking.
create or replace function pgmq._adopt_hides(queue_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    hides boolean;
begin
    execute format('select exists (select from pgmq.%I m where m.due is null and m.vt > $1 offset 2000)', pgmq.format_table_name(queue_name, 'q'))
        into hides using clock_timestamp() + interval '1 second';
    return hides;
end
$$;

-- _adopt_park(queue_name, after): parks the messages of one stretch of ids if many of them are hidden, as reads do when they
-- meet them. Returns where to go on, null at the end. Locks: row locks, SKIP LOCKED.
create or replace function pgmq._adopt_park(queue_name text, after bigint)
returns bigint language plpgsql
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    q regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass;
    last bigint;
    hidden bigint[];
begin
    execute format($look$
        select max(f.msg_id), array_agg(f.msg_id order by f.msg_id) filter (where f.vt > $2)
        from (select c.msg_id, c.vt from %s c where c.due is null and c.msg_id > $1 order by c.due, c.msg_id limit 5000) f
    $look$, q) into last, hidden using after, clock_timestamp() + interval '1 second';
    if cardinality(hidden) > 2000 then
        execute format($park$
            update %1$s m set due = m.vt
            where m.msg_id = any (array(select c.msg_id from %1$s c where c.msg_id = any ($1) order by c.msg_id for update skip locked))
        $park$, q) using hidden;
    end if;
    return last;
end
$$;
