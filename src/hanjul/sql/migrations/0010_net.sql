-- Asynchronous HTTP: the schema of pg_net, its tables durable, with what a sender, retries and history need beside it.

create schema if not exists net;

create domain net.http_method as text check (upper(value) in ('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS'));
create type net.request_status as enum ('PENDING', 'SUCCESS', 'ERROR');
create type net.http_response as (status_code integer, headers jsonb, body text);
create type net.http_response_result as (status net.request_status, message text, response net.http_response);

-- Every request, waiting, on its way, or finished, until its retention is over. Senders find work through partial indexes
-- on the unfinished, so history never slows them.
create sequence net.http_request_queue_id_seq;
create table net.http_request_queue (
    id                   bigint primary key default nextval('net.http_request_queue_id_seq'),
    method               net.http_method not null,
    url                  text not null,
    headers              jsonb,
    body                 bytea,
    timeout_milliseconds integer not null,                                   -- of one attempt, in all; 0: none
    created              timestamptz not null default clock_timestamp(),
    status               net.request_status not null default 'PENDING',
    status_code          integer,                                            -- of the newest answer
    error_msg            text,                                               -- why there is no answer, or why it is not good enough
    attempts             integer not null default 0,                         -- those that have ended
    max_attempts         integer not null default 1,
    next_attempt_at      timestamptz not null default clock_timestamp(),     -- not before
    locked_until         timestamptz,                                        -- until when a sender has it
    finished             timestamptz,
    enqueued_by          name not null default current_user,
    claims               integer not null default 0,                         -- the fence: how often a sender has taken it
    released             integer not null default 0,                         -- of them given back unsent
    retry                jsonb,                                              -- the policy; null: one attempt, any answer is one
    give_up_at           timestamptz,                                        -- no attempt begins after it
    ordering_key         text,                                               -- of each key of a role one at a time, by id
    in_line              boolean not null default false,                     -- put off behind an earlier one of its key
    idempotency_key      text,
    sign_with            text,                                               -- name of the secret that signs it (Standard Webhooks)
    cancelled_by         name,                                               -- who did not want it any more
    webhook              text,                                               -- name of the webhook that it belongs to
    options              jsonb,                                              -- max_response_bytes, max_redirects
    -- what is inserted directly; the functions refuse it before, in words. None of these reads a value that is stored apart
    constraint body_has_at_most_64_mib check (octet_length(body) <= 67108864),
    constraint url_has_at_most_256_kib check (octet_length(url) <= 262144),
    constraint headers_have_at_most_1_mib check (pg_column_size(headers) <= 1048576),
    constraint timeout_is_not_negative check (timeout_milliseconds >= 0),
    constraint sign_with_is_a_name check (octet_length(sign_with) <= 65536)
) with (
    fillfactor = 70,                   -- a claim stays on its page, and writes no index
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000
);
alter sequence net.http_request_queue_id_seq owned by net.http_request_queue.id;
create index http_request_queue_due_idx on net.http_request_queue (next_attempt_at, id) where finished is null;
create index http_request_queue_line_idx on net.http_request_queue (enqueued_by, ordering_key, id) where finished is null and ordering_key is not null;
create index http_request_queue_leased_idx on net.http_request_queue (enqueued_by, ordering_key)  -- of a line, what is on its way
    where finished is null and ordering_key is not null and locked_until is not null;
create index http_request_queue_created_idx on net.http_request_queue (created);
create unique index http_request_queue_idempotency_idx on net.http_request_queue (enqueued_by, idempotency_key)
    where idempotency_key is not null;
create index http_request_queue_dead_idx on net.http_request_queue (finished)  -- these two: for net.expire; dead: as net._is_dead says
    where finished is not null and status = 'ERROR' and cancelled_by is null and (max_attempts > 1 or webhook is not null);
create index http_request_queue_over_idx on net.http_request_queue (finished)
    where finished is not null and not (status = 'ERROR' and cancelled_by is null and (max_attempts > 1 or webhook is not null));
create index http_request_queue_failed_idx on net.http_request_queue (id) where status = 'ERROR';
create index http_request_queue_webhook_idx on net.http_request_queue (webhook, id) where webhook is not null;
create type net.request_line as (            -- a request in a list, its credentials hidden: net.list_requests
    id bigint, method text, url text, status text, status_code integer, error_msg text, attempts integer, max_attempts integer,
    created timestamptz, next_attempt_at timestamptz, locked_until timestamptz, finished timestamptz, enqueued_by text,
    ordering_key text, idempotency_key text, webhook text
);
comment on table net.http_request_queue is 'HTTP requests: those that wait, and finished ones for pg_net.queue_retention';

-- The answers, as pg_net keeps them: one for each finished request, for pg_net.ttl.
create table net._http_response (
    id           bigint,                                                     -- of the request
    status_code  integer,
    content_type text,
    headers      jsonb,
    content      text,                                                       -- as text, by the charset it names, or UTF-8
    timed_out    boolean,
    error_msg    text,
    created      timestamptz not null default now(),
    body         bytea,                                                      -- the bytes, where content is not exactly they
    truncated    boolean not null default false,                             -- content is the beginning of a longer answer
    enqueued_by  name not null default current_user
);
create index _http_response_created_idx on net._http_response (created);
create index _http_response_id_idx on net._http_response (id);
comment on table net._http_response is 'answers to HTTP requests, for pg_net.ttl';

-- Every attempt, for as long as its request is kept.
create table net.http_attempt (
    request_id     bigint not null,
    claim          integer not null,             -- the fence by which it was made
    attempt        integer not null,             -- 1 for the first, again after a redrive
    started        timestamptz not null,
    duration_ms    real not null,
    dns_ms         real,                         -- the phases, each by itself, as far as it came
    connect_ms     real,                         -- TCP and TLS
    first_byte_ms  real,                         -- from the request's first byte to the answer's
    remote_address text,
    status_code    integer,
    response_bytes bigint,
    error_msg      text,
    retry_at       timestamptz,                  -- when it was to be tried again; null: it was the last
    primary key (request_id, claim)
);
comment on table net.http_attempt is 'every attempt at a request';

-- Values that requests name and do not hold. Only who sends may read them.
create table net.secret (
    name           text primary key,
    value          text not null,
    former         text,                         -- the one before, which signs as well until former_until
    former_until   timestamptz,
    hosts          text[] not null,              -- where it may go: host names; *.example.com: any below it
    created        timestamptz not null default clock_timestamp(),
    changed        timestamptz not null default clock_timestamp(),
    check (cardinality(hosts) > 0)
);
comment on table net.secret is 'secrets of HTTP requests, by name; never readable by those who enqueue';

-- Settings by the extension's names; what is not here is at its default.
create table net.config (
    name    text primary key,
    value   text not null,
    set_by  name not null default current_user,
    set_at  timestamptz not null default clock_timestamp()
);
comment on table net.config is 'settings, by net.set_config(name, value)';
