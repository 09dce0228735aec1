-- Which queues notify of inserts, how often at most, and when they last did. Logged, unlike PGMQ's: what a crash
-- emptied would leave triggers without settings. Half-empty pages and an index without the clock keep its updates small.

create table pgmq.notify_insert_throttle (
    queue_name           varchar not null constraint notify_insert_throttle_queue_name_key unique
                             constraint notify_insert_throttle_meta_queue_name_fk
                             references pgmq.meta (queue_name) on delete cascade,
    throttle_interval_ms integer not null default 0,                                        -- 0: never throttled
    last_notified_at     timestamp with time zone not null default to_timestamp(0)
) with (fillfactor = 50);
create index idx_notify_throttle_active on pgmq.notify_insert_throttle (queue_name) where throttle_interval_ms > 0;
comment on table pgmq.notify_insert_throttle is 'queues that notify of inserts; made by pgmq.enable_notify_insert';

grant select on pgmq.notify_insert_throttle to pg_monitor;
