-- Which tables of queues are cut into partitions, and how. A queue made by create_partitioned has two rows, a queue
-- whose archive was converted one.

create table pgmq.partitioning (
    table_name         text primary key,            -- q_<name> or a_<name>, folded
    queue_name         varchar not null constraint partitioning_meta_queue_name_fk
                           references pgmq.meta (queue_name) on delete cascade,
    control            text not null,               -- the column that decides: msg_id, enqueued_at or archived_at
    partition_interval text not null,               -- messages, or a length of time
    retention_interval text,                        -- likewise; null: nothing is ever dropped
    premake            integer not null,            -- partitions that are there before they are needed
    tried_at           timestamp with time zone     -- when maintenance last found somebody in its way
);
create index partitioning_queue_name_idx on pgmq.partitioning (queue_name);
comment on table pgmq.partitioning is 'how tables are partitioned; made by pgmq.create_partitioned and convert_archive_partitioned';

grant select on pgmq.partitioning to pg_monitor;

-- Whoever may see the table sees all of it; rows are written by the owner of the queue alone: the upkeep of his partitions
-- goes by them. So everybody may note that it was tried.
grant select (table_name), update (tried_at) on pgmq.partitioning to public;
alter table pgmq.partitioning enable row level security;
create policy seen_by_all on pgmq.partitioning for select using (true);
create policy of_ones_own_queues on pgmq.partitioning using (pg_has_role(
    (select c.relowner from pg_class c where c.oid = to_regclass(format('pgmq.%I', table_name))), 'usage'));
