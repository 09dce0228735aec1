-- Durable jobs. Work that waits or runs lives in hanjul.job, finished work in hanjul.job_history, by day, so that history
-- never slows the claiming of work; the view hanjul.job_queue shows both.

create table hanjul.job (
    id                  uuid primary key,                              -- version 7: ordered by the time of enqueueing
    queue               text not null,
    kind                text not null,                                 -- says which handler runs it
    priority            integer not null,                              -- smaller goes first
    run_at              timestamptz not null,                          -- not before
    status              text not null,                                 -- pending, processing
    leased_until        timestamptz not null default '-infinity',      -- until when it is its worker's, while processing
    attempt             integer not null default 0,                    -- the fence: counts every time it was handed out
    retry_count         integer not null default 0,                    -- failures so far; what was given back is none
    max_retries         integer not null,
    worker_id           text,                                          -- who has it, or had it last
    created_at          timestamptz not null,
    started_at          timestamptz,                                   -- of the newest attempt
    timeout_s           double precision,                              -- how long an attempt may run; null: as its kind says
    progress            real,                                          -- 0 to 1
    progress_note       text,
    cancel_requested_at timestamptz,                                   -- somebody wants the running attempt to end
    error_message       text,                                          -- of the newest failure
    key                 text,                                          -- the user's own reference
    unique_key          text,
    payload             jsonb not null,
    metadata            jsonb,
    check (status in ('pending', 'processing'))
) with (
    fillfactor = 50,                       -- leases, heartbeats and progress stay on their page, and write no index
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000
);
create index job_lane_idx on hanjul.job (queue, priority, run_at, id);  -- one lane for each priority of a queue
create index job_key_idx on hanjul.job (key) where key is not null;
comment on table hanjul.job is 'jobs that wait or run; hanjul.job_queue shows finished ones too';

create table hanjul.job_history (
    id            uuid not null,
    queue         text not null,
    kind          text not null,
    priority      integer not null,
    run_at        timestamptz not null,
    status        text not null,           -- completed, failed, cancelled
    attempt       integer not null,
    retry_count   integer not null,
    max_retries   integer not null,
    worker_id     text,
    created_at    timestamptz not null,
    started_at    timestamptz,
    completed_at  timestamptz not null,    -- when it ended, however it did
    timeout_s     double precision,
    progress      real,
    progress_note text,
    reason        text,                    -- of a failed one: max_attempts, rejected, decode_error
    error_message text,
    key           text,
    unique_key    text,
    payload       jsonb not null,
    metadata      jsonb,
    result        jsonb,
    check (status in ('completed', 'failed', 'cancelled'))
) partition by range (completed_at);
create index job_history_id_idx on hanjul.job_history (id);
create index job_history_key_idx on hanjul.job_history (key) where key is not null;
create index job_history_unfinished_idx on hanjul.job_history (status, id) where status <> 'completed';
create table hanjul.job_history_rest partition of hanjul.job_history default;  -- of days that nobody has made a partition for
comment on table hanjul.job_history is 'finished jobs, a partition for each day (UTC); hanjul.prune drops old ones';

create view hanjul.job_queue as
    select id, status, payload, created_at, started_at, null::timestamptz as completed_at, worker_id, retry_count, max_retries,
           error_message, queue, kind, priority, run_at, attempt, nullif(leased_until, '-infinity') as leased_until, timeout_s,
           progress, progress_note, null::jsonb as result, cancel_requested_at, key, metadata, null::text as reason
    from hanjul.job
    union all
    select id, status, payload, created_at, started_at, completed_at, worker_id, retry_count, max_retries,
           error_message, queue, kind, priority, run_at, attempt, null, timeout_s,
           progress, progress_note, result, null, key, metadata, reason
    from hanjul.job_history;
comment on view hanjul.job_queue is 'every job, waiting, running or finished';

-- Who holds a unique key. Whether it still bars others is decided when somebody asks: by the job's status and age.
create table hanjul.job_unique (
    unique_key   text primary key,
    job_id       uuid not null,
    created_at   timestamptz not null,
    request_hash text                     -- of a request that may arrive twice: what it asked for
);
create index job_unique_created_idx on hanjul.job_unique (created_at);  -- for hanjul.prune_unique_keys
comment on table hanjul.job_unique is 'the newest job of each unique key';

create table hanjul.job_pause (
    queue     text primary key,
    paused_at timestamptz not null default clock_timestamp(),
    paused_by text not null,
    reason    text
);
comment on table hanjul.job_pause is 'queues whose jobs are not handed out';

-- How many jobs went from one status to another: a row for each statement that moved some, so that nobody waits for a
-- counter; hanjul.roll_up adds them up and takes them away.
create table hanjul.job_flow (
    at          timestamptz not null,
    queue       text not null,
    kind        text not null,
    from_status text,                      -- null: enqueued
    to_status   text,                      -- null: taken out of history
    n           bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
create table hanjul.job_count (
    queue  text not null,
    kind   text not null,
    status text not null,
    n      bigint not null,                -- how many there are
    primary key (queue, kind, status)
);
create table hanjul.job_minute (
    minute timestamptz not null,
    queue  text not null,
    kind   text not null,
    status text not null,
    n      bigint not null,                -- how many came to have it in that minute
    primary key (minute, queue, kind, status)
);
comment on table hanjul.job_flow is 'jobs that changed their status, not yet counted';
comment on table hanjul.job_count is 'jobs by queue, kind and status, without what is in job_flow';
comment on table hanjul.job_minute is 'jobs that came to a status, by minute';
