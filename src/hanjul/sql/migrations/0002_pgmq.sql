-- The types and the registry of schema pgmq, in the layout of PGMQ 1.13: clients rely on names and column order.

create schema if not exists pgmq;

create type pgmq.message_record as (
    msg_id       bigint,
    read_ct      integer,
    enqueued_at  timestamp with time zone,
    last_read_at timestamp with time zone,
    vt           timestamp with time zone,
    message      jsonb,
    headers      jsonb
);

create type pgmq.queue_record as (
    queue_name     varchar,
    is_partitioned boolean,
    is_unlogged    boolean,
    created_at     timestamp with time zone
);

create type pgmq.metrics_result as (
    queue_name               text,
    queue_length             bigint,
    newest_msg_age_sec       integer,
    oldest_msg_age_sec       integer,
    total_messages           bigint,
    scrape_time              timestamp with time zone,
    queue_visible_length     bigint,
    default_partition_length bigint
);

create type pgmq.queue_info as (  -- metrics_result, and more
    queue_name               text,
    queue_length             bigint,
    newest_msg_age_sec       integer,
    oldest_msg_age_sec       integer,
    total_messages           bigint,
    scrape_time              timestamp with time zone,
    queue_visible_length     bigint,
    default_partition_length bigint,
    in_flight_length         bigint,
    delayed_length           bigint,
    archived_messages        bigint,
    is_partitioned           boolean,
    is_unlogged              boolean,
    created_at               timestamp with time zone
);

create table pgmq.meta (
    queue_name     varchar not null constraint meta_queue_name_key unique,
    is_partitioned boolean not null,
    is_unlogged    boolean not null,
    created_at     timestamp with time zone not null default now()
);
create unique index meta_folded_name_idx on pgmq.meta (lower(queue_name));  -- two spellings would share one table
comment on schema pgmq is 'message queues by hanjul: the API of PGMQ 1.13 in plain SQL';

grant usage on schema pgmq to pg_monitor;
grant select on all tables in schema pgmq to pg_monitor;
alter default privileges in schema pgmq grant select on tables to pg_monitor;
alter default privileges in schema pgmq grant select on sequences to pg_monitor;

-- What is known of each queue's scan bound; sql/pgmq/bound.sql tells the rules. Rows are only added and taken away: the
-- newest is found at the index's end, however many dead ones a long transaction keeps. Of a queue that was dropped there is
-- one that is of no file: ids go on after it when the queue is made again.
create table pgmq.scan (
    queue_name text not null,                       -- folded, as in q_<name>
    id         bigint generated always as identity,
    file       oid not null,                        -- the table's file: a table that was emptied or made anew has another
    bound      bigint not null,                     -- the scan bound
    last_id    bigint not null,                     -- the newest message id that was given out by then
    writers    jsonb not null,                      -- virtual transaction that wrote to the queue then -> from which id on
    primary key (queue_name, id)
);
comment on table pgmq.scan is 'where the scan bounds of the queues stand, and who may still write below them';

-- Everybody may own a queue, so everybody has the table, and in it the rows of his queues.
grant select, insert, delete on pgmq.scan to public;
alter table pgmq.scan enable row level security;
create policy of_ones_own_queues on pgmq.scan using (pg_has_role(
    (select c.relowner from pg_class c where c.oid = to_regclass(format('pgmq.%I', 'q_' || queue_name))), 'usage'));
