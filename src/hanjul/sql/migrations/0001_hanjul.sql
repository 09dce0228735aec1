-- Where messages go that could not be handled.

create table hanjul.dead_letter (
    id          bigint primary key generated always as identity,
    queue_name  text not null,                      -- folded, as in q_<name>
    msg_id      bigint not null,                    -- the message's id in its queue
    attempts    integer not null,                   -- deliveries charged before it died
    reason      text not null,                      -- max_attempts, rejected, decode_error
    error       text,                               -- the last error, shortened
    enqueued_at timestamptz not null,
    died_at     timestamptz not null default clock_timestamp(),
    message     jsonb,
    headers     jsonb
);
create index dead_letter_queue_idx on hanjul.dead_letter (queue_name, id);
comment on table hanjul.dead_letter is 'messages that left their queue unhandled; hanjul.redrive puts them back';

-- What is known of each queue's scan bound; sql/pgmq/bound.sql tells the rules. Rows are only added and taken away: the
-- newest is found at the index's end, however many dead ones a long transaction keeps.
create table hanjul.scan (
    queue_name text not null,                       -- folded, as in q_<name>
    id         bigint generated always as identity,
    file       oid not null,                        -- the table's file: a table that was emptied or made anew has another
    bound      bigint not null,                     -- the scan bound
    last_id    bigint not null,                     -- the newest message id that was given out by then
    writers    jsonb not null,                      -- virtual transaction that wrote to the queue then -> from which id on
    primary key (queue_name, id)
);
comment on table hanjul.scan is 'where the scan bounds of the queues stand, and who may still write below them';
