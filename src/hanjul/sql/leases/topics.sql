-- bind_topics(queue_names, patterns, known): bind each queue to the pattern beside it, for consumers that want it so, unless
-- it is the queue that is `known`, by the moment of its creation, to have been bound: what was unbound since stays so.
-- Returns what was bound, by the names that were given; a queue that is missing is left out.
-- Locks: those of pgmq.bind_topic, in the order of queues and patterns.
create or replace function hanjul.bind_topics(queue_names text[], patterns text[], known timestamptz[])
returns table (queue_name text, pattern text, created_at timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stored_name text;
begin
    for queue_name, pattern, created_at, stored_name in
        select w.queue_name, w.pattern, m.created_at, m.queue_name
        from unnest(queue_names, patterns, known) w (queue_name, pattern, known_at)
        join pgmq.meta m on lower(m.queue_name) = lower(w.queue_name)
        where m.created_at is distinct from w.known_at
        order by m.queue_name, w.pattern
    loop
        perform pgmq.bind_topic(pattern, stored_name);
        return next;
    end loop;
end
$$;
