-- Webhooks: tables whose events become HTTP requests. Who sees and changes which is said by row-level security, so the
-- functions need no rights but their caller's; what the caller may not do himself is done by this table's own triggers
-- (sql/webhooks/effects.sql).

create table hanjul.webhook (
    name            text primary key,
    id              bigint not null unique generated always as identity,      -- in the names of its triggers and of its secret
    tab             regclass not null,
    events          text[] not null,                                          -- out of INSERT, UPDATE, DELETE, TRUNCATE
    columns         text[],                                                   -- of UPDATE: statements that name one of them; null: all
    condition       text,                                                     -- of its triggers: WHEN (...)
    url             text not null,
    headers         jsonb not null,
    timeout_ms      integer not null,
    retry           jsonb not null,
    max_attempts    integer not null,
    ordering        text[] not null,                                          -- columns: events of rows that agree in them arrive in order
    secret          text not null,                                            -- name of the one that signs
    own_secret      boolean not null default false,                           -- it was made with the webhook, and goes with it
    disable_after   interval not null,                                        -- of nothing but failures
    created_by      name not null default current_user,
    created_at      timestamptz not null default clock_timestamp(),
    state           text not null default 'active' check (state in ('active', 'paused', 'disabled')),
    state_why       text,
    state_since     timestamptz not null default clock_timestamp(),
    failing_since   timestamptz,                                              -- no success since then; null: not failing
    failures        integer not null default 0,                               -- attempts that have failed since then; exact up to 10
    last_success_at timestamptz,                                              -- these four may be a minute old
    last_failure_at timestamptz,
    last_status_code integer,
    last_error      text,                                                     -- of the last failure
    test_request_id bigint,                                                   -- of the newest test
    asked           jsonb                                                     -- what its owner wants done; done at once, and never kept
) with (fillfactor = 50);
comment on table hanjul.webhook is 'webhooks; hanjul.create_webhook, list_webhooks, drop_webhook';

create table hanjul.webhook_event (
    id         bigint primary key generated always as identity,
    at         timestamptz not null default clock_timestamp(),
    webhook    text not null,
    what       text not null,                                                 -- created, paused, disabled, resumed, secret rotated, dropped
    why        text,
    created_by name not null                                                  -- who has created the webhook
);
create index webhook_event_webhook_idx on hanjul.webhook_event (webhook, id);
comment on table hanjul.webhook_event is 'what became of webhooks; each is also told on channel hanjul_webhook';

-- its requests that have not ended: to hold them, to send them again, to count them
create index http_request_queue_webhook_open_idx on net.http_request_queue (webhook, id) where finished is null and webhook is not null;

-- Whoever has created a webhook sees it and changes it; so does who may write down events of all of them: senders and admins.
alter table hanjul.webhook enable row level security;
alter table hanjul.webhook_event enable row level security;
create policy seen on hanjul.webhook for select
    using (exists (select from pg_roles r where r.rolname = created_by and pg_has_role(r.oid, 'usage'))
           or has_table_privilege('hanjul.webhook_event', 'insert'));
create policy created on hanjul.webhook for insert
    with check (created_by = current_user and has_table_privilege(tab, 'trigger'));
create policy changed on hanjul.webhook for update
    using (exists (select from pg_roles r where r.rolname = created_by and pg_has_role(r.oid, 'usage'))
           or has_table_privilege('hanjul.webhook_event', 'insert'));
create policy dropped on hanjul.webhook for delete
    using (exists (select from pg_roles r where r.rolname = created_by and pg_has_role(r.oid, 'usage'))
           or has_table_privilege('hanjul.webhook_event', 'delete'));
create policy seen on hanjul.webhook_event for select
    using (exists (select from pg_roles r where r.rolname = created_by and pg_has_role(r.oid, 'usage'))
           or has_table_privilege('hanjul.webhook_event', 'insert'));
create policy written on hanjul.webhook_event for insert with check (true);
create policy deleted on hanjul.webhook_event for delete using (true);

-- Supabase's Database Webhooks, for triggers that were written for them: only where there is no such schema yet.
do $supabase$
begin
    if to_regnamespace('supabase_functions') is null and has_database_privilege(current_database(), 'create') then
        create schema supabase_functions;
        comment on schema supabase_functions is 'triggers as in Supabase''s Database Webhooks, by hanjul';
        create table supabase_functions.hooks (
            id            bigint primary key generated by default as identity,
            hook_table_id bigint not null,
            hook_name     text not null,
            created_at    timestamptz not null default now(),
            request_id    bigint
        );
        create index hooks_request_id_idx on supabase_functions.hooks (request_id);
        create index hooks_table_idx on supabase_functions.hooks (hook_table_id, hook_name);
        comment on table supabase_functions.hooks is 'which trigger has made which request';
    end if;
end
$supabase$;
