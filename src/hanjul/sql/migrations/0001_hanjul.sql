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
    headers     jsonb,
    queue_dropped_at timestamptz                    -- since then it is of no queue, whoever makes another of the name
);
create index dead_letter_queue_idx on hanjul.dead_letter (queue_name, id);
comment on table hanjul.dead_letter is 'messages that left their queue unhandled; hanjul.redrive puts them back';
