-- Jobs by the clock, and who of the workers looks after what belongs to no queue.

create table hanjul.schedule (
    name        text primary key,
    cron        text not null,
    timezone    text not null,
    kind        text not null,
    payload     jsonb not null,
    queue       text not null,
    options     jsonb not null,              -- of its jobs, as hanjul.enqueue_jobs takes them
    missed      text not null,               -- what becomes of ticks that nobody was there for: skip, once, all
    max_missed  integer not null,            -- of all of them, so many of the newest
    enabled     boolean not null default true,
    since       timestamptz not null,        -- ticks after this count: when it was made, or changed, or enabled
    next_tick   timestamptz,                 -- null: whoever leads works it out
    last_tick   timestamptz,                 -- the newest that was enqueued
    last_job_id uuid,
    problem     text,                        -- why it cannot run, until it is changed
    check (missed in ('skip', 'once', 'all'))
);
comment on table hanjul.schedule is 'jobs that are enqueued by the clock; hanjul.set_schedule makes one';

create table hanjul.leader (
    one          boolean primary key default true check (one),
    holder       text not null,
    since        timestamptz not null,
    leased_until timestamptz not null
) with (fillfactor = 50);
comment on table hanjul.leader is 'the process that looks after schedules, history and counts; it loses that when its lease ends';
