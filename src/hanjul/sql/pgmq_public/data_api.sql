-- What Supabase shows of its queues to browsers and edge functions through its data API, by the same names and defaults.
-- Creating and dropping queues is not among it.
-- Who may call: PUBLIC may not. Where Supabase's roles exist they get what its dashboard gives them: the use of both
-- schemas and these six functions. That opens no queue yet: the functions run with their caller's rights, and no rights
-- on tables are given here, not even to service_role, to which Supabase gives all. Open a queue by
--     grant select, insert on pgmq.q_mail to authenticated;     -- update to read, delete to delete and pop,
--     alter table pgmq.q_mail enable row level security;        -- and the same with a_mail to archive; see the policies
-- Roles that are made later get theirs by the next migrate.

-- sleep_seconds: how long nobody sees it.
create or replace function pgmq_public.send(queue_name text, message jsonb, sleep_seconds integer default 0)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send(queue_name, message, sleep_seconds);
end
$$;

create or replace function pgmq_public.send_batch(queue_name text, messages jsonb[], sleep_seconds integer default 0)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.send_batch(queue_name, messages, sleep_seconds);
end
$$;

-- read(queue_name, sleep_seconds, n): up to n messages, which nobody else sees for sleep_seconds.
create or replace function pgmq_public.read(queue_name text, sleep_seconds integer, n integer)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.read(queue_name, sleep_seconds, n);
end
$$;

create or replace function pgmq_public.pop(queue_name text)
returns setof pgmq.message_record language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from pgmq.pop(queue_name);
end
$$;

create or replace function pgmq_public.archive(queue_name text, message_id bigint)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pgmq.archive(queue_name, message_id);
end
$$;

create or replace function pgmq_public.delete(queue_name text, message_id bigint)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pgmq.delete(queue_name, message_id);
end
$$;

revoke execute on all functions in schema pgmq_public from public;

do $grants$
declare
    role text;
begin
    for role in select r.rolname from pg_roles r where r.rolname in ('anon', 'authenticated', 'service_role') loop
        execute format('grant usage on schema pgmq, pgmq_public to %I', role);
        execute format('grant execute on all functions in schema pgmq_public to %I', role);
    end loop;
end
$grants$;
