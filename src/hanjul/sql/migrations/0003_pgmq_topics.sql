-- Which routing keys reach which queues.

create table pgmq.topic_bindings (
    pattern        text not null,
    queue_name     text not null constraint topic_bindings_meta_queue_name_fk
                       references pgmq.meta (queue_name) on delete cascade,
    bound_at       timestamp with time zone not null default now(),
    compiled_regex text generated always as (  -- * is one segment or a part of it, # is anything; the rest is literal
        '^' || replace(replace(regexp_replace(pattern, E'([.+?{}()|\\[\\]\\\\^$])', E'\\\\\\1', 'g'),
                               '*', '[^.]+'), '#', '.*') || '$') stored,
    constraint topic_bindings_unique_pattern_queue unique (pattern, queue_name)
);
-- by queue first: a send takes its queues in the order of their names, and a queue that is dropped finds its bindings
create index idx_topic_bindings_covering on pgmq.topic_bindings (queue_name) include (pattern, compiled_regex);
comment on table pgmq.topic_bindings is 'which patterns of routing keys reach which queues; made by pgmq.bind_topic';

grant select on pgmq.topic_bindings to pg_monitor;
