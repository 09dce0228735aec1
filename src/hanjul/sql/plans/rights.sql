-- What every migrate says about rights, last, when all functions are there: leases/roles.sql tells who is who.

-- _settle_rights(): nobody but those who may use schema hanjul may call its functions, and of the dead letters everybody
-- sees those of the queues that he may read, but of a queue that was dropped only migrate's own role; the three roles are made where the server lets us. They belong to the whole
-- server, so they may be there already.
create or replace function hanjul._settle_rights()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    kind text;
    grantee regrole;
begin
    revoke execute on all functions in schema hanjul from public;
    foreach kind in array array['producer', 'consumer', 'admin'] loop
        perform hanjul._make_role('hanjul_' || kind, kind);
    end loop;
    perform hanjul._join_admins();
    if to_regprocedure('net._settle_access()') is not null then
        perform net._settle_access();
    end if;
    for grantee in
        select g.grantee from pg_namespace n cross join lateral aclexplode(n.nspacl) g
        where n.nspname = 'hanjul' and g.privilege_type = 'USAGE' and g.grantee not in (0, n.nspowner)
    loop
        execute format('grant execute on all functions in schema hanjul to %s', grantee);
    end loop;
    if not (select c.relrowsecurity from pg_class c where c.oid = 'hanjul.dead_letter'::regclass) then
        alter table hanjul.dead_letter enable row level security;  -- the table's owner sees all
        create policy of_queues_that_the_role_may_read on hanjul.dead_letter
            using (queue_dropped_at is null and has_table_privilege(to_regclass(format('pgmq.%I', 'q_' || queue_name)), 'select'));
    end if;
    if to_regprocedure('pgmq._plan(text)') is not null
       and not exists (select from pg_trigger t where t.tgrelid = 'pgmq.meta'::regclass and t.tgname = 'owned_by_all_admins') then
        create trigger owned_by_all_admins after insert on pgmq.meta for each row execute function hanjul._owned_by_all_admins();
        create trigger dead_letters_are_left after delete on pgmq.meta for each row execute function hanjul._leave_dead_letters();
    end if;
end
$$;

-- _make_role(role, kind): with what every queue needs.
create or replace function hanjul._make_role(role text, kind text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from pg_roles r where r.rolname = role) then
        begin
            execute format('create role %I nologin', role);
        exception when duplicate_object or unique_violation then
            null;  -- another database's migrate was faster
        end;
    end if;
    perform hanjul._give_general_rights(role, kind);
    perform hanjul._give_job_rights(role, kind);
    if to_regclass('hanjul.webhook') is not null then
        perform hanjul._give_webhook_rights(role, kind);
    end if;
    if to_regprocedure('net._give_http_rights(text, text)') is not null then  -- unless the schema is pg_net's
        perform net._give_http_rights(role, kind);
    end if;
exception when insufficient_privilege then
    raise notice 'role % is left as it is: %', role, sqlerrm;
end
$$;

-- _join_admins(): migrate's own role has to be one, to write the functions of all queues again; a superuser is.
create or replace function hanjul._join_admins()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from pg_roles r where r.rolname = 'hanjul_admin' and not pg_has_role(r.oid, 'member')) then
        execute format('grant hanjul_admin to %I', current_user);
    end if;
exception when insufficient_privilege then
    raise notice 'who migrates should be a member of hanjul_admin: %', sqlerrm;
end
$$;

select hanjul._settle_rights();
