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
    ours boolean := to_regprocedure('pgmq._tidy(text)') is not null;
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

-- _hand_over(queue_name, role): the queue's tables, sequences and functions. Whoever has installed us goes on keeping its
-- scan bound.
create or replace function hanjul._hand_over(queue_name text, role text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    installer regrole := (select n.nspowner from pg_namespace n where n.nspname = 'hanjul');
    qtable text := pgmq.format_table_name(queue_name, 'q');
    owned text;
begin
    for owned in
        select format('table %s', t.relid::regclass)
        from (values (qtable), (pgmq.format_table_name(queue_name, 'a'))) k (table_name)
        cross join lateral (
            select to_regclass(format('pgmq.%I', k.table_name)) as relid
            union
            select r.relid from pg_partition_tree(to_regclass(format('pgmq.%I', k.table_name))) r) t
        where t.relid is not null
        union all
        select format('function %s', p.oid::regprocedure) from pg_proc p
        where p.pronamespace = 'pgmq'::regnamespace
          and p.proname in (select pgmq._planned_name(operation, queue_name) from unnest(pgmq._operations() || 'upkeep'::text) operation)
          and p.proowner = (select c.relowner from pg_class c where c.oid = to_regclass(format('pgmq.%I', qtable)))
    loop
        execute format('alter %s owner to %I', owned, role);
    end loop;
    if to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'b'))) is not null then
        execute format('grant select, update on pgmq.%I, pgmq.%I to %s', qtable, pgmq.format_table_name(queue_name, 'b'), installer);
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
