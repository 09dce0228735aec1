-- Roles: who may do what with which queue. A producer sends. A consumer reads and settles: he may also send, because putting
-- a dead letter back is a send. The admin of a queue owns it: it is his to purge, to drop and to grant; whoever administers
-- any queue may create others.
-- Functions run with the rights of whoever calls them, so all rights are on tables. The three roles that migrate makes,
-- hanjul_producer, hanjul_consumer and hanjul_admin, have what every queue needs and no queue yet; a role that is granted a
-- queue gets the same. A queue that a member of hanjul_admin creates is owned by hanjul_admin, for all its members.

-- grant_queue(queue_name, role, as_what): `as_what` is producer, consumer or admin; by the queue's owner. To a role that is
-- no member of those three by migrate's own role alone, because the schemas and the shared tables are its own. A queue has
-- one admin, who may be a group of others.
create or replace function hanjul.grant_queue(queue_name text, role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    q regclass := hanjul._queue_to_grant(queue_name);
    a regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))::regclass;
    ids text := pg_get_serial_sequence(q::text, 'msg_id');
begin
    perform hanjul._check_grant(role, as_what);
    if not hanjul._has_general_rights(role, as_what) then
        if not has_schema_privilege('hanjul', 'usage with grant option') then
            raise exception 'role "%" lacks what every queue needs', role using errcode = 'insufficient_privilege',
                hint = format('Who may: grant %I to %I', 'hanjul_' || as_what, role);
        end if;
        perform hanjul._give_general_rights(role, as_what);
        execute format('grant usage on schema pgmq to %I', role);
    end if;
    if as_what = 'producer' then
        execute format('grant select (msg_id), insert (%s) on %s to %I',
                       hanjul._columns(q, '{vt,message,headers,due}'), q, role);
    elsif as_what = 'consumer' then
        execute format('grant select, delete, insert (%s), update (%s) on %s to %I',
                       hanjul._columns(q, '{vt,message,headers,due}'),
                       hanjul._columns(q, '{read_ct,last_read_at,vt,released,settled}'), q, role);
        execute format('grant select, insert on %s to %I', a, role);
        execute format('grant select on sequence %s to %I', ids, role);
    else
        perform hanjul._hand_over(queue_name, role);
    end if;
end
$$;

-- revoke_queue(queue_name, role, as_what): the queue's part of what grant_queue gave. Who was an admin is followed by whoever
-- revokes; a consumer who is no producer any more may still send.
create or replace function hanjul.revoke_queue(queue_name text, role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    q regclass := hanjul._queue_to_grant(queue_name);
    a regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))::regclass;
    oid_of_role oid := (select r.oid from pg_roles r where r.rolname = role);
begin
    perform hanjul._check_grant(role, as_what);
    if as_what = 'admin' then
        if exists (select from pg_class c where c.oid = q and c.relowner = oid_of_role) then
            perform hanjul._hand_over(queue_name, current_user);
        end if;
    elsif as_what = 'consumer' or not hanjul._granted(q, oid_of_role, 'DELETE') then
        execute format('revoke all on %s, %s from %I', q, a, role);
        execute format('revoke all on sequence %s from %I', pg_get_serial_sequence(q::text, 'msg_id'), role);
    end if;
end
$$;

-- _queue_to_grant(queue_name): its table; 42P01 if there is none, 42501 for those who do not own it: GRANT would only warn.
create or replace function hanjul._queue_to_grant(queue_name text)
returns regclass language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    q regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass;
begin
    if not pg_has_role((select c.relowner from pg_class c where c.oid = q), 'usage') then
        raise exception 'must be owner of queue "%"', queue_name using errcode = 'insufficient_privilege';
    end if;
    return q;
end
$$;

-- _check_grant(role, as_what): `public` is no role, though GRANT takes it for one.
create or replace function hanjul._check_grant(role text, as_what text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (as_what in ('producer', 'consumer', 'admin')) is not true then
        raise exception 'a role is granted a queue as producer, consumer or admin, not as %', coalesce(quote_literal(as_what), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif not exists (select from pg_roles r where r.rolname = role) then
        raise exception 'role "%" does not exist', role using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _columns(tab, names): those that the table has, as a list: one that the pgmq extension made lacks ours.
create or replace function hanjul._columns(tab regclass, names text[])
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select string_agg(quote_ident(a.attname), ', ') from pg_attribute a
    where a.attrelid = tab and a.attname = any (names) and not a.attisdropped;
$$;

-- _granted(tab, grantee, privilege): to this very role, not to one that it is a member of.
create or replace function hanjul._granted(tab regclass, grantee oid, privilege text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from pg_class c cross join lateral aclexplode(c.relacl) g
                   where c.oid = tab and g.grantee = _granted.grantee and g.privilege_type = privilege);
$$;

-- _has_general_rights(role, as_what): whether the role has what every queue needs, be it as a member of others.
create or replace function hanjul._has_general_rights(role text, as_what text)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return has_schema_privilege(role, 'pgmq', 'usage') and has_schema_privilege(role, 'hanjul', 'usage')
           and has_function_privilege(role, 'hanjul.wake(text)', 'execute')
           and case as_what
                   when 'producer' then coalesce(has_table_privilege(role, to_regclass('pgmq.topic_bindings'), 'select'), true)
                   when 'consumer' then has_table_privilege(role, 'hanjul.dead_letter', 'delete')
                   else has_schema_privilege(role, 'pgmq', 'create')
               end;
end
$$;

-- _give_general_rights(role, as_what): what every queue needs, and no queue. In schema pgmq only if it is ours.
create or replace function hanjul._give_general_rights(role text, as_what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ours boolean := to_regprocedure('pgmq._plan(text)') is not null;
    grants text[] := array['usage on schema hanjul', 'execute on all functions in schema hanjul'];
    given text;
begin
    if as_what in ('consumer', 'admin') then
        grants := grants || array['select, insert, delete, update (id) on hanjul.dead_letter'];  -- update: to lock rows
    end if;
    if ours then
        grants := grants || array['usage on schema pgmq', 'select on pgmq.topic_bindings',
                                  'select, update (last_notified_at) on pgmq.notify_insert_throttle'];
    end if;
    if ours and as_what = 'admin' then
        grants := grants || array['create on schema pgmq', 'select, insert, delete on pgmq.meta',
                                  'insert, delete on pgmq.topic_bindings', 'insert, update, delete on pgmq.notify_insert_throttle',
                                  'select, insert, update, delete on pgmq.partitioning'];
    end if;
    foreach given in array grants loop
        execute format('grant %s to %I', given, role);
    end loop;
end
$$;

-- _hand_over(queue_name, role): the queue's tables, their sequences and the queue's functions. What an owner has written
-- himself would run with the next one's rights. That is no news where he is a member of that role. Where not, his queue's
-- functions are written anew, and tables that run anything of his by themselves are refused.
create or replace function hanjul._hand_over(queue_name text, role text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    q regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')));
    a regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'a')));
    ours boolean := to_regprocedure('pgmq._plan(text)') is not null;
    trusted boolean := pg_has_role((select c.relowner from pg_class c where c.oid = q), role, 'member');
    tables regclass[] := array(select t from unnest(array[q, a]) t where t is not null union select p.relid from unnest(array[q, a]) t, pg_partition_tree(t) p);
    tab regclass;
begin
    if q is null then  -- noted in pgmq.meta by hand
        return;
    end if;
    foreach tab in array tables loop
        execute format('alter table %s owner to %I', tab, role);  -- from here on its former owner cannot change it
    end loop;
    if not trusted then
        perform hanjul._refuse_foreign_code(queue_name, tables);
    end if;
    if ours and not trusted then
        perform pgmq._unplan(queue_name);
        perform pgmq._plan(queue_name);
    elsif ours then
        perform pgmq._own_plans(queue_name);
    end if;
end
$$;

-- _refuse_foreign_code(queue_name, tables): 42501 if there is anything on the tables that runs when they are touched and
-- that hanjul did not put there, except what is made of PostgreSQL's own functions and changes nothing: indexes.
create or replace function hanjul._refuse_foreign_code(queue_name text, tables regclass[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    foreign_code text := (
        select string_agg(k.kind || ' of ' || k.tab, ', ' order by k.tab::text, k.kind)
        from (
            select format('trigger %I', t.tgname), t.tgrelid::regclass
            from pg_trigger t join pg_proc p on p.oid = t.tgfoid
            where t.tgrelid = any (tables) and not t.tgisinternal and not (
                p.pronamespace = to_regnamespace('pgmq') and p.proowner = (select n.nspowner from pg_namespace n where n.nspname = 'hanjul')
                and (p.proname <> '_partitions_follow' or encode(t.tgargs, 'hex') in (  -- it calls a function of the queue that it names
                    select encode(convert_to(name, getdatabaseencoding()), 'hex') || '00'
                    from unnest(array[pgmq.format_table_name(queue_name, 'q'), pgmq.format_table_name(queue_name, 'a')]) name)))
            union all
            select format('rule %I', r.rulename), r.ev_class::regclass from pg_rewrite r where r.ev_class = any (tables)
            union all
            select format('policy %I', y.polname), y.polrelid::regclass from pg_policy y where y.polrelid = any (tables)
            union all
            select format('constraint %I', o.conname), o.conrelid::regclass from pg_constraint o
            where o.conrelid = any (tables) and o.contype not in ('p', 'u', 'n', 't')
            union all
            select format('default of column %I', c.attname), d.adrelid::regclass
            from pg_attrdef d join pg_attribute c on c.attrelid = d.adrelid and c.attnum = d.adnum
            where d.adrelid = any (tables) and pg_get_expr(d.adbin, d.adrelid) not in ('0', 'now()')
            union all
            select format('type of column %I', c.attname), c.attrelid::regclass from pg_attribute c
            where c.attrelid = any (tables) and c.atttypid >= 16384
            union all
            select distinct format('index %s', d.objid::regclass), i.indrelid::regclass
            from pg_index i join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
            where i.indrelid = any (tables)
              and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_type'::regclass)
        ) k (kind, tab));
begin
    if foreign_code is not null then
        raise exception 'queue "%" is not taken over with what its owner has put on it: %', queue_name, foreign_code
            using errcode = 'insufficient_privilege', hint = 'It would run with the rights of the new owner. Drop it, and put it back afterwards.';
    end if;
end
$$;

-- _owned_by_all_admins(): trigger of pgmq.meta: a queue that a member of hanjul_admin creates. Whoever has installed us
-- keeps his own. It runs with the creator's rights, who need not be allowed to use this schema unless he is such a member.
create or replace function hanjul._owned_by_all_admins()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'hanjul' and r.rolname = current_user)
       and exists (select from pg_roles r where r.rolname = 'hanjul_admin' and pg_has_role(r.oid, 'member')) then
        perform hanjul._hand_over(new.queue_name, 'hanjul_admin');
    end if;
    return null;
end
$$;

-- _leave_dead_letters(): trigger of pgmq.meta: those of a queue that is dropped stay, and are not for whoever makes another
-- of its name. SECURITY DEFINER: whoever drops a queue need not be allowed to write them.
create or replace function hanjul._leave_dead_letters()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update hanjul.dead_letter d set queue_dropped_at = clock_timestamp()
    where d.queue_name = lower(old.queue_name) and d.queue_dropped_at is null;
    return null;
end
$$;
