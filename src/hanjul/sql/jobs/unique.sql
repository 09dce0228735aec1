-- Unique keys. One row says which job holds a key; whether that job still bars others is decided when somebody asks.

-- _hold_unique(unique_key, job_id, ...): the id of the job that holds the key now: job_id, or that of an earlier one.
-- Locks: the key's row to the end of the transaction: whoever asks for the same key waits until it is decided.
create or replace function hanjul._hold_unique(
    unique_key text, job_id uuid, at timestamptz, unique_over text[], unique_for_s double precision, on_conflict text)
returns uuid language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    held hanjul.job_unique;
begin
    if length(unique_key) not between 1 and 1000 then
        raise exception 'unique_key must be text of 1 to 1000 characters, not of %', length(unique_key) using errcode = 'invalid_parameter_value';
    elsif (unique_over <@ '{pending,processing,completed,failed,cancelled}' and cardinality(unique_over) > 0) is not true then
        raise exception 'unique_over must name some of pending, processing, completed, failed, cancelled, not %', coalesce(unique_over::text, 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif (on_conflict in ('keep', 'replace', 'raise')) is not true then
        raise exception 'on_conflict must be keep, replace or raise, not %', coalesce(on_conflict, 'NULL') using errcode = 'invalid_parameter_value';
    elsif (unique_for_s > 0) is false then
        raise exception 'unique_for_s must be more than 0, not %', unique_for_s using errcode = 'invalid_parameter_value';
    end if;
    insert into hanjul.job_unique values (unique_key, job_id, at) on conflict do nothing;
    if found then
        return job_id;
    end if;
    select * into held from hanjul.job_unique u where u.unique_key = _hold_unique.unique_key for update;
    if held.job_id is null  -- it was pruned this moment
       or held.created_at <= at - make_interval(secs => unique_for_s)
       or coalesce(hanjul._status(held.job_id) <> all (unique_over), true) then
        insert into hanjul.job_unique values (unique_key, job_id, at)
        on conflict on constraint job_unique_pkey do update set job_id = excluded.job_id, created_at = excluded.created_at;
        return job_id;
    elsif on_conflict = 'raise' then
        raise exception 'unique key "%" is held by job %', unique_key, held.job_id
            using errcode = 'unique_violation', constraint = 'job_unique_pkey', table = 'job_unique', schema = 'hanjul';
    end if;
    return held.job_id;
end
$$;
