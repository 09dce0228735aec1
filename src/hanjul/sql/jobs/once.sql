-- Requests that may arrive twice.

-- enqueue_job_once(idempotency_key, request_hash, job): enqueue the job, an object as enqueue_jobs takes it, unless a request
-- of this key has done so; the job's id either way, for as long as the job is kept. request_hash: a text that is another for
-- another request: to come with a key that another request had is 22023.
-- Locks: the key's row to the end of the transaction: a second request of the same key waits for what becomes of the first.
create or replace function hanjul.enqueue_job_once(idempotency_key text, request_hash text, job jsonb)
returns uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ts timestamptz := clock_timestamp();
    held hanjul.job_unique;
    new_id uuid;
begin
    if (length(idempotency_key) between 1 and 255) is not true then
        raise exception 'an idempotency key must be text of 1 to 255 characters, not of %', coalesce(length(idempotency_key)::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif (length(request_hash) between 1 and 255) is not true then
        raise exception 'request_hash must be text of 1 to 255 characters, not of %', coalesce(length(request_hash)::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    end if;
    held.unique_key := 'request ' || idempotency_key;
    insert into hanjul.job_unique (unique_key, job_id, created_at, request_hash)
    values (held.unique_key, '00000000-0000-0000-0000-000000000000', ts, request_hash) on conflict do nothing;
    if not found then
        select u.job_id, u.request_hash into held.job_id, held.request_hash
        from hanjul.job_unique u where u.unique_key = held.unique_key for update;
        if hanjul._status(held.job_id) is not null then
            if held.request_hash is distinct from enqueue_job_once.request_hash then
                raise exception 'the idempotency key "%" was used for another request', idempotency_key
                    using errcode = 'invalid_parameter_value';
            end if;
            return held.job_id;
        end if;
    end if;
    new_id := (select e from hanjul.enqueue_jobs(jsonb_build_array(job)) e);
    insert into hanjul.job_unique (unique_key, job_id, created_at, request_hash) values (held.unique_key, new_id, ts, request_hash)
    on conflict on constraint job_unique_pkey
    do update set job_id = excluded.job_id, created_at = excluded.created_at, request_hash = excluded.request_hash;
    return new_id;
end
$$;
