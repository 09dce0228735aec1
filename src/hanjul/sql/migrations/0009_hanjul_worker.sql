-- Who works on jobs: a row for each process, which it renews; and whose unique key a job holds.

create table hanjul.worker (
    id          text not null,                 -- as in hanjul.job.worker_id
    host        text not null,
    pid         integer not null,
    queues      text[] not null,
    kinds       text[],                        -- what it can run; null: anything
    concurrency integer not null,              -- jobs that it runs at once
    version     text,                          -- of hanjul
    started_at  timestamptz not null default clock_timestamp(),
    seen_at     timestamptz not null default clock_timestamp(),
    primary key (id, host, pid)                -- two processes may have been given the same id
) with (fillfactor = 50);
comment on table hanjul.worker is 'processes that work on jobs; one that has not been seen for a minute is taken for dead';

create index job_unique_job_idx on hanjul.job_unique (job_id);
